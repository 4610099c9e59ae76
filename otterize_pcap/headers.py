"""One header at a time through dpkt, with everything it can throw turned into a reason.

dpkt decodes all the layers of a frame at once, recursively, and leaks IndexError, AttributeError
and more on hostile ones. Here each class parses its own header only: `decode` walks the layers,
to a bounded depth.
"""

from typing import Any, TypeVar

import dpkt

from otterize_pcap.packet import Skipped

_Header = TypeVar("_Header", bound=Any)

_LEAKED = (dpkt.Error, IndexError, AttributeError, KeyError, TypeError, ValueError)


class UndecodableError(Exception):
    """A frame that is not followed any further; never leaves `decode`."""

    def __init__(self, skipped: Skipped) -> None:
        super().__init__(skipped.reason)
        self.skipped = skipped


def malformed(layer: str) -> UndecodableError:
    """The header of this layer contradicts itself or its surroundings, or is not all there."""
    return UndecodableError(Skipped(f"malformed {layer}"))


def parse_header(header: type[_Header], packet: bytes, layer: str) -> _Header:
    """Parse the header at the start of `packet`.

    Raises:
        UndecodableError: It is cut short or invalid.
    """
    try:
        return header(packet)
    except _LEAKED as error:
        raise malformed(layer) from error
