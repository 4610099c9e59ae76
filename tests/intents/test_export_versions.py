"""ClientIntents in every version: what is written, what operators accept, what is read again."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    ESTABLISHED,
    Call,
    External,
    ServiceGraph,
    Use,
    Workload,
    declared_use,
)
from otterize_pcap.intents.documents import intents_documents, left_out, object_names
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.intents.validation import validate_documents
from otterize_pcap.intents.versions import TUTORIAL, VERSIONS, IntentsVersion
from otterize_pcap.render.client_intents import (
    IntentsForm,
    render_files,
    render_intents,
    render_intents_json,
)
from otterize_pcap.render.yaml_text import scalar
from tests.conftest import ROOT, Otterize
from tests.strategies import graphs, laws

CRD = ROOT.parent / "shared" / "crds" / "k8s.otterize.com_clientintents.yaml"
SERVED = [version for version in VERSIONS.values() if version.served]

Golden = Callable[[str, str], None]


def use(port: int, protocol: str = "TCP", services: tuple[str, ...] = ()) -> Use:
    """One connection to a port."""
    return Use(protocol, port, 1, (3, 2), (90, 80), 1, 2, (("established", 1),), (), services)


CHECKOUT = Workload("checkout", "shop", "Deployment")
EXAMPLE = ServiceGraph(
    (
        Call(
            Workload("7763114e68", "shop", "CronJob"),
            Workload("on", "1_000", "StatefulSet"),
            ATTEMPTED,
        ),
        Call(CHECKOUT, Workload("kafka", "infra", "StatefulSet"), uses=(use(9092), use(9093))),
        Call(CHECKOUT, Workload("kubernetes", "default", "Service"), uses=(use(443),)),
        Call(CHECKOUT, External("api.example.com"), uses=(use(443), use(443, "UDP"))),
        Call(CHECKOUT, External("192.0.2.1", is_address=True), uses=(use(25),)),
        Call(replace(CHECKOUT, kind="StatefulSet"), Workload("kafka", "infra", "StatefulSet")),
    )
)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_each_version_as_yaml(version: IntentsVersion, golden: Golden) -> None:
    """Each version writes what it can hold of one graph, byte for byte."""
    text = render_intents(EXAMPLE, IntentsForm(version, ports=True))
    golden(f"export/{version.name}.yaml", text)
    assert list(yaml.safe_load_all(text)) == intents_documents(EXAMPLE, version, ports=True)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_json_reads_as_yaml_does(version: IntentsVersion) -> None:
    """Both forms of a version say the same."""
    form = IntentsForm(version, ports=True)
    as_json = parse_intents([("x.json", render_intents_json(EXAMPLE, form).encode())])
    assert as_json == parse_intents([("x.yaml", render_intents(EXAMPLE, form).encode())])


@cache
def schema_validators() -> dict[str, jsonschema.Draft202012Validator]:
    """A validator for each version in the real CustomResourceDefinition."""
    versions = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
    return {
        version["name"]: jsonschema.Draft202012Validator(
            closed(version["schema"]["openAPIV3Schema"])
        )
        for version in versions
    }


def closed(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON Schema
    """The schema without room for other fields, which an API server would prune."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(value) for key, value in schema.items()}
    return {**parts, "additionalProperties": False} if "properties" in parts else parts


@pytest.mark.skipif(not CRD.exists(), reason=f"no CustomResourceDefinition at {CRD}")
@pytest.mark.parametrize("version", SERVED, ids=lambda version: version.name)
@laws
@given(graph=graphs())
def test_documents_fit_the_custom_resource(version: IntentsVersion, graph: ServiceGraph) -> None:
    """The API server keeps every field of every document, whatever the names."""
    for document in intents_documents(graph, version, ports=True):
        schema_validators()[version.name].validate(document)


@pytest.mark.parametrize("version", SERVED, ids=lambda version: version.name)
@laws
@given(graph=graphs())
def test_webhook_accepts_documents(version: IntentsVersion, graph: ServiceGraph) -> None:
    """One object a client and kind in a namespace, by construction (S64)."""
    documents = intents_documents(graph, version)
    validate_documents(documents)
    names = [(d["metadata"]["namespace"], d["metadata"]["name"]) for d in documents]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
@laws
@given(graph=graphs())
def test_round_trip(version: IntentsVersion, graph: ServiceGraph) -> None:
    """What is read again is the graph, as far as the version can hold it."""
    form = IntentsForm(version, ports=True)
    for text in (render_intents(graph, form), render_intents_json(graph, form)):
        assert parse_intents([("x", text.encode())]) == held(graph, version)


def held(graph: ServiceGraph, version: IntentsVersion) -> ServiceGraph:
    """What a version can hold of a graph: written down once more, and independently."""
    calls: dict[Any, list[Call]] = {}
    for call in graph.calls:
        client, server = call.client, call.server
        if isinstance(server, External) and not version.internet:
            continue
        client = shown(client, version)
        server = shown(server, version) if isinstance(server, Workload) else server
        calls.setdefault((client, server), []).append(call)
    merged = []
    for (client, server), same in calls.items():
        ports = {(use.protocol, use.port) for call in same for use in call.uses}
        # Servers that are written alike share their annotations.
        alike = [
            call
            for call in graph.calls
            if (call.client.name, call.client.namespace) == (client.name, client.namespace)
            and (not version.kinds or call.client.kind == client.kind)
            and written(call) == written(same[0])
        ]
        if version is TUTORIAL:
            alike = [call for call in alike if call.client.kind in {c.client.kind for c in same}]
        ports |= {(use.protocol, use.port) for call in alike for use in call.uses}
        status = ESTABLISHED if any(c.status == ESTABLISHED for c in alike) else same[0].status
        declared = tuple(declared_use(*port) for port in sorted(ports))
        merged.append(Call(client, server, status, declared))
    return ServiceGraph(tuple(sorted(merged, key=call_order)))


def shown(workload: Workload, version: IntentsVersion) -> Workload:
    """Kinds where the version has them; a group where the kind alone would read as core (S7)."""
    if not version.kinds:
        return replace(workload, kind="", group="")
    return workload if workload.kind == "Service" else replace(workload, group="")


def written(call: Call) -> tuple[str, str]:
    """A server's name and namespace, which annotations know it by."""
    if isinstance(call.server, External):
        return call.server.name, ""
    return call.server.name, call.server.namespace


def test_versions_without_internet_say_what_is_left_out() -> None:
    """Nothing is left out in silence."""
    assert left_out(EXAMPLE, VERSIONS["k8s.otterize.com/v1alpha2"]) == [
        "v1alpha2 cannot declare servers on the internet: 2 left out"
    ]
    assert left_out(EXAMPLE, VERSIONS["k8s.otterize.com/v2beta1"]) == []


def document(**spec: object) -> dict[str, Any]:
    """A v2 document of client `a` with changes to its spec."""
    whole = {"workload": {"name": "a", "kind": "Deployment"}, "targets": [], **spec}
    return {"metadata": {"name": "a", "namespace": "shop"}, "spec": whole}


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        pytest.param(
            [document(workload={"name": "a.b"})], "operators accept no dot in a name", id="dot"
        ),
        pytest.param(
            [document(workload={"name": "a", "kind": "deployment"})],
            "kind 'deployment' of a does not start with a capital letter",
            id="kind of client",
        ),
        pytest.param(
            [document(targets=[{"kubernetes": {"name": "b", "kind": "pod"}}])],
            "kind 'pod' of b does not start with a capital letter",
            id="kind of server",
        ),
        pytest.param(
            [document(targets=[{"kubernetes": {"name": "b"}, "service": {"name": "b"}}])],
            "a target needs exactly one field, found kubernetes, service",
            id="two fields",
        ),
        pytest.param(
            [document(targets=[{"internet": {"ports": [443]}}])],
            "an internet target needs domains or ips",
            id="internet without destination",
        ),
        pytest.param([document(), document()], "declared by both a and a", id="twice"),
    ],
)
def test_webhook_refuses(documents: list[dict[str, Any]], said: str) -> None:
    """What a webhook would refuse is refused before it is applied, with the client named."""
    with pytest.raises(GraphFormatError) as caught:
        validate_documents(documents)
    assert "in namespace shop: " in str(caught.value)
    assert said in str(caught.value)


def test_object_names_are_valid_and_apart() -> None:
    """Names that would fall together get their kind, then a digest (S64)."""
    clients = [
        Workload("a_b", "shop", "Deployment"),
        Workload("a-b", "shop", "StatefulSet"),
        Workload("A-b", "shop", "StatefulSet"),
        Workload("a-b", "prod", "StatefulSet"),
        Workload("..", "shop", "Pod"),
        Workload("x" * 300, "shop", "Pod"),
    ]
    names = object_names(clients)
    assert names[clients[0]] == "a-b-deployment"
    assert names[clients[1]].startswith("a-b-statefulset-")
    assert names[clients[2]].startswith("a-b-statefulset-")
    assert names[clients[1]] != names[clients[2]]
    assert names[clients[3]] == "a-b"
    assert names[clients[4]] == "client"
    assert len(names[clients[5]]) == 253


@laws
@given(st.text() | st.from_regex(r"[0-9_.:+\-eExXoObBa-fA-FtTzZ]+", fullmatch=True))
def test_scalars_stay_the_same_text(text: str) -> None:
    """A string is the same string to a YAML 1.1 reader, with and without libyaml."""
    for loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        assert yaml.load(f"- {scalar(text)}\n", Loader=loader) == [text]  # noqa: S506 - both are safe


@pytest.mark.parametrize(
    "text",
    [
        *("7763114e68", "on", "null", "1_000", "12:30", "y", "NO", "0x1f", "0o17", ".5", "1e3"),
        *("nan", "2001-12-14", "~", "", "-", "=", "<<", "*a", "&a", "a: b", "a #b", "-a", "@a"),
    ],
)
def test_ambiguous_scalars_are_quoted(text: str) -> None:
    """What a YAML 1.1 or 1.2 reader could take for something else is quoted."""
    assert scalar(text) == f'"{text}"'


@pytest.mark.parametrize("text", ["checkout", "kafka.infra", "svc:kubernetes.default", "2048-game"])
def test_plain_scalars_are_not_quoted(text: str) -> None:
    """What every reader takes for a string needs no quotes."""
    assert scalar(text) == text


def test_files_of_a_directory() -> None:
    """A directory has one file a client, whose name holds nothing but its own words."""
    hostile = ServiceGraph((Call(Workload("../../x", "..", "Pod"), Workload("b", "..", "Pod")),))
    assert list(render_files(hostile, IntentsForm(), as_json=False)) == ["x.client.yaml"]
    files = render_files(EXAMPLE, IntentsForm(SERVED[-1]), as_json=True)
    assert sorted(files) == [
        "7763114e68.shop.json",
        "checkout-deployment.shop.json",
        "checkout-statefulset.shop.json",
    ]
    documents = [(name, text.encode()) for name, text in files.items()]
    whole = render_intents_json(EXAMPLE, IntentsForm(SERVED[-1])).encode()
    assert parse_intents(documents) == parse_intents([("x", whole)])


FORMS = {
    "tutorial json nests calls in the service": '[{"kind": "ClientIntents", "apiVersion": '
    '"k8s.k8s.otterize.com/v1", "metadata": {"name": "a", "namespace": "shop"}, "spec": '
    '{"service": {"name": "a", "calls": [{"name": "b"}]}}}]',
    "v1alpha1 has a namespace beside the name": "apiVersion: k8s.otterize.com/v1alpha1\n"
    "kind: ClientIntents\nmetadata: {name: a, namespace: other}\n"
    "spec: {service: {name: a}, calls: [{name: b, type: http, namespace: shop}]}\n",
    "v1alpha2 with resources": "apiVersion: k8s.otterize.com/v1alpha2\nkind: ClientIntents\n"
    "metadata: {name: a, namespace: shop}\nspec: {service: {name: a}, calls: [{name: b, "
    "type: http, resources: [{path: /, methods: [GET, POST]}]}]}\n",
    "v1alpha3 with topics": "apiVersion: k8s.otterize.com/v1alpha3\nkind: ClientIntents\n"
    "metadata: {name: a, namespace: shop}\nspec: {service: {name: a}, calls: [{name: b, "
    "type: kafka, kafkaTopics: [{name: t, operations: [consume]}]}]}\n",
    "v2 in a List": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: k8s.otterize.com/v2beta1\n"
    "  kind: ClientIntents\n  metadata: {name: a, namespace: shop}\n  spec: {workload: {name: a}, "
    "targets: [{kafka: {name: b, topics: [{name: t, operations: [consume]}]}}]}\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_there_has_been_is_read(form: str) -> None:
    """`a` calls `b` in namespace shop, in whatever form that was once written."""
    [call] = parse_intents([("x", FORMS[form].encode())]).calls
    assert (call.client.name, call.server) == ("a", Workload("b", "shop"))
    details = {
        "v1alpha2 with resources": ("methods GET POST, path /",),
        "v1alpha3 with topics": ("name t, operations consume", "type kafka"),
        "v2 in a List": ("name t, operations consume", "type kafka"),
    }
    assert call.details == details.get(form, ())


def test_cloud_targets_are_kept_apart_from_workloads() -> None:
    """A bucket or a database is no workload, and is called the same in v1 and v2."""
    v1 = (
        "apiVersion: k8s.otterize.com/v1alpha3\nkind: ClientIntents\n"
        "metadata: {name: a, namespace: shop}\nspec: {service: {name: a}, calls: "
        "[{name: orders, type: database}, {name: 'arn:aws:s3:::b', type: aws}]}\n"
    )
    v2 = (
        "apiVersion: k8s.otterize.com/v2beta1\nkind: ClientIntents\n"
        "metadata: {name: a, namespace: shop}\nspec: {workload: {name: a}, targets: "
        "[{sql: {name: orders}}, {aws: {arn: 'arn:aws:s3:::b'}}]}\n"
    )
    expected = [External("aws:arn:aws:s3:::b"), External("sql:orders")]
    for text in (v1, v2):
        assert [call.server for call in parse_intents([("x", text.encode())]).calls] == expected


def test_dotted_names_keep_their_namespace() -> None:
    """A name with dots (S1) is written with its namespace, so that it is read as it was."""
    client = Workload("a", "shop")
    graph = ServiceGraph((Call(client, Workload("my.api", "shop")),))
    text = render_intents(graph)
    assert "- name: my.api.shop\n" in text
    assert parse_intents([("x", text.encode())]) == graph


def test_directory_export_and_its_errors(otterize: Otterize, tmp_path: Path) -> None:
    """`--output-type dir` writes a file a client; it needs -o; -o yaml is no file name."""
    capture = ROOT / "fixtures" / "tutorial-before"
    done = otterize("intents", "export", capture, "--output-type", "dir", "-o", "out", "-q")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "checkout.shop.yaml",
        "kafka.shop.yaml",
    ]
    assert otterize("diff", tmp_path / "out", capture, "-q").returncode == 0
    without = otterize("intents", "export", capture, "--output-type", "dir")
    assert (without.returncode, without.stderr) == (
        2,
        "otterize: --output-type dir needs a directory to write to; name it with -o DIR\n",
    )
    word = otterize("intents", "export", capture, "-o", "yaml", "-q")
    assert word.returncode == 2
    assert "did you mean --format yaml?" in word.stderr


def test_unknown_version_is_a_usage_error(otterize: Otterize) -> None:
    """A wrong --api-version names the right ones."""
    capture = ROOT / "fixtures" / "tutorial-before"
    done = otterize("intents", "export", capture, "--api-version", "v3")
    assert done.returncode == 2
    assert done.stderr == (
        "otterize: --api-version v3: unknown; choose one of "
        "tutorial, v1alpha2, v1alpha3, v1beta1, v2alpha1, v2beta1\n"
    )


def test_services_instead_of_workloads(otterize: Otterize, golden: Golden) -> None:
    """`--as-kubernetes-service` names the Service where a call went through one."""
    done = otterize(
        "intents",
        "export",
        ROOT / "fixtures" / "services",
        *("--api-version", "k8s.otterize.com/v2beta1", "--as-kubernetes-service", "-q"),
    )
    golden("export/services.yaml", done.stdout)


LABELLED = ServiceGraph(
    tuple(
        Call(replace(CHECKOUT, label=f"version={value}"), Workload("kafka", "infra"))
        for value in ("1.0", "2.0")
    )
)


def test_clients_apart_by_label_are_two_documents() -> None:
    """Each value has a document of its own, which no operator would accept."""
    names = [d["metadata"]["name"] for d in intents_documents(LABELLED)]
    assert names == ["checkout-deployment-1.0", "checkout-deployment-2.0"]
    with pytest.raises(GraphFormatError, match="an operator accepts one"):
        render_intents(LABELLED, IntentsForm(SERVED[-1]))


def test_distinct_by_label_of_a_capture(otterize: Otterize) -> None:
    """Clients are named with the value of their pods' label, or `no_value`."""
    capture = ROOT / "fixtures" / "tutorial-before"
    done = otterize("intents", "list", capture, "--distinct-by-label", "app", "-q")
    assert done.stdout == (
        "checkout [app=checkout] calls:\n  - kafka\n\nkafka [app=kafka] calls:\n  - zookeeper\n"
    )
    done = otterize("intents", "list", capture, "--distinct-by-label", "team", "-q")
    assert done.stdout.startswith("checkout [team=no_value] calls:\n")
