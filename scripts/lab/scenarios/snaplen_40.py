"""`tcpdump -s 40`: the packets end with the IP header, and no port was recorded.

The calls of `snaplen-64`. With `-i any` 20 bytes are its own and 20 are IPv4's: addresses, and
nothing of TCP or UDP. No call can be known, and the summary says why without being asked: so many
packets were cut off, capture more of each. "No packet belongs to a TCP, UDP or SCTP connection"
would be wrong: all do.
"""

from cluster import Lab
from nodes import Options

from scenarios import snaplen_64

OPTIONS = Options(snaplen=40)
_CUT = "cut off: no port is within the first 40 bytes of a packet"


def record(lab: Lab) -> None:
    """Record with 40 bytes a packet."""
    everywhere = {"recorded": _CUT, "uplink": _CUT}
    snaplen_64.call(lab, everywhere, {"recorded": _CUT})
    lab.truth.more = {"summary": "cut off"}
