"""`tunnel-second-nic` without the nodes' local addresses: nothing says whose the tunnel's ends are.

As with pcap files that somebody copied together. With `-i any` the packets were recorded outside
the tunnel as well, at pods and bridges, and every call is known. On the uplink alone the tunnel
stays closed, and the summary says between which addresses, and that `--tunnel-endpoints` opens it.
"""

from pathlib import Path

from cluster import Lab

from scenarios import tunnel_second_nic

_CLOSED = (
    "the ends of the tunnel, 192.168.77.11 and 192.168.77.12, are not known to be nodes: "
    "--tunnel-endpoints 192.168.77.0/25 opens it"
)


def record(lab: Lab) -> None:
    """Record as in tunnel-second-nic."""
    tunnel_second_nic.build_and_call(lab, {"uplink": _CLOSED})
    lab.truth.more = {"opensWith": ["--tunnel-endpoints", f"{lab.plan.underlay}.0/25"]}


def finish(directory: Path) -> None:
    """Leave out what the nodes said of their addresses."""
    for path in directory.glob("node/*/addresses"):
        path.unlink()
