"""YAML that is written to harm: bounded before a value is made of it."""

import itertools
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.errors import GraphFormatError, SnapshotError
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.read_objects import read_objects
from otterize_pcap.yaml_documents import MAX_DEPTH, YamlError, load_documents, located_objects

PAIRS = list(itertools.pairwise("abcdefghijklmnopqrstu"))
DOUBLED = "".join(f"{name}: &{name} [*{of}, *{of}]\n" for of, name in PAIRS)
MERGED = "".join(
    f"{name}: &{name} {{<<: [*{of}, *{of}], {name}{name}: [*{of}, *{of}]}}\n" for of, name in PAIRS
)
HARMFUL = [
    pytest.param("items: " + "[" * 200_000, "nested more than 100 levels deep", id="brackets"),
    pytest.param("items: " + "{a: " * 200_000, "nested more than 100 levels deep", id="braces"),
    pytest.param("- " * 200_000, "nested more than 100 levels deep", id="dashes"),
    pytest.param("a: &a [x]\n" + DOUBLED, "aliases repeat more than 1,000,000", id="doubling"),
    pytest.param("a: &a {x: y}\n" + MERGED, "aliases repeat more than 1,000,000", id="merge keys"),
    pytest.param("a: &a [*a]", r"the alias \*a names nothing", id="within itself"),
    pytest.param("a: [*b]", r"the alias \*b names nothing", id="unknown"),
    pytest.param("a: &a [x]\n---\na: [*a]", r"the alias \*a names nothing", id="other document"),
    pytest.param("a: &a [x]\nb: &a [*a]", r"the alias \*a names nothing", id="named again"),
    pytest.param("a: 2020-99-99", "a date or number that does not exist at line", id="date"),
    pytest.param("a: 0b_", "a date or number that does not exist at line", id="no digits"),
    pytest.param("a: " + "59:" * 200 + "5.5", "a date or number that does not", id="base 60"),
    pytest.param(
        "a: !!python/object:os.system x", "a tag or key that plain data do not have at", id="tag"
    ),
    pytest.param("a: \x00", "a character that YAML does not allow", id="control"),
    pytest.param("a: [", "a syntax error at line", id="cut off"),
]


@pytest.mark.parametrize(("text", "reason"), HARMFUL)
def test_harmful_text_is_an_error_with_its_reason(text: str, reason: str) -> None:
    """No recursion in C, no growth without bound, one line of reason."""
    with pytest.raises(YamlError, match=reason) as raised:
        list(load_documents(text.encode()))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("text", "reason"), HARMFUL)
def test_every_reader_of_yaml_is_bounded(text: str, reason: str) -> None:
    """A snapshot and an intents file go through the same bounds, and name themselves."""
    content = f"kind: List\n{text}".encode() if text[0] != "-" else text.encode()
    with pytest.raises(SnapshotError, match=f"^s.yaml: neither JSON nor YAML .*({reason})"):
        read_objects(content, "s.yaml", OddFields())
    with pytest.raises(GraphFormatError, match=f"^i.yaml: neither JSON nor YAML .*({reason})"):
        parse_intents([("i.yaml", content)])


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param("{null: x}", "YAML that has no JSON form", id="null as a key"),
        pytest.param("{true: x}", "YAML that has no JSON form", id="a boolean as a key"),
    ],
)
def test_values_that_json_lacks_are_an_error_of_the_snapshot(labels: str, reason: str) -> None:
    """YAML holds more than Kubernetes' objects can."""
    content = f"kind: Pod\nmetadata: {{name: a, labels: {labels}}}\n".encode()
    with pytest.raises(SnapshotError, match=f"^s.yaml: .*{reason}"):
        read_objects(content, "s.yaml", OddFields())


@pytest.mark.parametrize("value", ["123456789012345678901234567890", ".nan"])
def test_numbers_that_json_lacks_are_left_out(value: str) -> None:
    """A label is text; one that YAML takes for a number costs itself."""
    odd = OddFields()
    content = f"kind: Pod\nmetadata: {{name: a, labels: {{a: {value}, b: x}}}}\n".encode()
    (part,) = read_objects(content, "s.yaml", odd)
    assert part.items[0].metadata.labels == {"b": "x"}
    assert len(odd.fields) == 1


def test_aliases_within_bounds_mean_what_they_name() -> None:
    """Anchors, aliases and merge keys, as people write them by hand."""
    text = b"a: &a {x: 1}\nb: *a\nc: {<<: *a, y: &y 2}\nd: *y\n"
    assert list(load_documents(text)) == [
        {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}, "d": 2}
    ]


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_bound_of_depth_is_exact(depth: int) -> None:
    """As deep as is said, and no deeper."""
    text = b"[" * depth + b"]" * depth
    if depth > MAX_DEPTH:
        with pytest.raises(YamlError, match="nested more than 100 levels deep"):
            list(load_documents(text))
    else:
        assert len(list(load_documents(text))) == 1


SIGNS = st.text(alphabet="abc:-&*<>[]{}!|,? \n'\"#%@~0129.", max_size=60)


ODD_LINES = (
    *("a: &a {x: 1, y: [2, 3]}", "b: *a", "c: {<<: *a, y: &y 2}", "d: *y", "<<: {e: 1}", "'<<': 1"),
    *("? [f]", ": 1", "3: g", "null: ~", "h: !!str {}", "i: !!str 5", "j: !!seq [k]", "=: 1"),
    *("l: 2020-01-01", "m: 0x1F", "n: yes", "a: again", "---", "o: !!set {p}", "q: |", "  r"),
)


@settings(max_examples=300)
@given(SIGNS | st.lists(st.sampled_from(ODD_LINES), max_size=8).map("\n".join))
def test_located_objects_have_the_fields_that_loading_gives(text: str) -> None:
    """Whichever way a value is made, and where one way is an error the other is."""
    try:
        expected = [each for each in load_documents(text.encode()) if isinstance(each, dict)]
    except YamlError:
        with pytest.raises(YamlError):
            list(located_objects(text.encode()))
        return
    found = [each.fields for each in located_objects(text.encode())]
    assert repr([each for each in found if each]) == repr([each for each in expected if each])


@settings(max_examples=300)
@given(SIGNS.map(str.encode) | st.binary(max_size=60))
def test_any_text_is_documents_or_an_error(text: bytes) -> None:
    """Nothing else comes out of it, whatever the text."""
    with suppress(YamlError):
        list(load_documents(text))
