"""CAPTURE arguments → captures: the newest one by default, with progress and notices."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from otterize_pcap.cli.progress import reading_progress, total_size
from otterize_pcap.cli.terminal import notice
from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files import bare_recordings, captures, flow_log_files, pcap_files
from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.recordings import Watch
from otterize_pcap.flow_logs.connect_flows import MOST_FLOWS
from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.resolve.capture import Capture
from otterize_pcap.table.chunk import keep_arrays_apart
from otterize_pcap.table.read import FAST_PATH, Progress, ReadOptions

CAPTURES = Path("otterize-captures")
SLOW_BYTES = 1 << 20
"""What takes long enough without the compiled reader to be worth a word."""


def open_captures(
    arguments: Sequence[Path] | None,
    snapshots: Sequence[Path] | None,
    options: ReadOptions,
    asked: captures.ServicesAsked = captures.no_service,
) -> list[Capture]:
    """Read every capture that the arguments name; see `files.captures.open_captures`."""
    return list(each_capture(arguments, snapshots, options, asked))


def each_capture(
    arguments: Sequence[Path] | None,
    snapshots: Sequence[Path] | None,
    options: ReadOptions,
    asked: captures.ServicesAsked = captures.no_service,
) -> Iterator[Capture]:
    """The same one after the other; see `files.captures.each_capture`."""
    paths = list(arguments or [newest_capture()])
    keep_arrays_apart()
    return captures.each_capture(paths, snapshots, options, _Watch(paths).recording, asked)


def read_recordings(arguments: Sequence[Path] | None, options: ReadOptions) -> pcap_files.ReadFiles:
    """Read the pcap files of every capture that the arguments name, without snapshots, by node."""
    paths = list(arguments or [newest_capture()])
    keep_arrays_apart()
    return bare_recordings.read_recordings(paths, options, _Watch(paths).recording)


def read_logs(paths: Sequence[Path], options: ReadOptions) -> tuple[list[LogRecords], list[Path]]:
    """The flow logs that the paths name or hold, read, and the paths that are something else."""
    logs = flow_log_files.flow_logs_named(paths)
    rest = [path for path in paths if not flow_log_files.is_of_logs(path, logs)]
    most = min(options.max_connections, MOST_FLOWS)
    return flow_log_files.read_flow_logs(logs.items(), most), rest


def newest_capture() -> Path:
    """The newest capture with packets under ./otterize-captures/, named on stderr."""
    found = captures_here()
    if not found:
        message = (
            f"no CAPTURE given and none under ./{CAPTURES}/; "
            "name a capture directory, or record one with `otterize capture`"
        )
        raise UsageError(message)
    notice(f"reading {found[-1]}")
    return found[-1]


def captures_here() -> list[Path]:
    """The captures with packets under ./otterize-captures/, the newest last."""
    return sorted(path for path in CAPTURES.glob("*") if _holds_recording(path))


def _holds_recording(directory: Path) -> bool:
    """Whether packets are there: a capture that came to nothing has its manifest only."""
    return any(
        not path.name.endswith(".part")
        for pattern in ("pcap/*.pcap*", "*.pcap*")
        for path in directory.glob(pattern)
    )


def watch_reading() -> Watch:
    """Shows how far reading is; for those that read otherwise than the two above."""
    return _Watch().recording


class _Watch:
    """Shows how far reading is; says once that it is slow, where no compiled reader was built."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self._paths = paths
        self._bytes = 0
        self._said = FAST_PATH

    def recording(
        self, name: str, paths: Sequence[Path]
    ) -> AbstractContextManager[Progress | None]:
        """A recording is about to be read."""
        self._bytes += sum(path.stat().st_size for path in paths if path.is_file())
        if not self._said and self._bytes > SLOW_BYTES:
            self._said = True
            notice(
                "the compiled reader was not built; reading is some 300 times slower "
                "(install a C compiler, then: pip install --force-reinstall otterize-pcap)"
            )
        return reading_progress(name, paths, later=self._later)

    def _later(self) -> int | None:
        """How many bytes of all captures were not begun; None where nobody knows."""
        try:
            whole = total_size(each for path in self._paths for each in _recordings_of(path))
        except (InputError, OSError):
            return None
        return None if whole is None else max(0, whole - self._bytes)


def _recordings_of(path: Path) -> tuple[Path, ...]:
    return find_captures(path).captures if path.is_dir() else (path,)
