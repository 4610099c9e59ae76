"""A command of the parser → its help, whole at any width from 40 columns on.

Nothing is cut off, values are named in words, and what a value may be stands with its option.
"""

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from inspect import cleandoc
from typing import Any

NARROWEST, WIDEST = 40, 80
BESIDE = 60
"""From so many columns on, descriptions stand beside names."""
LONGEST_NAME = 28
"""A longer name has its description below."""

Parsed = Any
"""Something of the parser's, whose classes are not public."""
Entries = Mapping[str, str]


def help_page(
    command: Parsed, path: str, params: Sequence[Parsed], width: int | None = None
) -> str:
    """The help of a command or group.

    Args:
        command: The command.
        path: How it was called, as `otterize intents list`.
        params: Its arguments and options, `--help` among them.
        width: Columns; those of the terminal, unless told otherwise.
    """
    columns = width or shutil.get_terminal_size().columns
    columns = max(NARROWEST, min(WIDEST, columns))
    shown = [param for param in params if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name != "argument"]
    commands = getattr(command, "commands", {})
    parts = [
        _filled(f"Usage: {usage_line(command, path)}", columns, "", "  "),
        *(_filled(text, columns, "  ", "  ") for text in _paragraphs(command.help or "")),
        *_section(
            "Arguments", {argument_name(each): described(each) for each in arguments}, columns
        ),
        *_section("Options", {_option_names(each): described(each) for each in options}, columns),
        *_section("Commands", {name: _first(each) for name, each in commands.items()}, columns),
    ]
    return "\n\n".join(parts)


def usage_line(command: Parsed, path: str) -> str:
    """What a command is given, in one line: what may be left out in brackets."""
    pieces = [argument_name(each) for each in command.params if each.param_type_name == "argument"]
    if getattr(command, "commands", None):
        pieces.append("[COMMAND]" if command.invoke_without_command else "COMMAND")
    return " ".join([path, "[OPTIONS]", *pieces])


def argument_name(argument: Parsed) -> str:
    """An argument in a usage line: in brackets where it may be left out, with dots if repeated."""
    name = value_name(argument)
    bracketed = name if argument.required else f"[{name}]"
    return bracketed if argument.nargs == 1 else f"{bracketed}..."


def value_name(param: Parsed) -> str:
    """The word for a value."""
    return str(param.metavar or param.name.strip("_").rpartition("_")[2].upper())


def _option_names(option: Parsed) -> str:
    names = ", ".join(sorted(option.opts, key=lambda name: len(name) - len(name.lstrip("-"))))
    return names if option.is_flag else f"{names} {value_name(option)}"


def described(param: Parsed) -> str:
    """What help says of an option or argument, with the values that it takes."""
    facts = [
        allowed(param.type),
        f"default: {default}" if (default := _default(param)) else "",
        "required" if param.required and param.param_type_name != "argument" else "",
    ]
    known = "; ".join(filter(None, facts))
    text = " ".join(cleandoc(param.help or "").split())
    return f"{text} [{known}]" if known else text


def allowed(kind: Parsed) -> str:
    """What values a type takes, in words; nothing where any text will do."""
    if hasattr(kind, "choices"):
        return f"one of {', '.join(map(str, kind.choices))}"
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if least is not None and most is not None:
        return f"a number from {least} to {most}"
    return ""


def _default(param: Parsed) -> str:
    shown, value = getattr(param, "show_default", False), param.default
    if isinstance(shown, str):
        return shown
    if not shown or value in (None, "", False) or not isinstance(value, str | int | float | Enum):
        return ""
    return str(value.value if isinstance(value, Enum) else value)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in cleandoc(text).split("\n\n"):
        if paragraph.strip():
            yield " ".join(paragraph.split())


def _first(command: Parsed) -> str:
    return next(_paragraphs(command.help or ""), "")


def _section(heading: str, entries: Entries, width: int) -> Iterator[str]:
    if entries:
        yield "\n".join([f"{heading}:", *_entries(entries, width)])


def _entries(entries: Entries, width: int) -> Iterator[str]:
    """Names with what is said of them beside, or below where there is no room."""
    beside = width >= BESIDE
    fitting = [len(name) for name in entries if len(name) <= LONGEST_NAME]
    column = max(fitting, default=LONGEST_NAME) + 4 if beside else 6
    for name, text in entries.items():
        if beside and len(name) <= column - 4:
            yield _filled(text, width, f"  {name}".ljust(column), " " * column)
        else:
            yield _filled(name, width, "  ", "      ")
            yield _filled(text, width, " " * column, " " * column)


def _filled(text: str, width: int, first: str, others: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=True,
    )
