"""Files out of a capture pod: ranged pieces, resumed, verified, then renamed.

Each piece is one `dd` by exec: it seeks, so a late piece costs the node no more than an early
one, and being a single process its exit status is the stream's. Bytes count as they arrive, so a
cut stream loses nothing; memory holds one frame. A file gets its name only when its size and
SHA-256 are what the pod said.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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


@dataclass(frozen=True, slots=True)
class PodFile:
    """A file in a capture pod, as the pod's state describes it."""

    namespace: str
    pod: str
    path: str
    size: int
    sha256: str


def pull_file(
    cluster: Cluster,
    source: PodFile,
    target: Path,
    progress: Callable[[int], None],
    abandoned: threading.Event,
) -> None:
    """Copy a pod's file to `target`, which appears only when it is whole and verified.

    Args:
        cluster: The API server.
        source: The file, with the size and SHA-256 it must have.
        target: Where to; `<target>.part` holds what has come so far.
        progress: Called with the number of bytes of each piece that came.
        abandoned: Set from outside to give up.

    Raises:
        ClusterError: The file cannot be read, or is not what the pod said.
        PullAbandonedError: `abandoned` was set.
    """
    part = target.with_name(target.name + ".part")
    for _ in range(HASH_TRIES):
        with part.open("wb") as sink:
            found = _Receiver(cluster, source, sink, progress, abandoned).receive_all()
        if found == source.sha256:
            part.replace(target)
            return
        progress(-source.size)
    part.unlink()
    message = f"{source.path} of pod {source.pod}: the SHA-256 of what arrived differs twice"
    raise ClusterError(message)


class _Receiver:
    """One try at one file."""

    def __init__(
        self,
        cluster: Cluster,
        source: PodFile,
        sink: BinaryIO,
        progress: Callable[[int], None],
        abandoned: threading.Event,
    ) -> None:
        self._cluster = cluster
        self._source = source
        self._sink = sink
        self._progress = progress
        self._abandoned = abandoned
        self._digest = hashlib.sha256()
        self._offset = 0

    def receive_all(self) -> str:
        """Fetch piece after piece until the size is reached; returns the SHA-256 in hex."""
        fruitless = 0
        while self._offset < self._source.size:
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
            self._abandoned.wait(min(0.1 * 2**fruitless, 5.0))
        return self._digest.hexdigest()

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
        if self._abandoned.is_set():
            raise PullAbandonedError
        dropped = min(self._excess, len(content))
        self._excess -= dropped
        content = content[dropped:][: self._source.size - self._offset]
        self._sink.write(content)
        self._digest.update(content)
        self._offset += len(content)
        self._progress(len(content))
