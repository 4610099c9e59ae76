"""The order of calls and workloads in all that is written (S61)."""

from otterize_pcap.graph.service_graph import Call, External, HiddenCall, Workload


def call_order(call: Call | HiddenCall) -> tuple[str, ...]:
    """Sort key of S61: client name, namespace, kind, then the server's; external ones last."""
    client = workload_order(call.client)
    match call.server:
        case Workload():
            return (*client, "0", *workload_order(call.server))
        case External(name, is_address):
            return (*client, "1", name, str(is_address), "", "", "")


def workload_order(workload: Workload) -> tuple[str, ...]:
    """Sort key of S61 for one workload: name, namespace, kind with its group, label."""
    return workload.name, workload.namespace, workload.kind, workload.group, workload.label
