"""docs/schemas/ is what the types say, and what the commands print follows it.

`pytest --update-golden tests/render/test_schemas.py` writes the schemas again.
"""

import json
from collections.abc import Callable
from inspect import cleandoc
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from otterize_pcap.graph import graph_format
from otterize_pcap.render import calls_json, policies_json
from otterize_pcap.render.comparison_json import check_schema, diff_schema
from otterize_pcap.render.netpol_json import policy_check_schema
from tests.conftest import FIXTURES, ROOT, Otterize

SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "graph": graph_format.json_schema,
    "calls": calls_json.json_schema,
    "diff": diff_schema,
    "check": check_schema,
    "netpol-check": policy_check_schema,
    "netpol": policies_json.json_schema,
}
ALLOW = ("--allow", FIXTURES / "tutorial" / "export.yaml")
TUTORIAL, LATER = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"
CAPTURES = ("tutorial-after", "two-nodes", "outside", "outcomes", "services", "hostnetwork")


def described(schema: str) -> dict[str, Any]:
    """The schema as it is published."""
    path = ROOT / "docs" / "schemas" / f"{schema}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A schema as JSON has it, whatever Python and msgspec made it.

    Python 3.13 already strips the indentation of docstrings, and the order of the alternatives of
    `anyOf`, which means nothing, is msgspec's own: null first before 0.22.
    """
    match value:
        case {"anyOf": alternatives}:
            ordered = sorted(alternatives, key=lambda entry: entry == {"type": "null"})
            rest = {key: entry for key, entry in value.items() if key != "anyOf"}
            return {"anyOf": [plain(entry) for entry in ordered], **plain(rest)}
        case dict():
            return {
                key: cleandoc(entry) if key == "description" else plain(entry)
                for key, entry in value.items()
            }
        case list() | tuple():
            return [plain(entry) for entry in value]
    return value


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_that_of_the_types(name: str, request: pytest.FixtureRequest) -> None:
    """The published schema is valid, names itself, and is made from the types that are written."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:otterize-pcap:{name}:1",
        **plain(SCHEMAS[name]()),
    }
    path = ROOT / "docs" / "schemas" / f"{name}.schema.json"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    assert described(name) == made
    Draft202012Validator.check_schema(made)


@pytest.mark.parametrize("form", ["graph", "json"])
@pytest.mark.parametrize("capture", CAPTURES)
def test_lists_follow_their_schemas(capture: str, form: str, otterize: Otterize) -> None:
    """Graph JSON and the JSON list of real captures, with everything that can be shown."""
    shown = ("--include-attempts", "--include-cluster-dns", "--internet", "--format", form, "-q")
    result = otterize("intents", "list", FIXTURES / capture, *shown)
    printed = json.loads(result.stdout)
    assert printed, result.stderr
    Draft202012Validator(described("graph" if form == "graph" else "calls")).validate(printed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(TUTORIAL, LATER, id="added"),
        pytest.param(LATER, TUTORIAL, id="removed"),
        pytest.param(ALLOW[1], TUTORIAL, id="export and capture"),
        pytest.param(FIXTURES / "two-nodes", FIXTURES / "outside", id="all different"),
    ],
)
def test_diffs_follow_their_schema(old: object, new: object, otterize: Otterize) -> None:
    """The JSON of a diff, whatever is compared."""
    result = otterize("diff", old, new, "--format", "json", "-q")
    Draft202012Validator(described("diff")).validate(json.loads(result.stdout))


@pytest.mark.parametrize("capture", ["tutorial-before", "tutorial-after", "two-nodes"])
def test_checks_follow_their_schema(capture: str, otterize: Otterize) -> None:
    """The JSON of a check, with and without violations."""
    result = otterize("check", FIXTURES / capture, *ALLOW, "--format", "json", "-q")
    Draft202012Validator(described("check")).validate(json.loads(result.stdout))


@pytest.mark.parametrize("capture", ["tutorial-before", "outside", "snapshot-late"])
def test_policies_follow_their_schema(capture: str, otterize: Otterize) -> None:
    """The JSON of policies, with those that were made and those that were not."""
    result = otterize("netpol", "export", FIXTURES / capture, "--format", "json", "-q")
    Draft202012Validator(described("netpol")).validate(json.loads(result.stdout))


def test_schema_refuses_what_is_not_a_graph(otterize: Otterize) -> None:
    """A call without a server, or of an unknown status, does not follow the schema."""
    printed = otterize("intents", "list", TUTORIAL, "--format", "graph", "-q").stdout
    validator = Draft202012Validator(described("graph"))
    nameless, odd = json.loads(printed), json.loads(printed)
    del nameless["calls"][0]["server"]
    odd["calls"][0]["status"] = "perhaps"
    assert not validator.is_valid(nameless)
    assert not validator.is_valid(odd)
