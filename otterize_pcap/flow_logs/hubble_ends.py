"""One end of a Hubble flow: whose address it is, as identity, labels and names say.

Fields and meaning are those of `Endpoint` and `Service` in Cilium's api/v1/flow/flow.proto.
"""

from otterize_pcap.flow_logs.fields import Fields
from otterize_pcap.flow_logs.flow import LoggedEnd, StandsFor, labels_of, owners_of
from otterize_pcap.table.rows import Endpoint

RESERVED = {
    1: "host",
    2: "world",
    3: "unmanaged",
    4: "health",
    5: "init",
    6: "remote-node",
    7: "kube-apiserver",
    8: "ingress",
    9: "world-ipv4",
    10: "world-ipv6",
}
"""Numbers of reserved identities, which no label need name (Cilium docs, "Special identities")."""
NODES = frozenset(("host", "remote-node", "health", "ingress"))
WORLDS = frozenset(("world", "world-ipv4", "world-ipv6"))
API_PORTS = frozenset((443, 6443))
"""Where API servers listen that share a node's address with everything else on that node."""
OF_CILIUM = ("io.cilium.", "io.kubernetes.pod.namespace")
CLUSTER = "io.cilium.k8s.policy.cluster"


def end_of(
    told: Fields, service: Fields, names: list[str], endpoint: Endpoint, node: str
) -> LoggedEnd:
    """An end as Hubble tells it, with the Service and the domain names of its address."""
    labels, reserved, own = _labels(told)
    cluster, cluster_of = node.rpartition("/")[0], told.text("cluster_name") or own
    stands_for = _stands_for(reserved, endpoint[1])
    if cluster and cluster_of and cluster_of != cluster:
        stands_for = StandsFor.OTHER_CLUSTER
    name, namespace = service.text("name"), service.text("namespace")
    return LoggedEnd(
        *endpoint,
        namespace=told.text("namespace"),
        pod=told.text("pod_name"),
        owners=owners_of(
            (each.text("kind"), each.text("name")) for each in told.objects("workloads")
        ),
        labels=labels_of(labels),
        # An endpoint has its number on its own node alone.
        node=node_name(node) if told.number("ID") else "",
        stands_for=stands_for,
        service=f"{name}.{namespace}" if name and namespace else "",
        names=tuple(sorted({each.rstrip(".").lower() for each in names} - {""})),
    )


def node_name(name: str) -> str:
    """A node's own name; Hubble puts its cluster's in front (`default/worker-1`)."""
    return name.rpartition("/")[2]


def _labels(told: Fields) -> tuple[dict[str, str], frozenset[str], str]:
    """A pod's labels, the reserved ones of an identity, and the cluster that they name."""
    labels: dict[str, str] = {}
    reserved: set[str] = set()
    cluster = ""
    for label in told.texts("labels"):
        origin, _, rest = label.partition(":")
        key, _, value = rest.partition("=")
        if origin == "reserved":
            reserved.add(key)
        elif origin == "k8s" and key == CLUSTER:
            cluster = value
        elif origin == "k8s" and not key.startswith(OF_CILIUM):
            labels[key] = value
    number = told.number("identity")
    if not reserved and number in RESERVED:
        reserved.add(RESERVED[number])
    return labels, frozenset(reserved), cluster


def _stands_for(reserved: frozenset[str], port: int) -> StandsFor:
    """What a reserved identity is.

    An API server on a node shares the address: what else is asked there is the node's (a kubelet).
    """
    if "kube-apiserver" in reserved and (not reserved & NODES or port in API_PORTS):
        return StandsFor.API_SERVER
    if reserved & NODES:
        return StandsFor.NODE
    return StandsFor.WORLD if reserved & WORLDS else StandsFor.UNSAID
