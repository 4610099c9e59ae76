"""The recorded cases about names, as a user runs them: what is printed and said."""

import json

import pytest

from tests.conftest import FIXTURES, Otterize

UNSTABLE = FIXTURES / "cases" / "unstable-names"
UMBRELLA = FIXTURES / "cases" / "umbrella-owner-hides-calls"
GROUPS = FIXTURES / "cases" / "kind-without-group"
GENERATED, INFERRED = "names with a generated part", "names inferred from what pods say"


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("rollout-podsonly-r1", "rollout-podsonly-r2", "cart.app (Rollout)"),
        ("cron-podsonly-r1", "cron-podsonly-r2", "report.app (CronJob)"),
        ("dc-recommended-3", "dc-recommended-4", "frontend.app (DeploymentConfig)"),
    ],
)
def test_next_revision_is_no_difference(old: str, new: str, name: str, otterize: Otterize) -> None:
    """S3: the pods say who they are, and stderr says that their names are inferred."""
    done = otterize("diff", UNSTABLE / old, UNSTABLE / new)
    assert (done.returncode, done.stdout) == (0, "")
    [note] = [line for line in done.stderr.splitlines() if INFERRED in line]
    assert name in note
    assert GENERATED not in done.stderr


def test_names_that_remain_generated_are_listed_by_diff(otterize: Otterize) -> None:
    """S3: an Airflow pod has nothing but its name; the runner goes by generateName."""
    done = otterize("diff", UNSTABLE / "bare-r1", UNSTABLE / "bare-r2", "--changes-only")
    assert done.returncode == 1
    assert "runner" not in done.stdout
    [note] = [line for line in done.stderr.splitlines() if GENERATED in line]
    assert "etl-load-orders-k3j9x2ab.app (Pod), etl-load-orders-p0q8w7er.app (Pod);" in note


def test_label_makes_them_stable(otterize: Otterize) -> None:
    """S3: `--workload-label` names the Airflow pod by its task, the same in both runs."""
    runs = (UNSTABLE / "bare-r1", UNSTABLE / "bare-r2")
    done = otterize("diff", *runs, "--workload-label", "nothing", "--workload-label", "task_id")
    assert (done.returncode, done.stdout) == (0, "")
    assert GENERATED not in done.stderr
    assert "load-orders.app (Pod)" in done.stderr


def test_names_that_remain_generated_are_listed_by_check(otterize: Otterize) -> None:
    """S3: check would call them undeclared at every run, and says why; `--quiet` does not."""
    command = ("check", UNSTABLE / "bare-r2", "--allow", UNSTABLE / "bare-allow.yaml")
    [note] = [line for line in otterize(*command).stderr.splitlines() if GENERATED in line]
    assert "etl-load-orders-p0q8w7er.app (Pod)" in note
    assert GENERATED not in otterize(*command, "--quiet").stderr


def test_revision_without_labels_is_listed(otterize: Otterize) -> None:
    """S3: `list -v`, `diff` and `snapshot inspect` name a revision that no label explains."""
    runs = (UNSTABLE / "knative-plain-1", UNSTABLE / "knative-plain-2")
    names = "hello-00001.app (Revision), hello-00002.app (Revision);"
    assert names in otterize("diff", *runs).stderr
    assert "hello-00001.app (Revision);" in otterize("intents", "list", runs[0], "-v").stderr
    assert GENERATED not in otterize("intents", "list", runs[0]).stderr
    inspected = otterize("snapshot", "inspect", runs[0] / "snapshot.json").stdout
    assert "generated  hello-00001.app (Revision): other names at every run (S3)\n" in inspected


def test_list_says_what_a_name_is_inferred_from(otterize: Otterize) -> None:
    """S3: with `-v` each inferred name has its reason."""
    done = otterize("intents", "list", UNSTABLE / "dc-recommended-3", "-v")
    reason = (
        "  note: frontend.app (DeploymentConfig) is inferred: ReplicationController frontend-3 is "
        "not in the snapshot; named by openshift.io/deployment-config.name"
    )
    assert reason in done.stderr.splitlines()


def test_merged_sets_are_said_and_told_apart(otterize: Otterize) -> None:
    """S2: by owners the summary names the sets; by makers the new call is undeclared."""
    command = ("check", UMBRELLA / "strimzi-1-new", "--allow", UMBRELLA / "strimzi.yaml")
    done = otterize(*command, "--owner", "root")
    assert done.returncode == 0
    note = "one name for 2 sets of pods: my-cluster-kafka, my-cluster-zookeeper; --owner nearest"
    assert note in done.stderr
    nearest = otterize(*command)
    assert nearest.returncode == 1
    assert "    - my-cluster-zookeeper (TCP 2181)\n" in nearest.stdout
    assert note not in nearest.stderr
    runs = (UMBRELLA / "strimzi-1-old", UMBRELLA / "strimzi-1-new")
    changes = otterize("diff", *runs).stdout
    assert [line for line in changes.splitlines() if line.startswith(("+", "-"))] == [
        "+   - my-cluster-zookeeper"
    ]


def test_owner_unlike_root_and_nearest_is_refused(otterize: Otterize) -> None:
    """S2: the option has two values."""
    assert otterize("intents", "list", UMBRELLA, "--owner", "middle").returncode == 2


def test_kind_has_its_group_in_any_order_of_files(otterize: Otterize) -> None:
    """S7, S61: the Knative Service is never the core one, whichever object comes first."""
    capture = GROUPS / "knative-full-core-1" / "pcap" / "node-a.pcap"
    core, rest = (("--snapshot", GROUPS / "kn" / name) for name in ("core.json", "rest.json"))
    command = ("intents", "export", capture, "--api-version", "v2beta1")
    one, other = (otterize(*command, *files).stdout for files in ((*core, *rest), (*rest, *core)))
    assert one == other
    assert "kind: Service.serving.knative.dev" in one
    assert "service:" not in one
    assert "svc:" not in one


@pytest.mark.parametrize("run", ["knative-full-core-1", "knative-full-corefirst-1"])
def test_json_has_the_group_as_a_field(run: str, otterize: Otterize) -> None:
    """S7: the kind stands unchanged, its group beside it."""
    command = ("intents", "list", GROUPS / run, "--format")
    [first, *_] = json.loads(otterize(*command, "graph").stdout)["calls"]
    assert first["server"]["kind"] == "Service"
    assert first["server"]["group"] == "serving.knative.dev"
    assert "group" not in first["client"]
    [row, *_] = json.loads(otterize(*command, "json").stdout)
    assert (row["serverKind"], row["serverGroup"]) == ("Service", "serving.knative.dev")
