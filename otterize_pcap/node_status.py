"""Whether a node was captured, as the manifest and graph JSON say it."""

from enum import StrEnum
from typing import Self


class NodeStatus(StrEnum):
    """`FAILED`: its recording came to nothing or broke. `SKIPPED`: it was never begun.

    A word that a newer version wrote is kept, and is none of the three.
    """

    CAPTURED = "captured"
    FAILED = "failed"
    SKIPPED = "skipped"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        newer = str.__new__(cls, value)
        newer._name_ = "NEWER"
        newer._value_ = value
        return newer
