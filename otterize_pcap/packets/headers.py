"""One header at a time through dpkt, with everything it can throw turned into a reason.

dpkt decodes all the layers of a frame at once, recursively, and leaks IndexError, AttributeError
and more on hostile ones. Here each class parses its own header only: `decode` walks the layers,
to a bounded depth.
"""

from typing import Any, TypeVar

import dpkt

from otterize_pcap.packets.packet import Skipped

_Header = TypeVar("_Header", bound=Any)

_LEAKED = (dpkt.Error, IndexError, AttributeError, KeyError, TypeError, ValueError)


class UndecodableError(Exception):
    """A frame that is not followed any further; never leaves `decode`.

    `short_of` names the layer whose header is not all there, if that is the reason.
    """

    def __init__(self, skipped: Skipped, short_of: str | None = None) -> None:
        super().__init__(skipped.reason)
        self.skipped = skipped
        self.short_of = short_of


def malformed(layer: str) -> UndecodableError:
    """The header of this layer contradicts itself or its surroundings."""
    return UndecodableError(Skipped(f"malformed {layer}"))


def too_short(layer: str) -> UndecodableError:
    """The header of this layer is not all there: malformed, unless the capture cut it off."""
    return UndecodableError(Skipped(f"malformed {layer}"), layer)


def parse_header(header: type[_Header], packet: bytes, layer: str) -> _Header:
    """Parse the header at the start of `packet`.

    Raises:
        UndecodableError: It is cut short or invalid.
    """
    try:
        parsed: _Header = header(packet)
    except dpkt.NeedData as error:
        raise too_short(layer) from error
    except _LEAKED as error:
        raise malformed(layer) from error
    return parsed
