"""Findings point at the file and line to mend."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.service_graph import Call, External, Workload
from otterize_pcap.intents.places import Place, Places, declared_places
from otterize_pcap.intents.read_intents import parse_intents
from tests.conftest import FIXTURES, Otterize

TUTORIAL = b"""\
apiVersion: k8s.otterize.com/v1alpha2
kind: ClientIntents
metadata:
  name: checkout
spec:
  service:
    name: checkout
  calls:
    - name: kafka
    - name: zookeeper
---
# Nothing yet.
apiVersion: k8s.otterize.com/v1alpha2
kind: ClientIntents
metadata:
  name: kafka
spec: {service: {name: kafka}, calls: []}
"""
MODERN = b"""\
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "k8s.otterize.com/v2alpha1", "kind": "ClientIntents",
   "metadata": {"name": "api", "namespace": "shop"},
   "spec": {"workload": {"name": "api", "kind": "Deployment"},
            "targets": [
              {"kubernetes": {"name": "db", "kind": "StatefulSet"}},
              {"internet": {"domains": ["a.example", "b.example"]}},
              {"service": {"name": "web.other"}}]}}]}
"""


def call(client: str, server: str, namespace: str = "shop") -> Call:
    """A call between two Deployments of one namespace."""
    return Call(
        Workload(client, namespace, "Deployment"), Workload(server, namespace, "Deployment")
    )


@pytest.fixture(name="places", scope="module")
def fixture_places() -> Places:
    """The places of both files."""
    documents = [("t.yaml", TUTORIAL), ("m.json", MODERN)]
    return Places("t.yaml", tuple(declared_places(documents)))


@pytest.mark.parametrize(
    ("found", "file", "line"),
    [
        pytest.param(call("checkout", "kafka"), "t.yaml", 9, id="its entry"),
        pytest.param(call("checkout", "zookeeper"), "t.yaml", 10, id="the next entry"),
        pytest.param(call("checkout", "new"), "t.yaml", 1, id="no entry: the client's document"),
        pytest.param(call("kafka", "zookeeper"), "t.yaml", 13, id="a client without entries"),
        pytest.param(call("stranger", "kafka"), "t.yaml", 1, id="no document: the first file"),
        pytest.param(call("api", "new"), "m.json", 2, id="a List of JSON"),
        pytest.param(call("api", "db"), "m.json", 2, id="another kind is another workload"),
        pytest.param(call("api", "db", "else"), "t.yaml", 1, id="another namespace"),
    ],
)
def test_call_is_found_where_it_is_declared(
    found: Call, file: str, line: int, places: Places
) -> None:
    """The entry of the call, else the document of its client, else the first file."""
    assert places.of(found) == Place(file, line)


@pytest.mark.parametrize(
    ("server", "line"),
    [
        pytest.param(Workload("db", "shop", "StatefulSet"), 6, id="workload"),
        pytest.param(External("a.example"), 7, id="first domain"),
        pytest.param(External("b.example"), 7, id="second domain of the same entry"),
        pytest.param(Workload("web", "other", "Service"), 8, id="Service"),
    ],
)
def test_every_kind_of_target_has_its_line(
    server: Workload | External, line: int, places: Places
) -> None:
    """An entry that declares several calls is the place of each."""
    client = Workload("api", "shop", "Deployment")
    assert places.of(Call(client, server)) == Place("m.json", line)


def test_json_that_is_no_yaml_has_no_lines() -> None:
    """A character as two surrogates is JSON and no YAML: it is read, without lines."""
    surrogates = MODERN.replace(b"b.example", b"\\ud83d\\ude00")
    assert list(declared_places([("m.json", surrogates)])) == []
    assert list(declared_places([("m.json", MODERN)]))


def test_without_documents_there_is_no_place() -> None:
    """Standard input has no file to point at."""
    assert Places().of(call("a", "b")) is None


def test_check_points_at_the_client_s_file(otterize: Otterize, tmp_path: Path) -> None:
    """GitHub and SARIF show a finding where it is mended, whatever file of --allow that is."""
    for name in ("checkout", "kafka"):
        (tmp_path / f"{name}.yaml").write_text(
            "# Reviewed.\n"
            "apiVersion: k8s.otterize.com/v1alpha2\n"
            "kind: ClientIntents\n"
            f"metadata: {{name: {name}}}\n"
            "spec:\n"
            f"  service: {{name: {name}}}\n"
            "  calls:\n"
            "    - name: other\n",
            encoding="utf-8",
        )
    arguments = ("check", FIXTURES / "tutorial-before", "--allow", tmp_path, "--unused", "-q")
    shown = otterize(*arguments, "--format", "github").stdout
    assert f"::error file={tmp_path}/checkout.yaml,line=2,title=" in shown
    assert f"::error file={tmp_path}/kafka.yaml,line=2,title=" in shown
    assert f"::warning file={tmp_path}/kafka.yaml,line=8,title=" in shown
    sarif = json.loads(otterize(*arguments, "--format", "sarif").stdout)
    places = {
        (result["ruleId"], location["artifactLocation"]["uri"], location["region"]["startLine"])
        for result in sarif["runs"][0]["results"]
        for location in [result["locations"][0]["physicalLocation"]]
    }
    assert ("call-unused", f"{tmp_path}/checkout.yaml", 8) in places


KEYS = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "namespace",
    "annotations",
    "workload",
    "service",
    "targets",
    "calls",
    "kubernetes",
    "internet",
    "kafka",
    "sql",
    "domains",
    "ips",
    "ports",
    "http",
    "topics",
    "path",
    "methods",
    "type",
    "items",
    "resources",
    "intents.otterize.com/ports",
]
WORDS = [
    "ClientIntents",
    "List",
    "Deployment",
    "Service",
    "k8s.otterize.com/v1alpha2",
    "k8s.otterize.com/v2beta1",
    "k8s.k8s.otterize.com/v1",
    "a",
    "a.b",
    "svc:a",
    "internet",
    "kafka",
    "database",
    "http",
    "{}",
    "[]",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document that is ClientIntents at first sight, and anything from there on."""
    listed = st.lists(
        st.dictionaries(st.sampled_from(KEYS), values, max_size=3) | values, max_size=3
    )
    client = st.fixed_dictionaries({"name": st.sampled_from(["a", "b.c"])}) | values
    spec = st.fixed_dictionaries(
        {},
        optional={"workload": client, "service": client, "targets": listed, "calls": listed},
    )
    return {
        "apiVersion": draw(st.sampled_from(WORDS[3:6]) | values),
        "kind": draw(st.sampled_from(["ClientIntents", "ClientIntents", "List"])),
        "metadata": draw(values | st.just({"name": "a"})),
        "spec": draw(spec | values),
        "items": draw(values),
    }


@settings(max_examples=500)
@given(found=st.lists(documents(), min_size=1, max_size=3), as_json=st.booleans())
def test_any_document_is_intents_or_an_error(found: list[dict[str, Any]], as_json: bool) -> None:
    """Whatever the fields hold: a graph and its places, or an error of its kind."""
    text = json.dumps(found) if as_json else yaml.safe_dump_all(found)
    content = [("x.yaml", text.encode())]
    for read in (parse_intents, lambda given: list(declared_places(given))):
        with suppress(GraphFormatError):
            read(content)
