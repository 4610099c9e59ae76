"""The capture Job: the manifest template, filled in for one node of one capture.

The template is `scripts/capture-job.yaml`, shipped in this package as it is. It is parsed and its
fields are set; nothing of what a user or a cluster named is ever spliced into YAML or shell text.
"""

import copy
import hashlib
from importlib.resources import files
from typing import Any

from msgspec import Struct

from otterize_pcap.cluster.api.client import Json
from otterize_pcap.cluster.labels import CAPTURE_NAME, ID_LABEL, NODE_ANNOTATION
from otterize_pcap.render.yaml_text import is_plain

CAPTURE_DIRECTORY = "/capture"

MEBIBYTE = 1024 * 1024
REDUCER = "otterize"
"""The program that reduces: its name in an image, and in the volume where it is copied in."""
REDUCER_MEMORY = 384 * MEBIBYTE
REDUCER_DISK = 96 * MEBIBYTE
MOST_TUNNEL_ENDS = 5000
"""Addresses of nodes that a Job is told; of tunnels between others it is not sure (S25)."""


class ReducePlan(Struct, frozen=True):
    """How recordings become tables on their nodes.

    `sha256` is that of the program where it is copied in, None where the image has it; `disk_bytes`
    how many bytes of packets may wait for it; `tunnel_ends` are addresses of nodes.
    """

    sha256: str | None
    disk_bytes: int
    tunnel_ends: tuple[str, ...]


class JobPlan(Struct, frozen=True):
    """What is the same on every node: how to record, times in seconds, sizes in bytes."""

    capture_id: str
    namespace: str
    seconds: int
    profile: str
    snaplen: int
    max_bytes: int
    filter: str
    interface: str
    image: str | None
    image_pull_secrets: tuple[str, ...]
    pending_seconds: int
    hold_seconds: int = 1800
    reduce: ReducePlan | None = None

    @property
    def volume_bytes(self) -> int:
        """The volume's limit: what tcpdump may write between two looks at it, and the other files.

        Of reducing these are the tables, and the program, packed and unpacked.
        """
        packets = self.max_bytes if self.reduce is None else self.reduce.disk_bytes
        room = packets + packets // 4 + 64 * MEBIBYTE
        return room if self.reduce is None else room + self.max_bytes + REDUCER_DISK


def load_template() -> Json:
    """The manifest as shipped."""
    import yaml  # noqa: PLC0415 - only the commands that talk to a cluster pay for it

    text = files("otterize_pcap.cluster.capture").joinpath("capture-job.yaml").read_text()
    template: Json = yaml.safe_load(text)
    return template


def default_image() -> str:
    """The image that the template names."""
    return str(_container(load_template())["image"])


def job_name(capture_id: str, node: str) -> str:
    """A Job's name: the same for the same capture and node, so a repeated create is harmless."""
    digest = hashlib.sha256(node.encode()).hexdigest()[:10]
    return f"{CAPTURE_NAME}-{capture_id}-{digest}"


def fill_job(template: Json, plan: JobPlan, node: str) -> Json:
    """The manifest of one node's Job.

    Args:
        template: What `load_template` returned; stays as it is.
        plan: How to record.
        node: The node's name, as the API knows it.
    """
    job = copy.deepcopy(template)
    pod = job["spec"]["template"]
    job["metadata"].pop("generateName")
    job["metadata"]["name"] = job_name(plan.capture_id, node)
    job["metadata"]["namespace"] = plan.namespace
    for metadata in (job["metadata"], pod["metadata"]):
        metadata["labels"][ID_LABEL] = plan.capture_id
        metadata["annotations"] = {NODE_ANNOTATION: node}
    job["spec"]["activeDeadlineSeconds"] = plan.pending_seconds + plan.seconds + plan.hold_seconds
    terms = pod["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    terms[0]["matchFields"][0]["values"] = [node]
    if plan.image_pull_secrets:
        pod["spec"]["imagePullSecrets"] = [{"name": name} for name in plan.image_pull_secrets]
    _fill_container(_container(job), plan)
    volume = pod["spec"]["volumes"][0]["emptyDir"]
    volume["sizeLimit"] = str(plan.volume_bytes)
    return job


def _fill_container(container: Json, plan: JobPlan) -> None:
    if plan.image is not None:
        container["image"] = plan.image
    storage = str(plan.volume_bytes + 32 * MEBIBYTE)
    for bound in ("requests", "limits"):
        container["resources"][bound]["ephemeral-storage"] = storage
    values = _reducing(container, plan.reduce) | {
        "CAPTURE_PROFILE": plan.profile,
        "CAPTURE_FILTER": plan.filter,
        "CAPTURE_INTERFACE": plan.interface,
        "CAPTURE_SECONDS": str(plan.seconds),
        "CAPTURE_SNAPLEN": str(plan.snaplen),
        "CAPTURE_MAX_BYTES": str(plan.max_bytes),
        "CAPTURE_HOLD_SECONDS": str(plan.hold_seconds),
    }
    for variable in container["env"]:
        if variable["name"] in values:
            # Kubernetes expands $(NAME) in values; a doubled dollar sign is a literal one.
            variable["value"] = values.pop(variable["name"]).replace("$", "$$")


def _reducing(container: Json, reduce: ReducePlan | None) -> dict[str, str]:
    """The variables of reducing; also gives it the memory and the processor that it takes."""
    if reduce is None:
        return {}
    limits = container["resources"]["limits"]
    # One thread reduces: tcpdump keeps the processor that it has without.
    limits["cpu"] = "2"
    limits["memory"] = f"{256 + REDUCER_MEMORY // MEBIBYTE}Mi"
    container["resources"]["requests"]["memory"] = "192Mi"
    return {
        "CAPTURE_REDUCER": REDUCER if reduce.sha256 is None else f"./{REDUCER}",
        "CAPTURE_REDUCER_SHA256": reduce.sha256 or "",
        "CAPTURE_DISK_BYTES": str(reduce.disk_bytes),
        "CAPTURE_REDUCER_BYTES": str(REDUCER_MEMORY),
        "CAPTURE_TUNNEL_ENDS": " ".join(reduce.tunnel_ends[:MOST_TUNNEL_ENDS]),
    }


def pod_of_job(job: Json) -> Json:
    """The pod that a Job's template makes, for a dry run."""
    pod: Json = copy.deepcopy(job["spec"]["template"])
    metadata: dict[str, Any] = pod["metadata"]
    metadata["generateName"] = job["metadata"]["name"] + "-"
    metadata["namespace"] = job["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod"} | pod


def manifest_text(jobs: list[Json]) -> str:
    """The manifests as YAML documents, as `--dry-run` prints them."""
    import yaml  # noqa: PLC0415

    class Dumper(yaml.SafeDumper):
        """Block scalars for the script, so that a person can read it; no text but as text."""

    def text(dumper: Any, value: str) -> Any:  # noqa: ANN401 - PyYAML's own types
        # PyYAML quotes what YAML 1.1 could misread; Kubernetes takes 489545e1 for a number too.
        style = "|" if "\n" in value else None if is_plain(value) or " " in value else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    manifests: str = yaml.dump_all(
        jobs, Dumper=Dumper, sort_keys=False, explicit_start=True, width=100
    )
    return manifests


def _container(job: Json) -> Json:
    container: Json = job["spec"]["template"]["spec"]["containers"][0]
    return container
