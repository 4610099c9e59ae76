"""The recordings of several nodes, a thread each."""

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import nullcontext
from typing import TypeVar

from msgspec.structs import replace

from otterize_pcap.counted import counted
from otterize_pcap.crew import Crew
from otterize_pcap.files.recordings import Planned, Watch
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.read_threads import SECONDS_BETWEEN_REPORTS

Result = TypeVar("Result")
ReadRecording = Callable[[Planned, ReadOptions, Watch, int], Result]


def read_side_by_side(
    plans: Sequence[Planned],
    options: ReadOptions,
    watch: Watch,
    read_recording: ReadRecording[Result],
    at_once: int,
) -> list[Result]:
    """Read each node's files; the progress is that of all of them, told by this thread alone."""
    told: dict[int, tuple[int, int]] = {}
    each = replace(options, threads=max(1, options.threads // len(plans)))

    def told_of(number: int) -> Watch:
        return lambda _name, _paths: nullcontext(
            lambda size, packets: told.__setitem__(number, (size, packets))
        )

    everything = [path for planned in plans for path in planned.paths]
    with (
        watch(counted(len(plans), "node"), everything) as progress,
        Crew(at_once) as crew,
    ):
        futures = [
            crew.submit(read_recording, planned, each, told_of(number), at_once)
            for number, planned in enumerate(plans)
        ]
        while wait(futures, SECONDS_BETWEEN_REPORTS).not_done:
            if progress:
                sizes, packets = zip(*told.values(), strict=True) if told else ((0,), (0,))
                progress(sum(sizes), sum(packets))
        return [future.result() for future in futures]
