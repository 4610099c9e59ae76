"""`kubectl get pods -o wide`, the table for people → pods and nodes by name and address.

The columns are those that kubectl's server-side printers have (kubernetes/kubernetes
pkg/printers/internalversion/printers.go), three spaces or more apart. A table has no owners, no
labels unless `--show-labels` asked for them, and no times: its pods are known by their names.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.objects import (
    Item,
    Metadata,
    NodeAddress,
    NodeItem,
    NodeStatus,
    PodIP,
    PodItem,
    PodSpec,
    PodStatus,
)

TABLE = re.compile(rb"\s*(NAMESPACE\s+)?NAME\s+(READY|STATUS|TYPE|AGE)\b")
HEADINGS = re.compile(r"(NAMESPACE\s+)?NAME\s+[A-Z]")
# Tabs are what browsers and spreadsheets make of it.
APART = re.compile(r"\t\s*|\s{2,}")
NONE = ("", "<none>", "<unknown>")
# What the STATUS column says of a pod that is over, instead of its phase.
OVER = {"Completed": "Succeeded", "Succeeded": "Succeeded"}
FAILED = ("Failed", "Error", "Evicted", "OOMKilled", "ContainerCannotRun", "DeadlineExceeded")
WAITING = ("Pending", "ContainerCreating", "PodInitializing", "Unschedulable")

LACKS = (
    "a table for people, without owners, Services, NodePorts and times: pods go by their own "
    "names; save objects with -o json"
)
NO_NODES = (
    "a table of pods without nodes: one that uses its node's network alone cannot be told from "
    "others; add what `kubectl get nodes -o wide` prints"
)

Row = Mapping[str, str]


def is_table(text: bytes) -> bool:
    """Whether a text begins with the headings that kubectl prints."""
    return TABLE.match(text) is not None


def read_tables(text: bytes, where: str) -> tuple[list[Item], int]:
    """The pods and nodes of one or more tables, and how many lines have other columns than theirs.

    Tables of other kinds (`kubectl get all`) say nothing of addresses and are passed over.

    Raises:
        SnapshotError: Pods have no addresses: it was printed without `-o wide`.
    """
    rows, strange = _rows(text.decode("utf-8", "replace").splitlines())
    pods = [row for row in rows if "READY" in row and "RESTARTS" in row]
    if pods and not any("IP" in row for row in pods):
        message = f"{where}: a table without addresses; write it with -o json, or -o wide"
        raise SnapshotError(message)
    items = [
        *(_node(row) for row in rows if "INTERNAL-IP" in row),
        *(_pod(row) for row in _states(pods)),
    ]
    return items, strange


def _states(rows: Iterable[Row]) -> Iterable[Row]:
    """The last line of each pod in each phase at each address: `-w` prints one for each change.

    Lines from before it had one say nothing that a later one does not.
    """
    last = {
        (row.get("NAMESPACE"), row["NAME"], _value(row, "IP"), _phase(row)): row for row in rows
    }
    placed = {(namespace, name) for namespace, name, address, _ in last if address}
    return [
        row
        for (namespace, name, address, _), row in last.items()
        if address or (namespace, name) not in placed
    ]


def at_nodes(pods: Sequence[PodItem], nodes: Iterable[NodeItem]) -> Iterator[PodItem]:
    """The pods of tables, those marked that use their node's network.

    They have their node's address, or share one with another that runs.
    """
    known = {
        entry.address for node in nodes for entry in (node.status or NodeStatus()).addresses or ()
    }
    running = {
        (_address(pod), pod.metadata.namespace, pod.metadata.name)
        for pod in pods
        if pod.status is not None and pod.status.phase == "Running"
    }
    shared = Counter(address for address, _, _ in running)
    for pod in pods:
        at_node = _address(pod) in known or shared[_address(pod)] > 1
        spec = PodSpec(nodeName=pod.spec.nodeName if pod.spec else None, hostNetwork=at_node)
        yield msgspec.structs.replace(pod, spec=spec)


def _address(pod: PodItem) -> str:
    return (pod.status.podIP if pod.status else None) or ""


def _rows(lines: Iterable[str]) -> tuple[list[Row], int]:
    """All rows, by their headings, and how many lines fit none."""
    headings: list[str] = []
    rows: list[Row] = []
    strange = 0
    for line in lines:
        cells = APART.split(line.strip())
        if HEADINGS.match(line.lstrip()):
            headings = cells
        elif len(cells) == len(headings):
            rows.append(dict(zip(headings, cells, strict=True)))
        else:
            strange += bool(line.strip())
    return rows, strange


def _pod(row: Row) -> PodItem:
    address = _value(row, "IP")
    labels = dict(each.split("=", 1) for each in _value(row, "LABELS").split(",") if "=" in each)
    return PodItem(
        kind="Pod",
        metadata=Metadata(
            name=row["NAME"].removeprefix("pod/"),
            namespace=_value(row, "NAMESPACE") or None,
            labels=labels or None,
        ),
        spec=PodSpec(nodeName=_value(row, "NODE") or None),
        status=PodStatus(
            phase=_phase(row),
            podIP=address or None,
            podIPs=(PodIP(address),) if address else None,
        ),
    )


def _node(row: Row) -> NodeItem:
    addresses = (
        NodeAddress(type=kind, address=_value(row, heading))
        for kind, heading in (("InternalIP", "INTERNAL-IP"), ("ExternalIP", "EXTERNAL-IP"))
        if _value(row, heading)
    )
    name = row["NAME"].removeprefix("node/")
    status = NodeStatus(addresses=tuple(addresses))
    return NodeItem(kind="Node", metadata=Metadata(name=name), status=status)


def _value(row: Row, heading: str) -> str:
    text = row.get(heading, "")
    return "" if text in NONE else text


def _phase(row: Row) -> str:
    """The phase behind what the STATUS column says of a pod."""
    status = row.get("STATUS", "")
    if status in WAITING or status.startswith("Init:"):
        return "Pending"
    return "Failed" if status in FAILED else OVER.get(status, "Running")
