"""What holds of every command, told from the tree of commands: a new one is covered by itself."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.cli.help_page import NARROWEST, WIDEST, allowed, value_name
from otterize_pcap.cli.output_form import SUFFIXES
from tests.command_tree import (
    CAPTURE,
    COMMANDS,
    READERS,
    Words,
    call,
    readers,
    run_here,
    takes_path,
)

Captured = pytest.CaptureFixture[str]

OPTIONS = [
    (words, option)
    for words, command in COMMANDS.items()
    for option in command.params
    if option.param_type_name == "option" and not option.name.endswith("completion")
]
FORMS = [
    (words, str(form))
    for words, command in READERS.items()
    for option in command.params
    if "--format" in option.opts
    for form in option.type.choices
]


def each_option(options: Iterable[tuple[Words, Any]]) -> list[Any]:
    """Parameters of a test: commands, each with one of its options."""
    return [pytest.param(*each, id=" ".join((*each[0], name(each[1])))) for each in options]


def each_form() -> list[Any]:
    """Parameters of a test: commands, each with a form that it writes."""
    return [pytest.param(*each, id=" ".join((*each[0], each[1]))) for each in FORMS]


def name(option: Any) -> str:  # noqa: ANN401
    """An option's long name."""
    return str(max(option.opts, key=len))


VALUES = each_option(each for each in OPTIONS if not each[1].is_flag)
FLAGS = each_option(each for each in OPTIONS if each[1].is_flag)
BOUNDED = each_option(each for each in OPTIONS if allowed(each[1].type))
PATHS = each_option(
    (words, param) for words in READERS for param in COMMANDS[words].params if takes_path(param)
)


def with_output() -> list[Any]:
    """Parameters of a test: commands that write a file."""
    return [pytest.param(words, id=" ".join(words)) for words in dict(FORMS)]


def only_line(shown: Captured) -> str:
    """What was said, where that is one line on stderr and nothing on stdout."""
    out, err = shown.readouterr()
    assert out == ""
    assert err.startswith("otterize: ")
    assert err.count("\n") == 1, err
    assert err.removesuffix("\n").isprintable()
    return err.removeprefix("otterize: ").removesuffix("\n")


@pytest.mark.parametrize("width", [NARROWEST, 57, WIDEST])
@pytest.mark.parametrize("words", [pytest.param(w, id=" ".join(w) or "otterize") for w in COMMANDS])
def test_help_fits_and_is_whole(
    words: Words, width: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any width no line is longer, and nothing of any text is missing."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert run_here(*words, "--help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s", "", text)
    command = COMMANDS[words]
    inner = [each.help.split("\n\n")[0] for each in getattr(command, "commands", {}).values()]
    for said in (command.help, *(each.help for each in command.params), *inner):
        assert re.sub(r"\s", "", said) in squeezed


@pytest.mark.parametrize(("words", "option"), VALUES)
def test_values_are_named_in_words(words: Words, option: Any) -> None:  # noqa: ANN401
    """A value's name is a word of ours, not a type of Python's."""
    name = value_name(option)
    assert re.fullmatch(r"[A-Z][A-Z]*([./=][A-Z]+)*", name), (words, name)
    assert name not in {"STR", "TEXT", "PATH", "INTEGER", "OUTPUT", "KUBECONFIG"}


@pytest.mark.parametrize("words", readers())
def test_usage_says_what_may_be_repeated_and_left_out(words: Words, capsys: Captured) -> None:
    """`[CAPTURE]...` is what a shell user reads so."""
    run_here(*words, "--help")
    usage = capsys.readouterr().out.split("\n\n")[0]
    if all(each.nargs == 1 for each in READERS[words].params):
        assert "..." not in usage
        return
    assert re.search(r"(\[[A-Z]+\]|\b[A-Z]+)\.\.\.", usage), usage


@pytest.mark.parametrize("words", [pytest.param(w, id=" ".join(w) or "otterize") for w in COMMANDS])
def test_unknown_option_is_one_line(words: Words, capsys: Captured) -> None:
    """It says the option, the command, and which was perhaps meant."""
    assert run_here(*words, "--hepl") == 2
    assert only_line(capsys).startswith(
        f"--hepl is no option of `{' '.join(('otterize', *words))}`"
    )


@pytest.mark.parametrize(
    "words", [pytest.param(w, id=" ".join(w)) for w in COMMANDS if hasattr(COMMANDS[w], "commands")]
)
def test_unknown_command_is_one_line(words: Words, capsys: Captured) -> None:
    """It says those that there are."""
    assert run_here(*words, "bogus\x1b[31m") == 2
    line = only_line(capsys)
    assert line.startswith("bogus\\x1b[31m is no command of ")
    assert all(name in line for name in COMMANDS[words].commands)


@pytest.mark.parametrize(("words", "option"), VALUES)
def test_option_without_its_value_is_one_line(
    words: Words,
    option: Any,  # noqa: ANN401
    capsys: Captured,
) -> None:
    """It says the option and the word for the value."""
    assert run_here(*words, name(option)) == 2
    assert only_line(capsys).startswith(
        f"{name(option)} needs a value; write {name(option)} {value_name(option)}"
    )


@pytest.mark.parametrize(("words", "option"), FLAGS)
def test_flag_with_a_value_is_one_line(
    words: Words,
    option: Any,  # noqa: ANN401
    capsys: Captured,
) -> None:
    """It says the flag."""
    assert run_here(*words, f"{name(option)}=yes") == 2
    assert only_line(capsys) == f"{name(option)} takes no value"


@pytest.mark.parametrize("value", ["", "no\nsuch", "9" * 300])
@pytest.mark.parametrize(("words", "option"), BOUNDED)
def test_value_that_is_not_allowed_is_one_line(
    words: Words,
    option: Any,  # noqa: ANN401
    value: str,
    capsys: Captured,
    tmp_path: Path,
) -> None:
    """It says the option, the value, and what is allowed."""
    line = call(words, output=tmp_path / "out") if words in READERS else list(words)
    assert run_here(*line, f"{name(option)}={value}") == 2
    said = only_line(capsys)
    assert said.startswith(f"{name(option)} ")
    assert value[:50].replace("\n", "\\n") in said
    assert "expected " in said


@pytest.mark.parametrize("words", readers())
def test_what_is_missing_is_one_line(words: Words, capsys: Captured) -> None:
    """Without an argument that it needs, a command says which, and how it is called."""
    needed = [each for each in READERS[words].params if each.required]
    if not needed:
        pytest.skip("nothing is required: the newest capture is read")
    assert run_here(*words) == 2
    assert f" is missing; write otterize {' '.join(words)} [OPTIONS]" in only_line(capsys)


@pytest.mark.parametrize("absent", ["gone", "go\x1b[31m\nne", "go\udcffne"])
@pytest.mark.parametrize(("words", "param"), PATHS)
def test_path_that_is_not_there_is_said_first(
    words: Words,
    param: Any,  # noqa: ANN401
    absent: str,
    capsys: Captured,
    tmp_path: Path,
) -> None:
    """Whatever is wrong with the other paths, and before any of them is opened."""
    other, gone = tmp_path / "no-capture", tmp_path / absent
    other.write_text("nothing that any command reads")
    line = call(words, other, tmp_path / "out")
    if param.param_type_name == "argument":
        at = [each for each in READERS[words].params if each.param_type_name == "argument"]
        line[len(words) + at.index(param)] = str(gone)
    else:
        line += [name(param), str(gone)]
    assert run_here(*line) == 3
    said = only_line(capsys)
    escaped = absent.replace("\x1b", "\\x1b").replace("\n", "\\n").replace("\udcff", "\\xff")
    assert said == (
        f"{tmp_path / escaped}: there is no such file or directory; check the path and its "
        "permissions"
    )


@pytest.mark.parametrize(("words", "form"), each_form())
def test_form_follows_the_suffix(words: Words, form: str, capsys: Captured, tmp_path: Path) -> None:
    """A file of its suffix has a form without `--format`, where the suffix is for it first."""
    fitting = [suffix for suffix, forms in SUFFIXES.items() if form in forms]
    line = call(words)
    for suffix in fitting:
        run_here(*line, "--format", form)
        shown = capsys.readouterr().out
        path = tmp_path / f"out{suffix}"
        first = next(each for each in SUFFIXES[suffix] if (words, each) in FORMS)
        run_here(*line, "-o", str(path), *([] if first == form else ["--format", form]))
        assert path.read_bytes().decode() == shown


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".pdf"])
@pytest.mark.parametrize("words", with_output())
def test_suffix_of_another_form_is_refused(
    words: Words, suffix: str, capsys: Captured, tmp_path: Path
) -> None:
    """A contradiction is told before anything is read or written; so is what nobody writes."""
    forms = [form for each, form in FORMS if each == words]
    path = tmp_path / f"out{suffix}"
    broken = tmp_path / "broken"
    broken.touch()
    fits = set(SUFFIXES.get(suffix, ())) & set(forms)
    for form in forms:
        if form not in fits:
            assert run_here(*call(words, broken), "--format", form, "-o", str(path)) == 2
            assert f"out{suffix}" in only_line(capsys)
    if not fits:
        assert run_here(*call(words, broken), "-o", str(path)) == 2
        assert f"out{suffix}" in only_line(capsys)
    assert not path.exists()


@pytest.mark.parametrize(("words", "form"), each_form())
def test_output_named_as_a_form_is_refused(words: Words, form: str, capsys: Captured) -> None:
    """`-o sarif` is kubectl's habit; a file that is named instead has that form."""
    assert run_here(*call(words), "-o", form) == 2
    line = only_line(capsys)
    assert line.startswith(f"-o names a file; did you mean --format {form}?")
    _, named, suffix = line.strip().removesuffix(")").partition("(or -o out")
    if named:
        assert form == next(each for each in SUFFIXES[suffix] if (words, each) in FORMS)


@pytest.mark.parametrize("words", with_output())
def test_word_of_kubectl_is_refused(words: Words, capsys: Captured) -> None:
    """Also where no form is called so."""
    assert run_here(*call(words), "-o", "wide") == 2
    assert only_line(capsys).startswith("-o names a file; ")


def test_readers_are_found() -> None:
    """The tree holds the commands that it did when this was written."""
    known = {("intents", "list"), ("intents", "export"), ("diff",), ("check",), ("explain",)}
    known |= {("graph",), ("connections",), ("snapshot", "inspect"), ("anonymise",)}
    assert known <= set(READERS)
    assert CAPTURE.is_dir()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(("intents", "list", "-q", "-v"), id="-q -v"),
        pytest.param(("connections", "-q", "-v"), id="connections -q -v"),
        pytest.param(("intents", "list", "--wide", "--format", "json"), id="--wide json"),
        pytest.param(("graph", "--server", "a.b", "-n", "c"), id="--server -n"),
        pytest.param(("check", "--allow", "x", "-n", "a", "--exclude-namespaces", "a,b"), id="-n"),
        pytest.param(("intents", "list", "--pods", "--owner", "root"), id="--pods --owner"),
        pytest.param(("connections", "--legs", "-n", "shop"), id="--legs -n"),
        pytest.param(("diff", "x", "x", "--changes-only", "-o", "a.json"), id="--changes-only"),
        pytest.param(("explain", "a", "b", "--last", "5m", "--to", "x"), id="--last --to"),
    ],
)
def test_contradiction_is_told_before_anything_is_read(
    line: tuple[str, ...], capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no capture here, and the line is refused for what is wrong with it."""
    monkeypatch.chdir(tmp_path)
    Path("x").touch()
    assert run_here(*line) == 2
    assert "no CAPTURE given" not in only_line(capsys)


HOSTILE = "cap\x1b[31m\n::error::x"


@pytest.mark.parametrize("words", readers())
def test_hostile_path_moves_no_cursor(words: Words, capsys: Captured, tmp_path: Path) -> None:
    """A capture may be called anything; what is said of it is lines that can be printed."""
    path = tmp_path / HOSTILE
    path.symlink_to(CAPTURE)
    run_here(*call(words, path, tmp_path / "out"))
    shown = capsys.readouterr()
    assert shown.out or shown.err
    for line in (*shown.out.split("\n"), *shown.err.split("\n")):
        assert line.isprintable(), line
        assert not line.startswith("::")


@pytest.mark.parametrize("words", readers())
def test_file_that_is_no_capture_is_named(words: Words, capsys: Captured, tmp_path: Path) -> None:
    """What people have beside captures, given in a capture's place: it is said what it is."""
    kinds = {
        "p.png": (b"\x89PNG\r\n\x1a\n\0\0", "PNG"),
        "h.html": (b"<!doctype html><title>x</title>", "HTML"),
        "l.json": (b'{"kind": "PodList", "items": []}', "Kubernetes"),
    }
    if words not in PACKET_READERS:
        pytest.skip("it reads documents: their readers say what they are not")
    for name, (content, said) in kinds.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert run_here(*call(words, path, tmp_path / "out")) == 3
        assert said in only_line(capsys)


PACKET_READERS = {("intents", "list"), ("intents", "export"), ("explain",), ("connections",)}
PACKET_READERS |= {("graph",), ("anonymise",)}
