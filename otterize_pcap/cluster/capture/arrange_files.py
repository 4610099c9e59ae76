"""Pulled files of one node → the files of its recording, under their names in the directory."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from otterize_pcap.capture_dir import CapturedFile
from otterize_pcap.cluster.capture.merge_pcap_parts import can_merge, merge_parts
from otterize_pcap.cluster.capture.node_state import NodeState, StateFile
from otterize_pcap.cluster.capture.pull import stored_sha256
from otterize_pcap.cluster.capture.ring_contents import read_contents
from otterize_pcap.errors import ClusterError
from otterize_pcap.packets.payload_cut import PayloadCut

RING = "full."


class PulledRecording(Struct):
    """A node's recording in the folder of recordings; `cut` says what is kept of each packet.

    Of a ring `held` are its packets, and `first` when the first was (seconds since the epoch).
    """

    node: str
    folder: Path
    cut: PayloadCut | None
    held: int = 0
    first: float | None = None

    def keep_ring(self, state: NodeState, targets: Sequence[Path]) -> tuple[CapturedFile, ...]:
        """Give files of one tcpdump their names, those of a ring in order."""
        arrived: list[tuple[float, Path, StateFile]] = []
        for number, (file, target) in enumerate(zip(state.pcaps, targets, strict=True)):
            contents = read_contents(target) if file.name.startswith(RING) else None
            # A ring's parts are ordered by their packets: their names wrap around.
            first = number if contents is None else contents.first or state.ended
            arrived.append((first, target, file))
            if contents is not None and contents.first is not None:
                self.held += contents.packets
                self.first = min(self.first or contents.first, contents.first)
        kept: list[CapturedFile] = []
        for number, (_, target, file) in enumerate(sorted(arrived, key=lambda part: part[0])):
            name = f"{self.node}.pcap" if number == 0 else f"{self.node}.{number}.pcap"
            left = self._without_payload(target, file)
            target.rename(self.folder / name)
            kept.append(CapturedFile(f"{self.folder.name}/{name}", left.bytes, left.sha256))
        return tuple(kept)

    def _without_payload(self, target: Path, file: StateFile) -> CapturedFile:
        """Cut a pulled file where its profile keeps no payload."""
        if self.cut is None or not can_merge([target]):
            return CapturedFile(target.name, file.size, file.sha256)
        whole = target.rename(target.with_name(f"{target.name}.whole"))
        try:
            return merge_parts([whole], target, self.cut)
        finally:
            whole.unlink()

    def keep_rest(self, targets: Sequence[Path], begins: Sequence[int]) -> tuple[CapturedFile, ...]:
        """What was not reduced on the node, of the offsets in its files on; nothing without any."""
        rest = [
            (target, begin)
            for target, begin in zip(targets, begins, strict=True)
            if target.stat().st_size > begin
        ]
        if not rest:
            return ()
        return self.merge([target for target, _ in rest], [begin for _, begin in rest])

    def merge(
        self, targets: Sequence[Path], begins: Sequence[int] | None = None
    ) -> tuple[CapturedFile, ...]:
        """Make one file of parts that were recorded at the same time.

        Raises:
            ClusterError: They are no pcap files, or the disk lies.
            OSError: It cannot be written.
        """
        if not can_merge(targets):
            message = f"the recording of {self.node} is no pcap that can be read"
            raise ClusterError(message)
        part = self.folder / f"{self.node}.pcap.part"
        try:
            merged = merge_parts(targets, part, self.cut, begins)
            with part.open("r+b") as written:
                if stored_sha256(written) != merged.sha256:
                    message = f"{part}: the disk gives back something else than was written"
                    raise ClusterError(message)
            name = f"{self.node}.pcap"
            part.rename(self.folder / name)
        finally:
            part.unlink(missing_ok=True)
        return (CapturedFile(f"{self.folder.name}/{name}", merged.bytes, merged.sha256),)
