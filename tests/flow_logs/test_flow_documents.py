"""The forms in which flow logs come, and what is no flow log."""

import json

import pytest

from otterize_pcap.flow_logs.documents import HEAD, writer_of
from otterize_pcap.flow_logs.flow import Writer
from tests.conftest import FIXTURES
from tests.flow_logs.logs import as_lines, read_log

FOLDER = FIXTURES / "flow-logs"
STORY = (FOLDER / "hubble.jsonl").read_bytes()
RECORDS = [json.loads(line) for line in STORY.splitlines()]
FLOWS = len(read_log(STORY).flows)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(STORY, id="lines"),
        pytest.param(STORY.rstrip(b"\n"), id="no newline at the end"),
        pytest.param(STORY.replace(b"\n", b"\r\n"), id="CR LF"),
        pytest.param(b"\xef\xbb\xbf" + STORY, id="byte order mark"),
        pytest.param(STORY.replace(b"\n", b",\n"), id="commas"),
        pytest.param(json.dumps(RECORDS).encode(), id="a list on one line"),
        pytest.param(json.dumps(RECORDS, indent=2).encode(), id="a list, indented"),
        pytest.param(
            b"".join(json.dumps(each, indent=4).encode() + b"\n" for each in RECORDS),
            id="objects, indented as jq does",
        ),
        pytest.param(
            b"[\n" + b",\n".join(STORY.splitlines()) + b"\n]\n", id="a list, an object a line"
        ),
    ],
)
def test_forms_of_json(content: bytes) -> None:
    """All of them hold the same flows."""
    found = read_log(content)
    assert (found.writer, found.records, len(found.flows)) == (
        Writer.HUBBLE,
        len(RECORDS),
        FLOWS,
    )
    assert not found.damage


def test_other_lines_are_counted() -> None:
    """Port-forwards and shells write between flows; a cut last line is damage."""
    lines = STORY.splitlines(keepends=True)
    content = b"".join((lines[0], b"Handling connection for 4245\n", *lines[1:], lines[2][:80]))
    found = read_log(content)
    assert len(found.flows) == FLOWS
    assert found.passed_over["flow-log record that is no JSON"] == 2
    assert found.damage == "it ends within a record"


def test_lines_are_numbered_from_one() -> None:
    """Where a flow stands, in lines; of an indented object, where it begins."""
    assert [flow.line for flow in read_log(STORY).flows][:2] == [3, 4]
    indented = "".join(json.dumps(each, indent=1) + "\n" for each in RECORDS[2:4]).encode()
    first, second = read_log(indented).flows
    assert (first.line, indented.splitlines()[second.line - 1]) == (1, b"{")


def test_csv_rows_that_do_not_fit_are_counted() -> None:
    """A line with fewer columns, quotes that do not end."""
    content = (FOLDER / "netobserv.csv").read_bytes()
    whole = read_log(content)
    broken = read_log(content + b"1,2,3\n")
    assert len(broken.flows) == len(whole.flows)
    assert broken.passed_over == {"flow-log record with other columns than the first": 1}
    torn = read_log(content.replace(b"SrcAddr,", b"SrcAddr,\r\r,", 1))
    assert torn.flows == []
    assert torn.passed_over["flow-log record that is no CSV"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"hello\n",
        b'{"kind": "List", "items": []}',
        b'{"format": "otterize-graph", "version": 1, "x": {"flow": {}}}',
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00",
        b'{"flow": {\0',
        b"a,b,c\n1,2,3\n",
        b"apiVersion: v1\nkind: Pod\n",
    ],
)
def test_what_is_no_flow_log(content: bytes) -> None:
    """Snapshots, graph JSON, captures, texts."""
    assert writer_of(content[:HEAD]) is None


def test_nesting_and_size_are_bounded() -> None:
    """Ten thousand brackets, and a text of megabytes, cost one record."""
    deep = b'{"flow": ' + b"[" * 10_000 + b"]" * 10_000 + b"}\n"
    long = json.dumps({"flow": {"time": "x" * (1 << 21)}}).encode() + b"\n"
    found = read_log(STORY + deep + long)
    assert len(found.flows) == FLOWS
    assert found.passed_over["flow-log record that is no JSON"] == 1
    assert found.passed_over["flow-log record without a time"] == 1
    assert sum(map(len, found.odd)) < 1000


def test_flows_beyond_the_bound_are_not_kept() -> None:
    """Reading stops at the first flow too many."""
    assert len(read_log(as_lines(RECORDS * 3)).flows) == FLOWS * 3
