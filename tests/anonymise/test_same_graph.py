"""An anonymised capture maps as the capture did, up to the renaming: a law over all fixtures."""

import hashlib
from ipaddress import ip_address
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.errors import MismatchError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import Call, External, ServiceGraph, Use, Workload
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.read import ReadOptions
from tests.anonymise.anonymised import CAPTURES, KEY, Given, made
from tests.conftest import FIXTURES

EVERYTHING = Rules(
    inclusion=Inclusion(
        attempts=True, one_way_udp=True, cluster_dns=True, internet=True, lookups=True
    )
)
# A load balancer of which DNS alone tells the address.
BY_DNS = frozenset({"load-balancer-name"})
HTTPS = 443
each_capture = pytest.mark.parametrize("given", CAPTURES, ids=str)


def mapped(
    path: Path, snapshots: tuple[Path, ...], rules: Rules, *, names: bool
) -> ServiceGraph | str:
    """The graph of a capture, or why there is none."""
    try:
        (capture,) = open_captures([path], snapshots or None, ReadOptions(collect_names=names))
        return graph_capture(capture, rules)
    except MismatchError:
        return "refused"


def renamed(workload: Workload, renaming: Renaming) -> Workload:
    """A workload under its other name."""
    return Workload(
        renaming.names.name(workload.name),
        renaming.names.name(workload.namespace),
        renaming.kind(workload.kind),
        group=renaming.group(workload.group),
    )


def renamed_call(call: Call, renaming: Renaming) -> Call:
    """A call under other names, without what names a file."""
    server = call.server
    if isinstance(server, Workload):
        server = renamed(server, renaming)
    elif server.is_address:
        server = External(renaming.addresses.text(server.name), is_address=True)
    else:
        server = External(renaming.names.name(server.name))
    uses = tuple(renamed_use(use, renaming) for use in call.uses)
    return replace(call, client=renamed(call.client, renaming), server=server, uses=uses)


def renamed_use(use: Use, renaming: Renaming) -> Use:
    """A use under other names."""
    return replace(use, services=tuple(sorted(map(renaming.names.name, use.services))))


def comparable(call: Call, *, keep_dns: bool) -> Call:
    """A call without what depends on the order of names: whose clock counts, where it is shown.

    Names written anew can be longer, and the packets that say them.
    """
    said = DNS_PORTS | {HTTPS} if keep_dns else frozenset()
    return replace(
        call,
        uses=tuple(
            replace(
                use,
                bytes=(0, 0) if use.port in said else use.bytes,
                first_ns=0,
                last_ns=0,
                evidence=None,
            )
            for use in call.uses
        ),
    )


def assert_same(given: Given, rules: Rules, *, keep_dns: bool, key: bytes = KEY) -> None:
    """A fixture and what it became map alike."""
    anonymous = made(given, keep_dns=keep_dns, key=key)
    before = mapped(given.capture, given.snapshots, rules, names=keep_dns)
    after = mapped(anonymous.directory, anonymous.snapshots, rules, names=keep_dns)
    if isinstance(before, str) or isinstance(after, str):
        assert before == after
        return
    expected = {
        comparable(renamed_call(call, anonymous.renaming), keep_dns=keep_dns)
        for call in before.calls
    }
    assert {comparable(call, keep_dns=keep_dns) for call in after.calls} == expected
    assert before.coverage is not None
    assert after.coverage is not None
    assert after.coverage.connections == before.coverage.connections
    for call in before.calls:
        renamed_client = renamed(call.client, anonymous.renaming)
        assert has_generated_name(renamed_client) == has_generated_name(call.client)


@each_capture
def test_same_graph_without_payload(given: Given) -> None:
    """The calls are the same, with nothing left of any payload."""
    if given.capture.name in BY_DNS:
        return
    assert_same(given, Rules(), keep_dns=False)


@each_capture
def test_same_graph_with_names(given: Given) -> None:
    """With DNS kept, all that options add is the same too: external names, lookups, attempts."""
    assert_same(given, EVERYTHING, keep_dns=True)


def test_no_order_of_addresses_counts() -> None:
    """Where the Services' range lies above the pods', the API server still calls its webhooks.

    The leg to the Service and the one behind NAT were seen at one time, so that their addresses
    decided which came first, and by that who called (S24).
    """
    key = hashlib.sha256(b"1").digest()
    addresses = Renaming.by(key).addresses
    service, pod = (ip_address(addresses.text(text)) for text in ("10.96.27.11", "10.244.2.2"))
    assert int(service) > int(pod)
    assert_same(Given(FIXTURES / "webhooks-static"), Rules(), keep_dns=False, key=key)
