"""Before anything is created: may we, and would it work?

Each check names what is missing and what to do about it. Nothing here changes the cluster: access
reviews and dry runs are questions.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.cluster.api.access import Permission
from otterize_pcap.cluster.api.client import Cluster, Json
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.capture.cleanup import cleanup_permissions
from otterize_pcap.cluster.capture.job import pod_of_job
from otterize_pcap.cluster.capture.nodes import NodeChoice
from otterize_pcap.errors import ClusterError, UsageError

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
MAX_FILTER = 4096
MACHINES = {62: "amd64", 183: "arm64"}
"""What ELF files of these machines are built for, as Kubernetes calls it (`elf.h`, EM_...)."""


def capture_permissions(namespace: str) -> list[Permission]:
    """What a capture needs beyond the snapshot, in the Jobs' namespace."""
    needed = (
        ("create", "batch", "jobs"),
        ("get", "batch", "jobs"),
        # WebSocket exec is a GET; Kubernetes 1.35 began to ask for `create` there too.
        ("create", "", "pods/exec"),
        ("get", "", "pods/exec"),
    )
    helpful = (
        ("create", "", "pods", "the pod cannot be tried without creating it"),
        ("get", "", "pods/log", "progress is not shown"),
        ("list", "", "events", "the reason why a pod was not created is not shown"),
    )
    return [
        *(Permission(verb, group, what, namespace, required=True) for verb, group, what in needed),
        *cleanup_permissions(namespace),
        *(
            Permission(verb, group, what, namespace, required=False, loss=loss)
            for verb, group, what, loss in helpful
        ),
        Permission(
            "get", "", "namespaces", "", required=False, loss="Pod Security labels are not checked"
        ),
    ]


def check_pod_security(cluster: Cluster, namespace: str) -> None:
    """Whether the namespace's Pod Security level lets the pod in.

    Raises:
        ClusterError: It does not, or the namespace does not exist.
    """
    try:
        found = cluster.named(f"/api/v1/namespaces/{namespace}")
    except ApiRefusedError as error:
        if error.status == 403:
            return  # the dry run or the Job's events will tell
        message = f"namespace {namespace}: {error}; choose one with --job-namespace"
        raise ClusterError(message) from error
    level = (found["metadata"].get("labels") or {}).get(ENFORCE_LABEL, "privileged")
    if level != "privileged":
        message = (
            f"namespace {namespace} enforces Pod Security level {level}, and a capture pod needs "
            f"the node's network and NET_RAW; {relabel_hint(namespace)}"
        )
        raise ClusterError(message)


def relabel_hint(namespace: str) -> str:
    """What to do about Pod Security, as a command."""
    return (
        "use a namespace of its own: kubectl create namespace otterize-capture && kubectl label "
        f"namespace otterize-capture {ENFORCE_LABEL}=privileged, then --job-namespace "
        f"otterize-capture (or label {namespace} so)"
    )


def dry_run_pod(cluster: Cluster, job: Json) -> None:
    """Ask the API server whether it would create the Job's pod; a Job itself is always created.

    Raises:
        ClusterError: Admission (Pod Security, quota, policy) refuses it.
    """
    pod = pod_of_job(job)
    namespace = pod["metadata"]["namespace"]
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        cluster.post(path, pod, (("dryRun", "All"),))
    except ApiRefusedError as error:
        hint = relabel_hint(namespace) if "PodSecurity" in str(error) else "change what refuses it"
        message = f"the cluster would not create the capture pod: {error}; {hint}"
        raise ClusterError(message) from error


def check_architecture(binary: Path, nodes: Sequence[NodeChoice]) -> None:
    """Whether a program to be copied was built for the nodes; what is no ELF file tells nothing.

    The header is that of the System V ABI, chapter 4: byte 5 is the byte order, 18 the machine.

    Raises:
        UsageError: It was not.
    """
    with binary.open("rb") as file:
        head = file.read(20)
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return
    machine = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    built_for = MACHINES.get(machine, f"machine {machine}")
    others = sorted(
        node.name for node in nodes if node.skipped is None and node.architecture != built_for
    )
    if others:
        message = (
            f"{binary} is built for {built_for}, and {', '.join(others[:5])} "
            f"{'is' if len(others) == 1 else 'are'} not; choose nodes with --node-selector "
            f"kubernetes.io/arch={built_for}, or give an --image that has otterize for each"
        )
        raise UsageError(message)


def check_filter(expression: str) -> None:
    """Whether a capture filter compiles, where tcpdump is installed here; the pod checks again.

    Raises:
        UsageError: It is no filter.
    """
    if len(expression) > MAX_FILTER or any(not c.isprintable() for c in expression):
        message = f"--filter must be printable and at most {MAX_FILTER} characters"
        raise UsageError(message)
    if expression.lstrip().startswith("-"):
        message = "--filter begins with a dash; it must be a pcap-filter expression, not an option"
        raise UsageError(message)
    tcpdump = shutil.which("tcpdump")
    if not expression or tcpdump is None:
        return
    command = [tcpdump, "-d", "-y", "LINUX_SLL2", "--", expression]
    try:
        checked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell
    except OSError:
        # It may not be run, or there may be no other process.
        return
    if checked.returncode != 0:
        said = checked.stderr.strip().splitlines() or ["tcpdump refuses it"]
        message = f"--filter: {said[-1].removeprefix('tcpdump: ')}; see man pcap-filter"
        raise UsageError(message)
