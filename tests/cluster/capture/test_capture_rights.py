"""What a capture asks of a cluster: its permissions, and what its Jobs may do."""

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from otterize_pcap.cluster.api import access
from otterize_pcap.cluster.api.access import Permission
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.capture import preflight
from otterize_pcap.cluster.capture.job import fill_job, load_template, manifest_text
from otterize_pcap.cluster.labels import ID_LABEL, NODE_ANNOTATION
from otterize_pcap.cluster.snapshot.permissions import snapshot_permissions
from otterize_pcap.errors import ClusterError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, node, pod, recording
from tests.cluster.script_runs import plan

ROOT = Path(__file__).parents[3]


def granted() -> set[tuple[str, str, str, bool]]:
    """Verb, group, resource and whether in all namespaces, of docs/rbac.yaml."""
    rules = set()
    for document in yaml.safe_load_all((ROOT / "docs" / "rbac.yaml").read_text()):
        for rule in document.get("rules", ()):
            rules |= {
                (verb, group, resource, document["kind"] == "ClusterRole")
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
            }
    return rules


def outside(api: FakeApi) -> set[tuple[str, str, str, str]]:
    """Calls that docs/rbac.yaml does not grant."""
    rules = granted()
    return {
        (call.verb, call.group, call.resource, call.namespace)
        for call in api.calls
        if (call.verb, call.group, call.resource, True) not in rules
        and not (
            call.namespace == "otterize-capture"
            and (call.verb, call.group, call.resource, False) in rules
        )
    }


def capture_namespace(api: FakeApi) -> None:
    """The namespace of docs/rbac.yaml."""
    api.add("namespaces", {"metadata": {"name": "otterize-capture"}})


@pytest.mark.parametrize("trouble", ["none", "pending", "log"], ids=lambda word: f"trouble-{word}")
def test_no_call_outside_the_documented_role(
    api: FakeApi, run: Run, tmp_path: Path, trouble: str
) -> None:
    """All that a capture and its clean-up ask for is in docs/rbac.yaml, Secrets never."""
    capture_namespace(api)
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "r", "uid": "u9"}
    owned = pod("rolled", "10.244.1.8")
    owned["metadata"]["ownerReferences"] = [rollout | {"controller": True}]
    api.add("pods", owned)
    api.add("rollouts", {"metadata": {"name": "r", "namespace": "shop", "uid": "u9"}})
    if trouble == "pending":
        api.kubelet.unschedulable.add("node2")
    if trouble == "log":
        api.faults.refusals.append(("GET", "/log$", 500, "no"))
    words = ["--duration", "1s", "--pending-timeout", "2s", "-n", "shop", "--node-selector", "a=b"]

    run(
        api, "capture", *words[:4], "--job-namespace", "otterize-capture", "-o", str(tmp_path / "1")
    )
    run(api, "capture", *words, "--job-namespace", "otterize-capture", "-o", str(tmp_path / "2"))
    run(api, "snapshot", "-o", str(tmp_path / "snapshot.json"))
    run(api, "capture", "cleanup", "--job-namespace", "otterize-capture", "--yes")

    assert outside(api) == set()
    assert ("create", "batch", "jobs") in {(c.verb, c.group, c.resource) for c in api.calls}
    assert {"secrets", "configmaps"}.isdisjoint(call.resource for call in api.calls)


Rule = tuple[str, str, str, str]
#: Asked where a pod has such an owner: no capture needs it that meets none.
CUSTOM_OWNER = ("get", "argoproj.io", "rollouts", "")


def rules() -> set[Rule]:
    """Verb, group, resource and namespace of all that docs/rbac.yaml grants."""
    return {
        (verb, group, resource, "" if everywhere else "otterize-capture")
        for verb, group, resource, everywhere in granted()
    }


def rights() -> dict[Rule, Permission]:
    """What the preflight asks, by the rule that grants it."""
    wanted = (*snapshot_permissions(), *preflight.capture_permissions("otterize-capture"))
    return {(p.verb, p.group, p.resource, p.namespace): p for p in wanted}


class Reviews:
    """An API server that answers access reviews, and nothing else."""

    def __init__(self, given: set[Rule]) -> None:
        self.given = given

    def post(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One review."""
        asked = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        rule = (asked["verb"], asked["group"], resource)
        where = ("", asked["namespace"])
        return {"status": {"allowed": any((*rule, place) in self.given for place in where)}}


def unnoticed(given: set[Rule]) -> set[Rule]:
    """The rules that can be left out without the preflight naming one.

    What is required must be so where nothing optional is granted.
    """
    asked = rights()
    wanted = list(asked.values())
    optional = {rule for rule in given if rule in asked and not asked[rule].required}
    without = set()
    for rule in given:
        reviews = Reviews(given - {rule} - (set() if rule in optional else optional))
        missing = access.missing_permissions(cast("Cluster", reviews), wanted)
        try:
            said = " ".join(access.require_permissions(missing))
        except ClusterError as error:
            said = str(error)
        verb, group, resource, namespace = rule
        named = Permission(verb, group, resource, namespace, required=True).rule()
        if named not in said:
            without.add(rule)
    return without


def test_documented_role_is_exactly_sufficient() -> None:
    """Each rule of docs/rbac.yaml left out is named by the preflight; none can be spared."""
    assert unnoticed(rules() - {CUSTOM_OWNER}) == set()


@pytest.mark.parametrize(
    "superfluous",
    [
        ("list", "", "secrets", ""),
        ("watch", "batch", "jobs", "otterize-capture"),
        ("list", "", "pods", "otterize-capture"),
        ("delete", "batch", "jobs", ""),
    ],
    ids=lambda rule: f"{rule[0]}-{rule[2]}",
)
def test_superfluous_rules_are_found(superfluous: Rule) -> None:
    """A rule that nothing needs is found, also where it repeats or widens one that is needed."""
    found = unnoticed((rules() - {CUSTOM_OWNER}) | {superfluous})

    # One that widens another makes the narrower one superfluous as well.
    assert superfluous in found


@pytest.mark.parametrize("left_out", [None, CUSTOM_OWNER], ids=["all", "without-owners"])
def test_documented_role_is_sufficient(
    api: FakeApi, run: Run, tmp_path: Path, left_out: Rule | None
) -> None:
    """With docs/rbac.yaml alone a capture is whole and nothing is refused; owners are named."""
    capture_namespace(api)
    owned = pod("rolled", "10.244.1.8")
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "r", "uid": "u9"}
    owned["metadata"]["ownerReferences"] = [rollout | {"controller": True}]
    api.add("pods", owned)
    api.add("rollouts", {"metadata": {"name": "r", "namespace": "shop", "uid": "u9"}})
    api.grants = rules() - {left_out}
    words = ["--duration", "1s", "--job-namespace", "otterize-capture", "-o", str(tmp_path / "1")]

    result = run(api, "capture", *words)

    assert result.exit_code == 0, result.output
    assert api.refused == []
    named = "get rollouts: a ClusterRole" in result.stderr
    assert named == (left_out is not None)
    assert ("note:" in result.stderr, "not in the snapshot" in result.stderr) == (False, named)


def test_cleanup_asks_for_its_rights_first(api: FakeApi, run: Run) -> None:
    """`capture cleanup` names each right that it lacks before it deletes anything."""
    api.denied |= {("list", "pods"), ("delete", "jobs")}

    result = run(api, "capture", "cleanup", "--yes")

    message = str(result.exception)
    assert message.startswith("2 permissions are missing")
    assert 'resources: ["jobs"], verbs: ["delete"]' in message
    assert (
        'a Role in default with {apiGroups: [""], resources: ["pods"], verbs: ["list"]' in message
    )


def test_job_is_confined() -> None:
    """The Job has what a packet capture needs of the node, and nothing more."""
    job = fill_job(load_template(), plan(), "node1")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]

    assert spec["hostNetwork"] is True
    assert {"hostPID", "hostIPC"}.isdisjoint(spec)
    assert spec["automountServiceAccountToken"] is False
    assert [list(volume) for volume in spec["volumes"]] == [["name", "emptyDir"]]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert container["securityContext"] == {
        "runAsUser": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "SETUID", "SETGID"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
    assert job["spec"]["activeDeadlineSeconds"] == 60 + 2 + 1
    assert job["spec"]["ttlSecondsAfterFinished"] == 300
    assert job["spec"]["backoffLimit"] == 0


def test_node_name_reaches_only_the_affinity() -> None:
    """A Job is pinned by the node's name itself; names and filter are fields, never text."""
    job = fill_job(load_template(), plan(filter="port 1 or $(x)"), "node-1.example.com")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}

    terms = job["spec"]["template"]["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert terms == [
        {
            "matchFields": [
                {"key": "metadata.name", "operator": "In", "values": ["node-1.example.com"]}
            ]
        }
    ]
    assert environment["CAPTURE_FILTER"] == "port 1 or $$(x)"
    shipped = load_template()["spec"]["template"]["spec"]["containers"][0]["args"]
    assert container["args"] == shipped
    assert len(job["metadata"]["name"]) <= 52  # its pods' names, and the label of its name


def test_by_hand_needs_one_substitution() -> None:
    """Replacing NODE_NAME alone makes the shipped manifest complete."""
    text = (ROOT / "scripts" / "capture-job.yaml").read_text()
    job: Any = yaml.safe_load(text.replace("NODE_NAME", "worker-1"))

    assert "NODE_NAME" not in str(job)
    assert job["metadata"]["generateName"] == "otterize-capture-"


def test_by_hand_and_by_command_are_the_same_job() -> None:
    """What `otterize capture` makes by default equals the shipped manifest but for its names."""
    shipped = load_template()
    made = fill_job(
        shipped,
        plan(seconds=60, max_bytes=100 << 20, pending_seconds=240, hold_seconds=1800),
        "NODE_NAME",
    )
    for job in (shipped, made):
        for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
            metadata["labels"].pop(ID_LABEL, None)
        job["metadata"] = {}
        spec = job["spec"]["template"]["spec"]
        spec["volumes"][0]["emptyDir"] = {}
        for bound in ("requests", "limits"):
            spec["containers"][0]["resources"][bound]["ephemeral-storage"] = ""

    assert made == shipped


def test_dry_run_prints_what_would_be_created(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """--dry-run prints the exact manifests, one a node, and creates nothing."""
    api.add("nodes", node("win1", system="windows"))

    result = run(api, "capture", "--dry-run", "--filter", "port 80", "-o", str(tmp_path / "o"))

    assert result.exit_code == 0, result.output
    jobs = list(yaml.safe_load_all(result.stdout))
    assert [job["metadata"]["annotations"][NODE_ANNOTATION] for job in jobs] == [
        "node1",
        "node2",
    ]
    script = load_template()["spec"]["template"]["spec"]["containers"][0]["args"]
    assert jobs[0]["spec"]["template"]["spec"]["containers"][0]["args"] == script
    assert ("create", "jobs") not in {(call.verb, call.resource) for call in api.calls}
    assert not (tmp_path / "o").exists()


def test_manifest_text_is_readable() -> None:
    """The printed script is a block of lines, not one quoted string."""
    text = manifest_text([fill_job(load_template(), plan(), "node1")])

    assert "\n        set -u\n" in text or "\n          set -u\n" in text


def test_recorded_pod_security_refusal_is_understood(api: FakeApi) -> None:
    """The refusal that a real API server gave leads to the command that helps."""
    status = recording("pod-dryrun-psa-denied.json")

    assert "PodSecurity" in status["message"]
    assert "privileged" in preflight.relabel_hint("strict")
    assert api.calls == []
