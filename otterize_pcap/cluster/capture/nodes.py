"""Which nodes a capture covers, and why others are left out."""

from difflib import get_close_matches
from http import HTTPStatus
from urllib.parse import quote

from msgspec import Struct

from otterize_pcap.addresses import is_address
from otterize_pcap.cluster.api.client import Cluster, Json
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.errors import ClusterError, UsageError
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES

NODES_PATH = "/api/v1/nodes"


class NodeChoice(Struct, frozen=True):
    """A node that is wanted; `skipped` says why it cannot be captured, None where it can."""

    name: str
    architecture: str
    skipped: str | None
    #: Whether leaving it out makes the capture incomplete: not for Windows, which none could have.
    missing: bool = False


class NodeWish(Struct, frozen=True):
    """Which nodes the user asked for; all empty is every node."""

    names: tuple[str, ...] = ()
    node_selector: str = ""
    namespaces: tuple[str, ...] = ()
    pod_selector: str = ""


def choose_nodes(cluster: Cluster, wish: NodeWish) -> list[NodeChoice]:
    """The nodes of a capture, by name.

    Raises:
        UsageError: A named node does not exist.
        ClusterError: Nothing fits, or nothing that fits can be captured.
    """
    query = (("labelSelector", wish.node_selector),) if wish.node_selector else ()
    nodes = {node["metadata"]["name"]: node for node in list_all(cluster, NODES_PATH, query)}
    unknown = sorted(set(wish.names) - nodes.keys())
    if unknown:
        message = f"no such node: {', '.join(unknown)}; the cluster has {', '.join(sorted(nodes))}"
        raise UsageError(message)
    chosen = set(wish.names) or set(nodes)
    if wish.namespaces or wish.pod_selector:
        chosen &= _nodes_of_pods(cluster, wish)
    choices = [_judged(nodes[name]) for name in sorted(chosen)]
    if not choices:
        message = f"no node fits {_wish_text(wish)}: no such pod runs on one; see kubectl get pods"
        raise ClusterError(message)
    if all(choice.skipped for choice in choices):
        reasons = "; ".join(f"{choice.name}: {choice.skipped}" for choice in choices)
        message = f"none of the chosen nodes can be captured: {reasons}"
        raise ClusterError(message)
    return choices


def list_all(cluster: Cluster, path: str, query: tuple[tuple[str, str], ...] = ()) -> list[Json]:
    """Every object of a collection."""
    return [item for page in cluster.pages(path, query) for item in page.get("items") or ()]


def node_addresses(cluster: Cluster) -> tuple[str, ...]:
    """The addresses of all nodes, as Kubernetes writes them."""
    return tuple(
        dict.fromkeys(
            str(entry.get("address"))
            for node in list_all(cluster, NODES_PATH)
            for entry in (node.get("status") or {}).get("addresses") or ()
            if entry.get("type") in ADDRESS_TYPES and is_address(str(entry.get("address")))
        )
    )


def _nodes_of_pods(cluster: Cluster, wish: NodeWish) -> set[str]:
    query = (("labelSelector", wish.pod_selector),) if wish.pod_selector else ()
    pods = list_all(cluster, "/api/v1/pods", query)
    inhabited = {str(pod["metadata"].get("namespace")) for pod in pods}
    _require_namespaces(cluster, [name for name in wish.namespaces if name not in inhabited])
    return {
        pod["spec"]["nodeName"]
        for pod in pods
        if pod["spec"].get("nodeName")
        and (not wish.namespaces or pod["metadata"]["namespace"] in wish.namespaces)
    }


def _require_namespaces(cluster: Cluster, names: list[str]) -> None:
    """Whether namespaces in which no chosen pod was found exist at all.

    Raises:
        UsageError: One does not.
    """
    for name in names:
        try:
            cluster.get(f"/api/v1/namespaces/{quote(name, safe='')}")
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                continue  # not ours to know
            pods = list_all(cluster, "/api/v1/pods")
            known = sorted({str(pod["metadata"].get("namespace")) for pod in pods})
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"pods run in {', '.join(known)}"
            message = f"-n {name}: there is no such namespace; {hint}"
            raise UsageError(message) from error


def _wish_text(wish: NodeWish) -> str:
    words = [f"-n {name}" for name in wish.namespaces]
    words += [f"--pod-selector {wish.pod_selector}"] if wish.pod_selector else []
    words += [f"--node {name}" for name in wish.names]
    words += [f"--node-selector {wish.node_selector}"] if wish.node_selector else []
    return " ".join(words) or "(the cluster has none)"


def condition_of(cluster: Cluster, name: str) -> str:
    """What is wrong with a node as the API server sees it, as an ending for a sentence."""
    query = (("fieldSelector", f"metadata.name={name}"),)
    try:
        found = list_all(cluster, NODES_PATH, query)
    except ClusterError:
        return ""
    if not found:
        return "; its node is gone from the cluster"
    skipped = _judged(found[0]).skipped
    return f"; its node is {skipped}" if skipped else ""


def _judged(node: Json) -> NodeChoice:
    name = node["metadata"]["name"]
    info = node["status"].get("nodeInfo") or {}
    labels = node["metadata"].get("labels") or {}
    system = info.get("operatingSystem") or labels.get("kubernetes.io/os") or "linux"
    architecture = info.get("architecture") or labels.get("kubernetes.io/arch") or "unknown"
    if system != "linux":
        return NodeChoice(name, architecture, f"its operating system is {system}")
    conditions = node["status"].get("conditions") or ()
    ready: Json = next((c for c in conditions if c["type"] == "Ready"), {})
    if ready.get("status") != "True":
        said = ready.get("message") or ready.get("reason") or "no Ready condition"
        return NodeChoice(name, architecture, f"not Ready: {said}", missing=True)
    return NodeChoice(name, architecture, None)
