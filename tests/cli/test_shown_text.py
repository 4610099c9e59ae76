"""Nothing that is shown does anything: no escape, no second line, no command to the CI system."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.cli.intents import LIST_FORMATS
from otterize_pcap.cli.terminal import notice
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import ESTABLISHED, Call, ServiceGraph, Use, Workload
from otterize_pcap.render.list_text import render_list
from tests.command_tree import run_here
from tests.conftest import FIXTURES, GOLDEN, Otterize
from tests.strategies import laws

SNAPSHOT = FIXTURES / "two-nodes" / "snapshot.json"
HOSTILE = "x\n::error file=a::pwned\x1b[31m\r##[add-mask]y"


def shown_safely(text: str) -> bool:
    """Whether no line of a text is a workflow command, and all of it can be printed."""
    lines = text.split("\n")
    return all(line.isprintable() for line in lines) and not any(
        line.strip().startswith("::") or "##[" in line for line in lines
    )


@laws
@given(st.text(st.sampled_from("ab \n\r\t:#[]\x1b\u2028\u202e")) | st.text())
def test_printable_text_is_no_command(text: str) -> None:
    """GitHub's runner takes a line that begins with :: and names a command, and ##[ anywhere."""
    shown = printable(text)
    assert shown.isprintable()
    assert "##[" not in shown
    begin = shown.strip()
    assert not (begin.startswith("::") and "::" in begin[2:])


@pytest.mark.parametrize("text", ["::1", "fd00::1", "::", "a::b"])
def test_addresses_stay_as_they_are(text: str) -> None:
    """An IPv6 address is no command."""
    assert printable(text) == text


def test_notice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in it."""
    notice(f"  {HOSTILE}")
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown_safely(shown)


def hostile_graph(tmp_path: Path, **call: object) -> Path:
    """Graph JSON as a pull request may bring it."""
    path = tmp_path / "graph.json"
    document = {"kind": "ServiceGraph", "version": 1, "calls": [{HOSTILE: 1, **call}]}
    path.write_text(json.dumps(document))
    return path


def test_pull_requests_documents_give_no_commands(otterize: Otterize, tmp_path: Path) -> None:
    """Graph JSON, ClientIntents and snapshots with hostile names, kinds and addresses."""
    intents = tmp_path / "intents.yaml"
    intents.write_text(f"kind: {json.dumps(HOSTILE)}\napiVersion: v1\n")
    unknown = tmp_path / "unknown.yaml"
    target = json.dumps({HOSTILE: {"name": "a"}})
    unknown.write_text(
        "apiVersion: k8s.otterize.com/v2beta1\nkind: ClientIntents\nmetadata: {name: a}\n"
        f"spec: {{workload: {{name: a}}, targets: [{target}]}}\n"
    )
    snapshot = tmp_path / "snapshot.json"
    pod = {"kind": "Pod", "metadata": {"name": HOSTILE}, "status": {"podIP": HOSTILE}}
    snapshot.write_text(json.dumps({"kind": "List", "items": [pod]}))
    for command in (
        ("diff", hostile_graph(tmp_path), intents),
        ("diff", intents, intents),
        ("check", unknown, "--allow", unknown),
        ("snapshot", "inspect", snapshot),
        ("intents", "list", HOSTILE, "--snapshot", SNAPSHOT),
        ("intents", "list", "--snapshot", HOSTILE, HOSTILE),
        ("connections", HOSTILE),
        ("intents", "list", f"--{HOSTILE}"),
    ):
        done = otterize(*command)
        assert done.returncode in {0, 2, 3}
        assert shown_safely(done.stdout + done.stderr), done.stderr


def leaves_replaced(value: object) -> Iterator[object]:
    """A JSON document as often as it has texts and keys, each time with another one hostile."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from ({**value, key: changed} for changed in leaves_replaced(part))
        yield {**value, HOSTILE: 1}
    elif isinstance(value, list):
        for place, part in enumerate(value[:2]):
            yield from (
                [*value[:place], changed, *value[place + 1 :]] for changed in leaves_replaced(part)
            )
    elif isinstance(value, str):
        yield HOSTILE


@pytest.mark.parametrize(
    "words",
    [
        ("diff", "{}", str(FIXTURES / "tutorial-before")),
        ("diff", str(FIXTURES / "tutorial-before"), "{}", "--format", "markdown"),
        ("check", "{}", "--allow", str(FIXTURES / "tutorial-before")),
        ("intents", "list", "{}", "--ports"),
        ("intents", "list", "{}", "--wide"),
        ("intents", "list", "{}", "--format", "csv"),
    ],
    ids=lambda words: " ".join(words[:2] + words[3:]).replace(str(FIXTURES), ""),
)
def test_no_field_of_a_graph_gives_commands(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever text or key of graph JSON somebody else wrote, also where it should be a word."""
    path = tmp_path / "graph.json"
    document = json.loads((GOLDEN / "render" / "graph.json").read_bytes())
    read = 0
    for changed in leaves_replaced(document):
        path.write_text(json.dumps(changed))
        code = run_here(*(str(path) if word == "{}" else word for word in words))
        shown = capsys.readouterr()
        assert shown_safely(shown.out + shown.err), changed
        assert code in {0, 1, 3}
        read += code != 3
    assert read


@pytest.mark.parametrize("form", ["text", "markdown", "junit", "sarif", "json", "github"])
def test_policies_give_no_commands(form: str, otterize: Otterize, tmp_path: Path) -> None:
    """Names, labels, fields, ranges and kinds of NetworkPolicies that somebody else wrote."""
    selector = {"matchLabels": {HOSTILE: HOSTILE}}
    specs: list[object] = [
        {"podSelector": selector, HOSTILE: 1, "ingress": [{"from": []}], "policyTypes": ["Egress"]},
        {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": HOSTILE}}]}]},
        {"podSelector": {}, "ingress": [{"ports": [{"port": HOSTILE, "protocol": HOSTILE}]}]},
        {"podSelector": HOSTILE},
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": selector}]}]},
    ]
    kinds = ["NetworkPolicy"] * len(specs) + [f"{HOSTILE}NetworkPolicy"]
    items = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": f"{HOSTILE}{number}", "namespace": namespace},
            "spec": spec,
        }
        for namespace in ("app", HOSTILE)
        for number, (kind, spec) in enumerate(zip(kinds, [*specs, {}], strict=True))
    ]
    path = tmp_path / "policies.json"
    path.write_text(json.dumps({"kind": "List", "items": items}))
    words = ("--unused", "--format", form, "-v")
    done = otterize("netpol", "check", path, FIXTURES / "two-nodes", *words)
    assert done.returncode == 1
    assert shown_safely(done.stderr), done.stderr
    if form in {"text", "markdown"}:
        assert shown_safely(done.stdout), done.stdout
    if form == "github":
        lines = done.stdout.splitlines()
        assert all(line.isprintable() and "##[" not in line for line in lines)
        assert not any(line.startswith("::") and "file=a" in line.split("::")[1] for line in lines)


@pytest.mark.parametrize(
    "words", [("intents", "list", "--wide", "-v"), ("connections", "-v"), ("graph", "-v")]
)
def test_flow_logs_give_no_commands(
    words: tuple[str, ...], otterize: Otterize, tmp_path: Path
) -> None:
    """Names of pods, nodes, Services and fields in a log that somebody else wrote."""
    end = {"namespace": HOSTILE, "pod_name": HOSTILE, "workloads": [{"name": HOSTILE, "kind": "a"}]}
    flow = {
        "time": "2026-11-23T07:00:01Z",
        "verdict": "FORWARDED",
        "IP": {"source": "10.1.0.1", "destination": "10.1.0.2"},
        "l4": {"TCP": {"source_port": 4000, "destination_port": 80, "flags": {"SYN": True}}},
        "source": end,
        "destination": end | {"pod_name": f"{HOSTILE}2", "labels": HOSTILE},
        "destination_names": [HOSTILE],
        "destination_service": {"name": HOSTILE, "namespace": HOSTILE},
        "node_name": HOSTILE,
        "is_reply": HOSTILE,
    }
    lost = {"node_status": {"state_change": "NODE_ERROR", "node_names": [HOSTILE], "message": "a"}}
    path = tmp_path / "flows.jsonl"
    records = [{"flow": flow}, {"flow": flow | {"is_reply": True}}, lost]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records) + f"{HOSTILE}\n")
    done = otterize(*words, path)
    assert done.returncode == 0, done.stderr
    assert shown_safely(done.stdout + done.stderr), done.stdout + done.stderr


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_file_names_give_no_commands(form: str, otterize: Otterize, tmp_path: Path) -> None:
    """`connections` names files; a capture directory may be somebody else's."""
    path = tmp_path / f"::error::{HOSTILE.replace('/', '')}.pcap"
    path.write_bytes((FIXTURES / "two-nodes" / "pcap" / "node-a.pcap").read_bytes())
    done = otterize("connections", path.name, "--format", form)
    assert done.returncode == 0
    shown = done.stdout.replace("\r\n", "\n") if form == "csv" else done.stdout
    assert shown_safely(done.stderr)
    assert form == "json" or shown_safely(shown)
    listed = otterize("intents", "list", path.name, "--snapshot", SNAPSHOT, "-v")
    assert shown_safely(listed.stdout + listed.stderr)


NAMED = {"name", "nodeName", "namespace", "kubernetes.io/service-name"}


def renamed(value: object) -> object:
    """A document with hostile names of pods, nodes, Services, namespaces and containers."""
    if isinstance(value, list):
        return [renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: HOSTILE + one if key in NAMED and isinstance(one, str) else renamed(one)
        for key, one in value.items()
    }


@pytest.mark.parametrize(
    "command",
    [
        ("intents", "list", "FIRST", "-v"),
        ("intents", "list", "FIRST", "--wide", "--ports"),
        ("intents", "list", "FIRST", "--format", "csv"),
        ("explain", "10.244.1.4", "10.244.2.2", "FIRST"),
        ("explain", HOSTILE, "orders", "FIRST"),
        ("explain", "gateway", f"{HOSTILE}orders", "FIRST"),
        ("diff", "FIRST", "OTHER", "-v"),
        ("diff", "FIRST", "OTHER", "--format", "markdown"),
        ("diff", "FIRST", "OTHER", "--format", "junit"),
        ("check", "FIRST", "--allow", "FIRST"),
        ("connections", "FIRST"),
        ("connections", "FIRST", "--format", "csv"),
        ("snapshot", "inspect", "FIRST"),
        ("graph", "FIRST", "--format", "mermaid"),
        ("graph", "FIRST", "--format", "svg"),
        ("anonymise", "FIRST", "-o", "OTHER"),
    ],
    ids=" ".join,
)
def test_captures_of_others_give_no_commands(
    command: tuple[str, ...], otterize: Otterize, tmp_path: Path
) -> None:
    """Whatever a capture directory, its files, and all that its snapshot names are called."""
    name = HOSTILE.replace("/", "")
    places = {"FIRST": tmp_path / f"::error::{name}", "OTHER": tmp_path / f"{name}2"}
    for place, node in zip(places.values(), ("node-a", "node-b"), strict=True):
        (place / "pcap").mkdir(parents=True)
        content = (FIXTURES / "two-nodes" / "pcap" / f"{node}.pcap").read_bytes()
        (place / "pcap" / f"{name}.pcap").write_bytes(content)
        snapshot = renamed(json.loads(SNAPSHOT.read_bytes()))
        (place / "snapshot.json").write_text(json.dumps(snapshot))
    done = otterize(*(str(places.get(word, word)) for word in command))
    assert shown_safely(done.stdout.replace("\r\n", "\n")), done.stdout
    assert shown_safely(done.stderr), done.stderr


def hostile_call() -> ServiceGraph:
    """A graph in which every name is a command."""
    client, server = (
        Workload(HOSTILE, "::error::y", "::debug::z"),
        Workload("::stop-commands::a", "b"),
    )
    use = Use("TCP", 80, 1, (1, 1), (1, 1), 1, 1, (("established", 1),), ((HOSTILE, 1),))
    return ServiceGraph((Call(client, server, ESTABLISHED, (use,)),))


@pytest.mark.parametrize("render", [render_list, *LIST_FORMATS.values()])
def test_no_line_of_a_result_begins_a_command(render: Callable[[ServiceGraph], str]) -> None:
    """What is printed for programs keeps names as they are, within lines that begin otherwise."""
    lines = render(hostile_call()).splitlines()
    assert any("stop-commands" in line for line in lines)
    assert not any(line.lstrip().startswith("::") for line in lines)
