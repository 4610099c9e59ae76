"""`one-direction` through a tunnel: only what node-a sends, outside of VXLAN and inside.

As tcpdump on one side of a mirror port records it: `src net` of node-a's pods, or tunnel packets
whose outer source is node-a. The same calls, and the same is known of them.
"""

from cluster import Lab
from nodes import Options

from scenarios import one_direction
from scenarios.one_direction import finish

__all__ = ["OPTIONS", "finish", "record"]
OPTIONS = Options(capture_filter="src net {pods}.0/24 or ( udp port 8472 and src host {node} )")


def record(lab: Lab) -> None:
    """Record as in one-direction."""
    one_direction.record(lab)
