"""Service graphs for property tests, with the names that documents and terminals stumble over."""

from hypothesis import settings
from hypothesis import strategies as st

from otterize_pcap.graph.fate import parse_fate
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    ESTABLISHED,
    Call,
    Coverage,
    Evidence,
    External,
    FileCoverage,
    NodeCoverage,
    ServiceGraph,
    SharedAddresses,
    UndecidedCall,
    Use,
    Workload,
)
from otterize_pcap.node_status import NodeStatus

# Machines that share processors miss deadlines for no reason of ours.
laws = settings(max_examples=50)

HOSTILE = ("on", "null", "1_000", "12:30", "7763114e68", "a_b", "a-b", "~", "é", "x\ny", '"', "{}")
NAMES = st.sampled_from(("api", "web", "db", *HOSTILE))
NAMESPACES = st.sampled_from(("shop", "prod", "on", "1e3"))
# Kinds, with the API groups of custom resources: one reads like a core kind.
KINDS = st.sampled_from(
    (
        ("Deployment", ""),
        ("StatefulSet", ""),
        ("CronJob", ""),
        ("Rollout", "argoproj.io"),
        ("Service", "serving.knative.dev"),
    )
)
TIMES = st.integers(0, 2**62)
COUNTS = st.integers(0, 2**40)
WORDS = st.sampled_from(("established", "refused", "S30", "S36", "x"))
FATE_TEXTS = st.sampled_from(
    (
        "resolved",
        "ambiguous",
        "hidden: refused",
        "unresolved: node as client",
        "hidden",
        "shelved: x",
    )
)
FATES = st.dictionaries(FATE_TEXTS | st.text(max_size=5), COUNTS).map(
    lambda counts: tuple(sorted((parse_fate(text), count) for text, count in counts.items()))
)
TALLIES = st.dictionaries(WORDS, COUNTS).map(lambda counts: tuple(sorted(counts.items())))

workloads = st.builds(
    lambda name, namespace, kind: Workload(name, namespace, kind[0], group=kind[1]),
    NAMES,
    NAMESPACES,
    KINDS,
)
externals = st.one_of(
    st.builds(External, st.sampled_from(("example.com", "*.example.com", "x.org"))),
    st.builds(External, st.sampled_from(("192.0.2.1", "2001:db8::1")), st.just(True)),
)
evidences = st.builds(Evidence, st.text(max_size=5), COUNTS, TIMES, WORDS)
uses = st.builds(
    Use,
    protocol=st.sampled_from(("TCP", "UDP", "SCTP")),
    port=st.integers(0, 65535),
    connections=st.integers(1, 2**40),
    packets=st.tuples(COUNTS, COUNTS),
    bytes=st.tuples(COUNTS, COUNTS),
    first_ns=TIMES,
    last_ns=TIMES,
    outcomes=TALLIES,
    rules=TALLIES,
    services=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    evidence=st.none() | evidences,
    client_pods=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    server_pods=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
use_lists = st.lists(uses, max_size=3, unique_by=lambda use: (use.protocol, use.port)).map(
    lambda found: tuple(sorted(found, key=lambda use: (use.protocol, use.port)))
)
calls = st.builds(
    Call,
    client=workloads,
    server=workloads | externals,
    status=st.sampled_from((ESTABLISHED, ATTEMPTED)),
    uses=use_lists,
)
ends = st.none() | st.lists(workloads | externals, min_size=1, max_size=2).map(tuple)
coverages = st.builds(
    Coverage,
    files=st.lists(
        st.builds(
            FileCoverage,
            st.text(max_size=5),
            st.none() | NAMES,
            COUNTS,
            st.none() | TIMES,
            st.none() | TIMES,
            st.booleans(),
            st.none() | COUNTS,
        ),
        max_size=2,
    ).map(tuple),
    nodes=st.lists(
        st.builds(
            NodeCoverage,
            NAMES,
            st.sampled_from(("captured", "failed", "retired")).map(NodeStatus),
            st.none() | st.text(max_size=5),
            st.none() | TIMES,
            st.none() | TIMES,
        ),
        max_size=2,
    ).map(tuple),
    connections=FATES,
    skipped=TALLIES,
    notes=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    undecided=st.lists(
        st.builds(
            UndecidedCall,
            FATE_TEXTS.map(parse_fate),
            ends,
            ends,
            st.sampled_from(("", "TCP", "UDP")),
            COUNTS,
        ),
        max_size=2,
    ).map(tuple),
    shared=st.lists(
        st.builds(SharedAddresses, st.lists(workloads, min_size=2, max_size=3).map(tuple), COUNTS),
        max_size=2,
    ).map(tuple),
    outside=st.lists(workloads, max_size=2).map(tuple),
)


def graphs(
    of: st.SearchStrategy[Call] = calls,
    coverage: st.SearchStrategy[Coverage | None] = st.none(),  # noqa: B008 - strategies are values
) -> st.SearchStrategy[ServiceGraph]:
    """Graphs of these calls, each pair once and sorted."""
    call_lists = st.lists(of, max_size=8, unique_by=lambda call: (call.client, call.server))
    ordered = call_lists.map(lambda found: tuple(sorted(found, key=call_order)))
    return st.builds(ServiceGraph, ordered, coverage)
