"""Files out of a capture pod: ranged pieces, resumed, verified, then renamed.

Each piece is one `dd` by exec: it seeks, so a late piece costs the node no more than an early
one, and being a single process its exit status is the stream's. Bytes count as they arrive, so a
cut stream loses nothing; memory holds one frame. A file gets its name only when size and SHA-256 of
what is on disk are what the pod said.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import run_in_pod
from otterize_pcap.cluster.api.refusals import ApiRefusedError, ApiUnreachableError
from otterize_pcap.errors import ClusterError

BLOCK = 65536
PIECE = 512 * BLOCK  # 32 MiB: large enough that handshakes do not count
FRUITLESS_TRIES = 8
HASH_TRIES = 2


class PullAbandonedError(Exception):
    """The user gave up."""


class PodFile(Struct, frozen=True):
    """A file in a capture pod, as the pod's state describes it."""

    namespace: str
    pod: str
    path: str
    size: int
    sha256: str


class PullEnd:
    """When pulling a node ends though files are missing: asked from outside, or too slow."""

    def __init__(self, abandoned: threading.Event, seconds: float) -> None:
        self.abandoned = abandoned
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._stopped = False

    def stop(self) -> None:
        """Another file of the node has failed: the rest is not needed."""
        self._stopped = True

    def check(self) -> None:
        """Called whenever something came.

        Raises:
            PullAbandonedError: The user gave up.
            ClusterError: The node's time is over; its pod ends about now.
        """
        if self._stopped or self.abandoned.is_set():
            raise PullAbandonedError
        if time.monotonic() > self._deadline:
            message = f"its files did not come within {self._seconds:.0f} s"
            raise ClusterError(message)


def pull_file(
    cluster: Cluster,
    source: PodFile,
    target: Path,
    progress: Callable[[int], None],
    end: PullEnd,
) -> None:
    """Copy a pod's file to `target`, which appears only when it is whole, verified and on disk.

    Args:
        cluster: The API server.
        source: The file, with the size and SHA-256 it must have.
        target: Where to; `<target>.part` holds what has come so far.
        progress: Called with the number of bytes of each piece that came.
        end: When to give up.

    Raises:
        ClusterError: The file cannot be read, or is not what the pod said.
        PullAbandonedError: The user gave up.
        OSError: It cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        for _ in range(HASH_TRIES):
            with part.open("w+b") as sink:
                _Receiver(cluster, source, sink, progress, end).receive_all()
                found = stored_sha256(sink)
            if found == source.sha256:
                part.replace(target)
                return
            progress(-source.size)
    finally:
        part.unlink(missing_ok=True)
    message = f"{source.path} of pod {source.pod}: the SHA-256 of what arrived differs twice"
    raise ClusterError(message)


def stored_sha256(file: BufferedRandom) -> str:
    """The SHA-256 of a written file as the disk gives it back, which holds it from then on."""
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


class _Receiver:
    """One try at one file."""

    def __init__(
        self,
        cluster: Cluster,
        source: PodFile,
        sink: BinaryIO,
        progress: Callable[[int], None],
        end: PullEnd,
    ) -> None:
        self._cluster = cluster
        self._source = source
        self._sink = sink
        self._progress = progress
        self._end = end
        self._offset = 0

    def receive_all(self) -> None:
        """Fetch piece after piece until the size is reached."""
        fruitless = 0
        while self._offset < self._source.size:
            self._end.check()
            before = self._offset
            trouble = self._receive_piece()
            if self._offset > before:
                fruitless = 0
                continue
            fruitless += 1
            if fruitless == FRUITLESS_TRIES:
                message = (
                    f"{self._source.path} of pod {self._source.pod}: nothing more arrives after "
                    f"{self._offset} of {self._source.size} bytes: {trouble}"
                )
                raise ClusterError(message)
            self._end.abandoned.wait(min(0.1 * 2**fruitless, 5.0))

    def _receive_piece(self) -> str:
        """Ask for the next piece; returns why nothing came, where nothing came."""
        skip, excess = divmod(self._offset, BLOCK)
        wanted = min(PIECE, self._source.size - self._offset)
        blocks = -(-(excess + wanted) // BLOCK)
        # dd counts whole blocks: what lies before the offset is thrown away again.
        self._excess = excess
        command = [
            "dd",
            f"if={self._source.path}",
            f"bs={BLOCK}",
            f"skip={skip}",
            f"count={blocks}",
        ]
        pod = (self._source.namespace, self._source.pod)
        try:
            result = run_in_pod(self._cluster, pod, command, self._keep)
        except ApiUnreachableError as error:
            return str(error)
        except ApiRefusedError as error:
            # A pod or container that is gone does not come back; the rest may be passing.
            if error.status in {401, 403, 404}:
                raise
            return str(error)
        return result.message or "the file is shorter than the pod said"

    def _keep(self, content: bytes) -> None:
        self._end.check()
        dropped = min(self._excess, len(content))
        self._excess -= dropped
        content = content[dropped:][: self._source.size - self._offset]
        self._sink.write(content)
        self._offset += len(content)
        self._progress(len(content))
