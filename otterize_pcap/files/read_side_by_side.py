"""The recordings of several nodes, a thread each."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from otterize_pcap.files.opening import path_text
from otterize_pcap.table.read import CaptureTable, Progress, ReadOptions

SECONDS_BETWEEN_REPORTS = 0.1

Watch = Callable[[str, Sequence[Path]], AbstractContextManager[Progress | None]]
ReadNode = Callable[[str, Sequence[Path], ReadOptions, Watch], CaptureTable]


def read_side_by_side(
    parts: Mapping[str, Sequence[Path]], options: ReadOptions, watch: Watch, read_node: ReadNode
) -> list[CaptureTable]:
    """Read each node's files; the progress is that of all of them, told by this thread alone."""
    told: dict[str, tuple[int, int]] = {}
    each = replace(options, threads=max(1, options.threads // len(parts)))

    def told_of(node: str) -> Watch:
        return lambda _name, _paths: nullcontext(
            lambda size, packets: told.__setitem__(node, (size, packets))
        )

    everything = [path for paths in parts.values() for path in paths]
    with (
        watch(f"{len(parts)} nodes", everything) as progress,
        ThreadPoolExecutor(options.threads) as pool,
    ):
        futures = [
            pool.submit(read_node, path_text(node), paths, each, told_of(node))
            for node, paths in parts.items()
        ]
        while wait(futures, SECONDS_BETWEEN_REPORTS).not_done:
            if progress:
                sizes, packets = zip(*told.values(), strict=True) if told else ((0,), (0,))
                progress(sum(sizes), sum(packets))
        return [future.result() for future in futures]
