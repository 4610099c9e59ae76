"""What a node offers is held against --max-size and the disk before any of it is written."""

import shutil
import threading
from pathlib import Path

from otterize_pcap.cluster.capture.job import JobPlan
from otterize_pcap.cluster.capture.node_state import NodeState
from otterize_pcap.counted import counted
from otterize_pcap.errors import ClusterError


class Room:
    """The room for one capture; nodes claim theirs from several threads."""

    def __init__(self, directory: Path, plan: JobPlan) -> None:
        self._directory = directory
        self._most = plan.volume_bytes
        self._lock = threading.Lock()
        self._claimed = 0
        self._offered: dict[str, int] = {}
        self._tables: dict[str, tuple[int, int]] = {}
        self._free: int | None = None

    def claim(self, node: str, state: NodeState) -> None:
        """Take the room for all files of a node.

        Raises:
            ClusterError: They are larger than a recording can be, or than what is left here.
            OSError: The disk cannot be asked.
        """
        recorded = sum(file.size for file in state.pcaps)
        offered = recorded + sum(file.size for file in state.node_files)
        # Parts that were recorded at the same time are merged beside one another.
        self._take(node, offered, offered + (recorded if len(state.pcaps) > 1 else 0))

    def claim_tables(self, node: str, size: int, largest: int) -> None:
        """Take the room for all tables of a node so far, and for the largest of them once more.

        What was taken of it before is not taken again: who pulls them may have to try again.

        Raises:
            ClusterError: They are larger than a recording can be, or than what is left here.
            OSError: The disk cannot be asked.
        """
        before, spare = self._tables.get(node, (0, 0))
        more, more_spare = max(0, size - before), max(0, largest - spare)
        self._take(node, more, more + more_spare)
        self._tables[node] = before + more, spare + more_spare

    def _take(self, node: str, offered: int, needed: int) -> None:
        with self._lock:
            of_it = self._offered.get(node, 0) + offered
            if of_it > self._most:
                # The pod's volume holds no more: it says so, or its node does, without having it.
                message = (
                    f"{node} offers {counted(of_it, 'byte')}, and with this --max-size it can have "
                    f"no more than {self._most}; nothing of it is taken"
                )
                raise ClusterError(message)
            if self._free is None:
                self._free = shutil.disk_usage(self._directory).free
            left = self._free - self._claimed
            if needed > left:
                message = (
                    f"{node} has {counted(needed, 'byte')}, and {max(0, left)} are left on the "
                    f"disk of {self._directory}; give another directory with -o, or lower "
                    "--max-size"
                )
                raise ClusterError(message)
            self._offered[node] = of_it
            self._claimed += needed
