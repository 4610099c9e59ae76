"""One command, measured: seconds of wall clock and processor, and its peak memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Measured:
    """What one run took: seconds, and MB of resident memory at its peak."""

    wall: float
    cpu: float
    memory_mb: float


FILL = """
import mmap, sys
size = int(sys.argv[1]) << 20
memory, page = mmap.mmap(-1, size), bytes(1 << 21)
memory.madvise(mmap.MADV_HUGEPAGE)
for at in range(0, size, len(page)):
    memory[at : at + len(page)] = page
"""


def back_memory(megabytes: int) -> None:
    """Have the host of a virtual machine back so much of its free memory.

    A guest that reports its free pages gives them up within a second (Linux' page reporting), and
    each one that a process then touches first is a fault of the host's: 0.5 to 1.4 GB a second
    here, where memory that is there is cleared at 8. A process of its own touches and frees them.
    """
    subprocess.run([sys.executable, "-c", FILL, str(megabytes)], check=True)


def run(
    command: Sequence[str], refuses: bytes | None = None, source: Sequence[str] = ()
) -> Measured | None:
    """Run a command; `source` is one that writes its standard input, whose time does not count.

    None where it fails, or prints `refuses` on stderr.
    """
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    # Who installs it has its modules compiled; here the first run does that.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    writer = subprocess.Popen(source, stdout=subprocess.PIPE) if source else None
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=writer.stdout if writer else None,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            # Where this is, and not where whoever measures stands, is what is measured.
            cwd=HERE.parent,
        )
        if writer and writer.stdout:
            writer.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read()
    failed = writer is not None and writer.wait() != 0
    if process.returncode or failed or (refuses is not None and refuses in said):
        print(f"{' '.join(command)[:200]}: exit {process.returncode}", file=sys.stderr)
        print(said.decode(errors="replace")[-1000:], file=sys.stderr)
        return None
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
