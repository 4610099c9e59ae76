"""`-o FILE` and `--format`: the form follows the file's suffix, and may not contradict it.

A suffix that no form has, such as `.txt`, says nothing.
"""

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TypeVar

from otterize_pcap.cli.usage_errors import shown
from otterize_pcap.errors import UsageError
from otterize_pcap.files.opening import path_text

Form = TypeVar("Form", bound=StrEnum)

# Which forms a file of a suffix may have, the usual one first.
SUFFIXES: dict[str, tuple[str, ...]] = {
    ".html": ("html",),
    ".htm": ("html",),
    ".svg": ("svg",),
    ".json": ("json", "graph", "sarif"),
    ".sarif": ("sarif",),
    ".md": ("markdown", "mermaid"),
    ".mmd": ("mermaid",),
    ".dot": ("dot",),
    ".gv": ("dot",),
    ".csv": ("csv",),
    ".yaml": ("yaml", "intents"),
    ".yml": ("yaml", "intents"),
    ".xml": ("junit",),
    ".prom": ("openmetrics",),
}
# Where a form is written that the command at hand does not write.
WRITTEN_BY = {
    "html": "otterize graph",
    "svg": "otterize graph",
    "dot": "otterize graph",
    "mermaid": "otterize graph",
    "yaml": "otterize intents export",
    "sarif": "otterize diff and otterize check",
    "markdown": "otterize diff and otterize check",
    "junit": "otterize diff and otterize check",
    "csv": "otterize intents list and otterize connections",
    "openmetrics": "otterize intents list",
}
# Pictures that others make of ours.
RASTER = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".ps"))
# What librsvg makes of SVG; Graphviz makes all of these of DOT.
BY_RSVG = frozenset(("png", "pdf", "ps"))
BY_SUFFIX = "{}, or as the suffix of -o says"
"""What help says of a form's default."""
# Forms, and what people of `kubectl` give to -o.
WORDS = frozenset(("wide", "name", "text", "github")).union(*SUFFIXES.values())


def chosen_form(given: Form | None, output: Path | None, default: Form) -> Form:
    """The form of a result: as `--format` says, or the file's suffix, or the command's own.

    Raises:
        UsageError: Both say something and contradict each other, the command has no form for the
            suffix, or the file is named as a form is.
    """
    kind = type(default)
    refuse_form_word(output, [str(form) for form in kind])
    if output is None or str(output) == "-":
        return given or default
    suffix = output.suffix.lower()
    if suffix in RASTER:
        raise UsageError(_raster(output, suffix))
    fitting = [kind(word) for word in SUFFIXES.get(suffix, ()) if word in list(kind)]
    if suffix not in SUFFIXES or given in fitting:
        return given or default
    if given is not None:
        message = (
            f"-o {shown(output)} and --format {given} contradict each other: {suffix} is for "
            f"{', '.join(SUFFIXES[suffix])}; drop --format, or name the file otherwise"
        )
        raise UsageError(message)
    if not fitting:
        word = SUFFIXES[suffix][0]
        where = f"; {WRITTEN_BY[word]} can" if word in WRITTEN_BY else ""
        message = f"-o {shown(output)}: this command writes no {word}{where}"
        raise UsageError(message)
    return fitting[0]


def refuse_form_word(output: Path | None, forms: list[str]) -> None:
    """See that `-o` names a file and not a form, as `-o` of kubectl does.

    Raises:
        UsageError: It names a form.
    """
    word = str(output)
    if word not in WORDS:
        return
    if word in forms:
        # A suffix of several forms means the first of them.
        suffix = next((each for each, of in SUFFIXES.items() if word == of[0]), None)
        named = f" (or -o out{suffix})" if suffix else ""
        message = f"-o names a file; did you mean --format {word}?{named}"
    elif word == "wide":
        message = "-o names a file; did you mean otterize intents list --wide?"
    else:
        message = f"-o names a file, and {word} is the word for a form; write -o ./{word}"
    raise UsageError(message)


def _raster(output: Path, suffix: str) -> str:
    kind, target = suffix.lstrip("."), quote(path_text(output))
    ways = [f"otterize graph CAPTURE | dot -T{kind} -o {target}"]
    if kind in BY_RSVG:
        ways.insert(0, f"otterize graph CAPTURE --format svg | rsvg-convert -f {kind} -o {target}")
    return (
        f"-o {shown(output)}: pictures are written as SVG or DOT, of which others make {kind}: "
        f"{', or '.join(ways)}"
    )
