"""docs/troubleshooting.md has every message that a run can end with."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ERRORS = {
    node.name
    for node in ast.parse((ROOT / "otterize_pcap" / "errors.py").read_text()).body
    if isinstance(node, ast.ClassDef)
} | {"ApiUnreachableError", "ApiRefusedError", "ExecFailedError"}
HOLE = "…"
# Caught before they reach a user, who sees them within a message of the tree.
INNER = re.compile(
    r"raise (ValueError|AttributeError|UndecodableError|(Yaml|Time|Address|State)Error)\("
)


def template(expression: ast.expr) -> str | None:
    """A message with a hole for each value put into it; None where it is no text."""
    match expression:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(p.value) if isinstance(p, ast.Constant) else HOLE for p in parts)
        case ast.BinOp(left=left, op=ast.Add()):
            return template(left)
    return None


def in_statements(statements: list[ast.stmt]) -> Iterator[str]:
    """The messages of one block: assigned to `message` and raised, or given to an error."""
    for number, statement in enumerate(statements):
        for block in ("body", "orelse", "finalbody", "handlers"):
            yield from in_statements(getattr(statement, block, []))
        match statement:
            case ast.Assign(targets=[ast.Name(id="message")], value=value):
                raised = ast.unparse(statements[number + 1]) if statements[number + 1 :] else ""
                if not INNER.match(raised):
                    yield template(value) or ""
            case (
                ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[value, *_]))
                | ast.Return(value=ast.Call(func=ast.Name(id=name), args=[value, *_]))
            ) if name in ERRORS:
                yield template(value) or ""


def in_helpers(module: ast.Module) -> Iterator[str]:
    """The texts returned by functions whose result is given to an error."""
    helpers = {
        call.args[0].func.id
        for call in ast.walk(module)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ERRORS
        and call.args
        and isinstance(call.args[0], ast.Call)
        and isinstance(call.args[0].func, ast.Name)
    }
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef) and function.name in helpers:
            for returned in ast.walk(function):
                if isinstance(returned, ast.Return) and returned.value is not None:
                    yield template(returned.value) or ""


def messages() -> dict[str, str]:
    """Every message of the program, without the holes at its ends, and the file it is in."""
    found = {}
    for path in sorted((ROOT / "otterize_pcap").rglob("*.py")):
        module = ast.parse(path.read_text())
        for text in (*in_statements(module.body), *in_helpers(module)):
            words = text.strip(HOLE).strip()
            if sum(character.isalpha() for character in words) > 7:
                found[words] = str(path.relative_to(ROOT))
    return found


def test_messages_are_found() -> None:
    """The search finds messages of each kind: assigned, given, returned."""
    found = messages()
    assert "-n and -A contradict each other; give one of them" in found
    assert ": the file is empty, not even a capture header; capture again" in found
    assert "; capture again, with tcpdump -U" in found
    assert len(found) > 80


@pytest.mark.parametrize("words", messages())
def test_message_is_explained(words: str) -> None:
    """The page shows the message, with … where values stand."""
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert " ".join(words.split()) in page, messages()[words]


def test_page_has_no_others() -> None:
    """Every message on the page is one that the program still has."""
    known = [" ".join(words.split()) for words in messages()]
    page = PAGE.read_text(encoding="utf-8")
    for shown in re.findall(r"^-   `` (.*) ``$", page, re.MULTILINE):
        assert any(words in shown for words in known), shown
