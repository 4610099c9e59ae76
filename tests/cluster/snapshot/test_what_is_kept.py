"""What a snapshot keeps of objects and of their owners, and what became of them meanwhile."""

import json
from pathlib import Path

import pytest

from otterize_pcap.cluster.snapshot.address_history import AddressHistory
from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.cluster.snapshot.watch import SnapshotWatch
from otterize_pcap.snapshot.kinds import KINDS, Kind
from tests.awaiting import until
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import RECORDINGS, Run, pod, recording
from tests.cluster.fake_store import Json
from tests.cluster.snapshot.conftest import document


# The recorded cluster had no policies.
@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.kind != "NetworkPolicy"],
    ids=lambda kind: kind.plural,
)
def test_recorded_objects_are_understood(kind: Kind) -> None:
    """Every object that a real API server listed is kept with its name, and nothing secret."""
    listed = recording(f"list-{kind.plural}.json")

    kept = [kept_object(kind.kind, kind.api_version, item) for item in listed["items"]]

    assert [found["metadata"]["name"] for found in kept] == [
        item["metadata"]["name"] for item in listed["items"]
    ]
    text = json.dumps(kept)
    assert all(word not in text for word in ("managedFields", '"env"', '"command"', '"volumes"'))


def policy(name: str) -> Json:
    """A NetworkPolicy as an API server answers it."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "web"}]}, {}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
        },
    }


def test_policies_are_kept_whole_until_they_are_deleted(api: FakeApi, watch: SnapshotWatch) -> None:
    """A policy that is gone when the capture ends restricts nothing that comes."""

    def specs() -> dict[str, Json]:
        items = document(watch)["items"]
        found = [item for item in items if item["kind"] == "NetworkPolicy"]
        return {item["metadata"]["name"]: item["spec"] for item in found}

    api.add("networkpolicies", policy("kept"))
    api.add("networkpolicies", policy("gone"))
    until(lambda: len(specs()) == 2)
    api.remove("networkpolicies", "shop", "gone")
    until(lambda: len(specs()) == 1)
    watch.stop()

    wanted = policy("kept")["spec"]
    del wanted["podSelector"]
    assert specs() == {"kept": wanted}
    assert "last-applied" not in json.dumps(document(watch))


def test_environment_and_annotations_are_not_kept() -> None:
    """S1, S3: of a pod only what resolving and naming need is kept."""
    found = pod("p", "10.0.0.1")
    found["metadata"]["annotations"] = {
        "intents.otterize.com/workload-name": "w",
        "kubernetes.io/config.mirror": "m",
        "openshift.io/deployment-config.name": "frontend",
        "vault.example.com/secret": "s3cret",
    }
    found["metadata"]["generateName"] = "p-"
    found["spec"]["containers"][0] |= {"env": [{"name": "PASSWORD", "value": "s3cret"}]}

    kept = kept_object("Pod", "v1", found)

    assert "s3cret" not in json.dumps(kept)
    assert kept["metadata"]["annotations"] == {
        "intents.otterize.com/workload-name": "w",
        "kubernetes.io/config.mirror": "m",
        "openshift.io/deployment-config.name": "frontend",
    }
    assert kept["metadata"]["generateName"] == "p-"


def test_recorded_watch_says_when_a_hostnetwork_pod_was_there() -> None:
    """S10, S14: the recorded life of a hostNetwork pod, whose end its node's ports depend on."""
    history = AddressHistory()
    for line in (RECORDINGS / "watch-pods-life.jsonl").read_text().splitlines():
        event = json.loads(line)["event"]
        if event["type"] != "BOOKMARK":
            found = kept_object("Pod", "v1", event["object"])
            history.saw(found, "2026-11-23T05:22:30Z", first_list=False)

    (entry,) = history.documents()
    assert (entry["ip"], entry["start"], entry["end"]) == (
        "172.31.250.11",
        "2026-11-23T05:22:29Z",
        "2026-11-23T05:22:38Z",
    )


def states_of_recorded_pod(**changes: object) -> list[Json]:
    """The recorded life of a pod, as if it had an address of its own."""
    states = []
    for line in (RECORDINGS / "watch-pods-life.jsonl").read_text().splitlines():
        event = json.loads(line)["event"]
        if event["object"]["metadata"]["name"].startswith("cap-node1"):
            found = kept_object("Pod", "v1", event["object"])
            found["spec"].pop("hostNetwork", None)
            states.append(found | changes)
    return states


def test_recorded_life_gives_the_interval() -> None:
    """S10: from PodReadyToStartContainers becoming True to its becoming False, once."""
    history = AddressHistory()

    for found in states_of_recorded_pod():
        history.saw(found, "2026-11-23T09:00:00Z", first_list=False)
    history.gone(states_of_recorded_pod()[-1], "2026-11-23T10:00:00Z")

    assert [(entry["start"], entry["end"]) for entry in history.documents()] == [
        ("2026-11-23T05:22:29Z", "2026-11-23T05:22:38Z")
    ]


def test_recorded_life_without_the_condition() -> None:
    """S10: before Kubernetes 1.29 it is held from the container's start, seen later, to its end."""
    history = AddressHistory()

    for number, found in enumerate(states_of_recorded_pod()):
        found["status"]["conditions"] = []
        history.saw(found, f"2026-11-23T05:22:{30 + number}Z", first_list=False)

    (entry,) = history.documents()
    finished = recorded_finish()
    assert (entry["start"], entry["end"]) == ("2026-11-23T05:22:29Z", finished)


def recorded_finish() -> str:
    """When the recorded container ended."""
    statuses = states_of_recorded_pod()[-1]["status"]["containerStatuses"]
    finished: str = statuses[0]["state"]["terminated"]["finishedAt"]
    return finished


def running(name: str, address: str, **status: object) -> Json:
    """A pod's kept state with changed status fields."""
    found = pod(name, address)
    found["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": "2026-11-23T04:00:00Z"}
    found["status"] |= status
    return kept_object("Pod", "v1", found)


def test_pod_with_a_time_that_is_none_ends_no_watch() -> None:
    """What cannot be read is left to who reads the snapshot; the other pods' holds are kept."""
    history = AddressHistory()
    broken = running("p", "10.0.0.1", startTime="yesterday")
    for found in (broken, running("q", "10.0.0.2")):
        history.saw(found, "2026-11-23T07:00:00Z", first_list=True)
        history.gone(found, "2026-11-23T08:00:00Z")

    assert [entry["name"] for entry in history.documents()] == ["q"]


def test_crash_looping_pod_keeps_its_address() -> None:
    """S10: a terminated container ends nothing while the pod itself goes on."""
    history = AddressHistory()
    terminated = {"terminated": {"finishedAt": "2026-11-23T06:00:00Z"}}
    statuses = [{"name": "app", "state": terminated, "lastState": terminated}]

    history.saw(
        running("p", "10.0.0.1", containerStatuses=statuses), "2026-11-23T07:00:00Z",
        first_list=True,
    )  # fmt: skip

    assert [entry["end"] for entry in history.documents()] == [None]


def test_finished_pod_in_the_first_list_held_its_address_before() -> None:
    """S10: a Completed pod keeps its podIP field, but its hold ended when it finished."""
    history = AddressHistory()
    terminated = {"terminated": {"finishedAt": "2026-11-23T06:00:00Z"}}

    for _ in range(2):
        history.saw(
            running(
                "p", "10.0.0.1", phase="Succeeded",
                containerStatuses=[{"name": "app", "state": terminated}],
            ),
            "2026-11-23T07:00:00Z",
            first_list=True,
        )  # fmt: skip

    assert [(entry["start"], entry["end"]) for entry in history.documents()] == [
        ("2026-11-23T05:00:00Z", "2026-11-23T06:00:00Z")
    ]


def test_recreated_sandbox_is_a_second_hold() -> None:
    """S10: the condition going False ends a hold; the same pod may take another address."""
    history = AddressHistory()
    for address, status, when in (
        ("10.0.0.1", "True", "2026-11-23T06:00:00Z"),
        ("10.0.0.1", "False", "2026-11-23T06:10:00Z"),
        ("10.0.0.2", "True", "2026-11-23T06:11:00Z"),
    ):
        condition = {
            "type": "PodReadyToStartContainers",
            "status": status,
            "lastTransitionTime": when,
        }
        state = running("p", address, conditions=[condition])
        history.saw(state, "2026-11-23T07:00:00Z", first_list=False)

    assert [(e["ip"], e["start"], e["end"]) for e in history.documents()] == [
        ("10.0.0.1", "2026-11-23T06:00:00Z", "2026-11-23T06:10:00Z"),
        ("10.0.0.2", "2026-11-23T06:11:00Z", None),
    ]


def test_dual_stack_pod_holds_both_addresses() -> None:
    """S15: every address in podIPs is held."""
    history = AddressHistory()

    history.saw(
        running("p", "10.0.0.1", podIPs=[{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]),
        "2026-11-23T07:00:00Z",
        first_list=True,
    )

    assert [entry["ip"] for entry in history.documents()] == ["10.0.0.1", "fd00::1"]


def test_services_and_slices_have_intervals() -> None:
    """S10: cluster addresses and slice membership begin and end too; headless ones hold none."""
    history = AddressHistory()

    def service(name: str, **spec: object) -> Json:
        metadata = {"name": name, "namespace": "shop", "uid": name,
                    "creationTimestamp": "2026-11-23T01:00:00Z"}  # fmt: skip
        return kept_object("Service", "v1", {"metadata": metadata, "spec": spec})

    def members(*addresses: str) -> Json:
        metadata = {"name": "web-x", "namespace": "shop", "uid": "s",
                    "creationTimestamp": "2026-11-23T01:00:00Z"}  # fmt: skip
        endpoints = [{"addresses": [address]} for address in addresses]
        found = {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints}
        return kept_object("EndpointSlice", "discovery.k8s.io/v1", found)

    history.saw(
        service("web", clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"], externalIPs=["192.0.2.9"]),
        "2026-11-23T02:00:00Z",
        first_list=True,
    )
    history.saw(service("headless", clusterIP="None"), "2026-11-23T02:00:00Z", first_list=True)
    history.saw(members("10.0.0.1", "10.0.0.2"), "2026-11-23T02:00:00Z", first_list=True)
    history.saw(members("10.0.0.2", "10.0.0.3"), "2026-11-23T03:00:00Z", first_list=False)

    assert [(e["kind"], e["ip"], e["start"][11:13], e["end"]) for e in history.documents()] == [
        ("EndpointSlice", "10.0.0.1", "01", "2026-11-23T03:00:00Z"),
        ("EndpointSlice", "10.0.0.2", "01", None),
        ("EndpointSlice", "10.0.0.3", "03", None),
        ("Service", "10.96.0.9", "01", None),
        ("Service", "192.0.2.9", "01", None),
    ]


# --- owners ---------------------------------------------------------------------------------------


def test_custom_owner_is_fetched_where_readable(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """S2: an owner of a kind that is not watched is read once, if it may be."""
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "u9"}
    owned = pod("web-1", "10.244.1.8")
    owned["metadata"]["ownerReferences"] = [owner | {"controller": True}]
    api.add("pods", owned)
    api.add("rollouts", {"metadata": {"name": "web", "namespace": "shop", "uid": "u9"}})

    run(api, "snapshot", "-o", str(tmp_path / "a.json"))
    api.denied.add(("get", "rollouts"))
    run(api, "snapshot", "-o", str(tmp_path / "b.json"))

    kinds = [
        {item["kind"] for item in json.loads((tmp_path / name).read_text())["items"]}
        for name in ("a.json", "b.json")
    ]
    always = {"Namespace", "Node", "Pod"}
    assert kinds == [always | {"Rollout"}, always]


def test_owner_that_reads_like_a_watched_kind_is_fetched(
    api: FakeApi, run: Run, tmp_path: Path
) -> None:
    """S7: a Knative Service is not among the Services that are watched; it is read as an owner."""
    owner = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello"}
    owned = pod("hello-1", "10.244.1.8")
    owned["metadata"]["ownerReferences"] = [owner | {"uid": "u9", "controller": True}]
    api.add("pods", owned)
    api.add("kservices", {"metadata": {"name": "hello", "namespace": "shop", "uid": "u9"}})

    run(api, "snapshot", "-o", str(tmp_path / "a.json"))

    items = json.loads((tmp_path / "a.json").read_text())["items"]
    found = {(item["apiVersion"], item["kind"]) for item in items}
    assert ("serving.knative.dev/v1", "Service") in found
    assert ("v1", "Service") not in found
