"""examples/dask: objects that the API accepts, locked down, whose commands exist."""

import copy
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.errors import UsageError
from tests.command_tree import TREE
from tests.dask_example import (
    DASK,
    EXAMPLE,
    FILES,
    OBJECTS,
    SCHEDULER,
    command_of,
    containers,
    labels,
    named,
    pods,
    run_script,
    shares,
)
from tests.manifest_models import fits_schema, manifests_in


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_manifests_fit_the_schema(path: Path) -> None:
    """Every field exists and has a value of its type."""
    objects = manifests_in(path)
    assert objects
    assert all(map(fits_schema, objects))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("spec", "completionsMode"), "Indexed", id="unknown field"),
        pytest.param(("spec", "completions"), "8", id="a text for a number"),
        pytest.param(("spec", "completions"), 8.5, id="half a number"),
        pytest.param(("spec", "completionMode"), True, id="a truth for a text"),
        pytest.param(("spec", "template", "spec", "enableServiceLinks"), "no", id="text for truth"),
        pytest.param(("spec", "template", "spec", "containers"), None, id="a required one missing"),
        pytest.param(
            ("spec", "template", "spec", "containers", 0, "resource"), {}, id="unknown, deep inside"
        ),
        pytest.param(
            ("spec", "template", "spec", "volumes", 0, "name"), 1, id="a number for a text"
        ),
    ],
)
def test_what_does_not_fit_is_found(place: tuple[Any, ...], value: object) -> None:
    """The test above can fail: unknown fields, wrong types and missing fields do not pass."""
    changed = copy.deepcopy(named("Job", "otterize-reduce"))
    *way, last = place
    inner: Any = changed
    for step in way:
        inner = inner[step]
    inner[last] = value
    if value is None:
        del inner[last]
    assert not fits_schema(changed)


@pytest.mark.parametrize("name", pods())
def test_pods_may_do_nothing_else(name: str) -> None:
    """Pod Security's `restricted`, a read-only root, no token, and memory that is bounded."""
    (namespace,) = [each for each in OBJECTS if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    spec = pods()[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert set(spec) & {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} == set()
    for container in containers(pods()[name]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() >= {"memory"}


def test_everything_is_in_the_namespace() -> None:
    """And the volume that pods ask for is the one that is claimed."""
    namespaced = [each for each in OBJECTS if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in namespaced} == {"otterize"}
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in pods().values()
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {named("PersistentVolumeClaim", "captures")["metadata"]["name"]}


def test_policies_open_the_ports_that_are_listened_on() -> None:
    """Dask asks nobody who they are: its pods reach each other's ports, and nobody else does."""
    policy = named("NetworkPolicy", "otterize-dask")["spec"]
    label = policy["podSelector"]["matchLabels"]
    members = {name for name, pod in pods().items() if label.items() <= labels(pod).items()}
    assert members == {"otterize-scheduler", "otterize-worker", "otterize-client"}
    listened = {
        port["containerPort"]
        for name in members
        for container in containers(pods()[name])
        for port in container.get("ports", ())
    }
    for way, side in (("ingress", "from"), ("egress", "to")):
        rule = policy[way][0]
        assert rule[side] == [{"podSelector": {"matchLabels": label}}]
        assert {port["port"] for port in rule["ports"]} == listened
    assert len(policy["ingress"]) == 1
    alone = named("NetworkPolicy", "otterize-reduce")["spec"]
    label = alone["podSelector"]["matchLabels"]
    assert {name for name, pod in pods().items() if label.items() <= labels(pod).items()} == (
        pods().keys() - members
    )
    assert "ingress" not in alone
    assert "egress" not in alone


def test_who_opens_urls_has_the_account_and_the_way() -> None:
    """Workers and clients: the scheduler opens no capture, and reducing has no network."""
    with_account = {
        name
        for name, pod in pods().items()
        for container in containers(pod)
        for source in container.get("envFrom", ())
        if source == {"secretRef": {"name": "otterize-store", "optional": True}}
    }
    policy = named("NetworkPolicy", "otterize-store")["spec"]
    (wanted,) = policy["podSelector"]["matchExpressions"]
    assert (wanted["key"], wanted["operator"]) == ("app.kubernetes.io/name", "In")
    assert set(wanted["values"]) == with_account == {"otterize-worker", "otterize-client"}
    assert [port["port"] for port in policy["egress"][0]["ports"]] == [443]
    assert "create secret generic otterize-store " in (EXAMPLE / "README.md").read_text()
    assert "objects" in (EXAMPLE / "Dockerfile").read_text()


def test_a_worker_may_use_what_its_container_has() -> None:
    """Dask's own choice is the share of its threads in the node's cores, which ends large reads."""
    (container,) = containers(pods()["otterize-worker"])
    words = command_of("otterize-worker")
    limit = words[words.index("--memory-limit") + 1]
    assert limit.replace("GiB", "Gi") == container["resources"]["limits"]["memory"]


def test_selectors_and_services_find_their_pods() -> None:
    """The scheduler's address is a Service in front of the port that it listens on."""
    for each in (each for each in OBJECTS if each["kind"] == "Deployment"):
        wanted = each["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= each["spec"]["template"]["metadata"]["labels"].items()
    service = named("Service", "otterize-scheduler")
    (port,) = service["spec"]["ports"]
    assert f"tcp://{service['metadata']['name']}:{port['port']}" == SCHEDULER
    scheduler = pods()["otterize-scheduler"]
    assert service["spec"]["selector"].items() <= labels(scheduler).items()
    (container,) = containers(scheduler)
    assert container["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    assert SCHEDULER in command_of("otterize-worker")
    assert SCHEDULER in command_of("otterize-client")


def test_dask_has_these_options() -> None:
    """Its own parsers take the words."""
    for name in ("scheduler", "worker"):
        program, command, *words = command_of(f"otterize-{name}")
        assert (program, command) == ("dask", name)
        parser: Any = import_module(DASK[name]).main
        assert parser.make_context(name, words).params


def test_our_command_has_these_options(tmp_path: Path) -> None:
    """Our own parser takes the words of every `otterize` here, without running them."""
    lines = [command for name in pods() for command in ours_in(name, tmp_path)]
    assert len(lines) == 4
    for words in lines:
        parsed(words)
    with pytest.raises(UsageError, match="--sheduler is no option"):
        parsed([*lines[0], "--sheduler"])


def parsed(words: list[str]) -> None:
    """Have our parser take a command line."""
    command, rest = TREE, words
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    assert command.make_context("otterize", list(rest)).params


def ours_in(name: str, captures: Path) -> Iterator[list[str]]:
    """The command lines of `otterize` in a pod, shell scripts' as they call it."""
    for directory in ("pcap", "reduced", "my-capture"):
        (captures / directory).mkdir(exist_ok=True)
    for file in ("pcap/node-a.pcap", "reduced/0.parquet", "all.parquet", "snapshot.json"):
        (captures / file).touch()
    shim = captures / "bin" / "otterize"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="ascii")
    shim.chmod(0o755)
    for container in containers(pods()[name]):
        program, *words = container["command"]
        if program == "otterize":
            yield [word.replace("/captures", str(captures)) for word in words]
        elif program == "/bin/sh":
            yield run_script(container["command"], captures, shim.parent, index=0).splitlines()


def test_there_is_a_pod_for_each_share() -> None:
    """None of the files is left out, and none is read twice."""
    spec = named("Job", "otterize-reduce")["spec"]
    assert spec["completionMode"] == "Indexed"
    assert str(spec["completions"]) == shares()


def test_the_readme_applies_files_that_are_there() -> None:
    """Every file is applied, and none that is not there."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    applied = {
        word.removeprefix("examples/dask/")
        for line in text.splitlines()
        if line.startswith("    kubectl apply")
        for word in line.split()
        if word.endswith(".yaml")
    }
    assert applied == {path.name for path in FILES}
