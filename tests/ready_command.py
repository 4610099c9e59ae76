"""The command in a process of its own that need not import it: a fork of one that has.

Starting Python and importing the command is three quarters of a run over a small capture, and
tests make a thousand runs. A process that has imported all commands, and nothing that they import
only as they run, waits for a line and forks for it; what follows is what `python -m otterize_pcap`
does, with pipes, a directory and an environment of its own. `tests/cli/test_startup.py` starts each
command from nothing.
"""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Self

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
READ_BY_RUNS = frozenset({"COLUMNS", "KUBECONFIG"})
"""What may differ from run to run: neither Python nor a module reads it as it begins."""
STREAMS = 3
LONGEST_LINE = 1 << 20


class ReadyCommand:
    """The waiting process, seen from the tests."""

    def __init__(self) -> None:
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = Lock()
        with other:
            # Streams as runs have them: Python looks at them once, as it begins.
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[other.fileno()],
                env=ENVIRONMENT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._line.close()
        self._process.communicate()

    def run(
        self, directory: Path, arguments: list[str], stdin: bytes, environment: dict[str, str]
    ) -> tuple[int, bytes, bytes]:
        """The exit code of a run, or minus the signal that ended it, and what it wrote."""
        told = json.dumps([str(directory), arguments, {**ENVIRONMENT, **environment}]).encode()
        (its_in, our_in), (our_out, its_out), (our_error, its_error) = (
            os.pipe() for _ in range(STREAMS)
        )
        with self._lock, ThreadPoolExecutor(STREAMS) as pool:
            socket.send_fds(self._line, [told], [its_in, its_out, its_error])
            for end in (its_in, its_out, its_error):
                os.close(end)
            pool.submit(_feed, our_in, stdin)
            written = [pool.submit(_drain, end) for end in (our_out, our_error)]
            code = int(self._line.recv(LONGEST_LINE))
            return code, written[0].result(), written[1].result()


def _feed(end: int, content: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(end, "wb", buffering=0) as stream:
        view = memoryview(content)
        while view:
            view = view[stream.write(view) :]


def _drain(end: int) -> bytes:
    with os.fdopen(end, "rb") as stream:
        return stream.read()


def main() -> None:
    """Wait for lines, and fork for each; ends where nobody can send one any more."""
    # The directory of this file, in which other modules might be found under a library's name.
    sys.path[0] = str(ROOT)
    import runpy  # noqa: PLC0415 - as `python -m` has

    from otterize_pcap.cli.app import COMMANDS, command_line  # noqa: PLC0415 - not by the tests that start this

    command_line(*COMMANDS)
    line = socket.socket(fileno=int(sys.argv[1]))
    while True:
        told, ends, _, _ = socket.recv_fds(line, LONGEST_LINE, STREAMS)
        if not told:
            return
        child = os.fork()
        if not child:
            break
        for end in ends:
            os.close(end)
        line.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    line.close()
    _become(json.loads(told), ends)
    runpy.run_module("otterize_pcap", run_name="__main__", alter_sys=True)


def _become(told: list[Any], ends: list[int]) -> None:
    """Be as the run that was asked for begins."""
    directory, arguments, environment = told
    for number, end in enumerate(ends):
        os.dup2(end, number)
        os.close(end)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = directory
    sys.argv[:] = ["otterize", *arguments]


if __name__ == "__main__":
    main()
