"""Added calls that may be an absent one: seen under another name, or the other way round.

What the later snapshot lacks changes what a call is called: an owner that is absent leaves the name
of who is below it, an absent Service of the API server the pod behind it, an absent relay its two
calls as one. Each of these was seen, and is not gone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import Call, Server, Workload, could_be, is_one_kind
from otterize_pcap.resolve.resolve import API_SERVER

TURNED = "it was seen the other way round"
RENAMED = "a call that is new may be it under another name"
NO_NAMESPACE = "default"
"""Where objects without a namespace are taken to be."""
THROUGH = "a call that is new may have gone through what is absent"


@dataclass(frozen=True, slots=True)
class Instead:
    """The calls that were `added`, and the clients and servers of all that there were `before`."""

    added: Sequence[Call] = ()
    before: Collection[tuple[Workload, Server]] = ()


NOTHING = Instead()


def added_instead(call: Call, instead: Instead) -> tuple[str, ...]:
    """Why added calls may be an absent one; empty where none is."""
    before = instead.before
    reasons = set()
    for one in instead.added:
        if (one.client, one.server) == (call.server, call.client):
            reasons.add(TURNED)
        elif _may_be_renamed(call.client, one.client) and (
            _may_be_renamed(call.server, one.server) or _is_api_server(call, one)
        ):
            reasons.add(RENAMED)
        elif (one.client == call.client and (call.server, one.server) in before) or (
            one.server == call.server and (one.client, call.client) in before
        ):
            reasons.add(THROUGH)
    return tuple(sorted(reasons))


def _may_be_renamed(absent: Server, added: Server) -> bool:
    """Whether an end is another's, or that of an owner of it which the snapshot lacks."""
    if not isinstance(absent, Workload) or not isinstance(added, Workload):
        return absent == added
    if could_be(absent, added) or not added.name:
        return True
    if added.namespace not in (absent.namespace, NO_NAMESPACE):
        return False
    if absent.name == added.name:
        # One resource owns another of its name: a Configuration a Knative Service's.
        elsewhere = added.namespace != absent.namespace
        return elsewhere or (bool(absent.group) and not is_one_kind(absent, added))
    return _is_below(added, absent) or _is_below(absent, added)


def _is_below(one: Workload, other: Workload) -> bool:
    """Whether a workload has the name of what another made, and made it to be replaced."""
    made = one.kind == "Pod" or has_generated_name(one)
    return made and one.name.startswith(f"{other.name}-")


def _is_api_server(absent: Call, added: Call) -> bool:
    """Whether a call to the API server may now be one to the pod behind its Service."""
    ports = {(use.protocol, use.port) for use in absent.uses}
    reached = {(use.protocol, use.port) for use in added.uses}
    return absent.server == API_SERVER and not ports.isdisjoint(reached)
