"""What the parser refuses → one line that names the option, its value, and what is allowed.

The parser's own sentences are not used: they take several lines and change with its version. Its
exceptions are told apart by their attributes, since their classes are not public.
"""

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from otterize_pcap.cli.help_page import Parsed, allowed, usage_line, value_name
from otterize_pcap.errors import UsageError
from otterize_pcap.files.object_path import named_path
from otterize_pcap.files.opening import STDIN, path_text, require

NOT_READ = frozenset({"output", "key", "kubeconfig"})
"""Parameters whose paths need not be there, or are the Kubernetes client's to open."""
SHOWN = 80
"""Characters of a value that an error shows."""


def in_our_words(
    error: Parsed, command: Parsed, context: Parsed, arguments: Sequence[str]
) -> UsageError | None:
    """What a command line lacks, or has too much; None of an error that is not the parser's."""
    if not hasattr(error, "format_message"):
        return None
    path = context.command_path
    option = getattr(error, "option_name", None)
    param = getattr(error, "param", None)
    if option is not None and hasattr(error, "possibilities"):
        return UsageError(_no_option(option, command, path))
    if option is not None:
        return UsageError(_misused(option, command))
    if param is not None and hasattr(error, "param_type"):
        return UsageError(_missing(param, command, path))
    if param is not None:
        return UsageError(_refused(param, command, context, arguments))
    return UsageError(f"{path}: not understood; write {usage_line(command, path)}")


def extra(values: Iterable[str], command: Parsed, path: str) -> UsageError:
    """More arguments than a command takes."""
    given = ", ".join(map(shown, values))
    return UsageError(f"{given}: more than `{path}` takes; write {usage_line(command, path)}")


def no_command(word: str, group: Parsed, path: str) -> UsageError:
    """A word in place of a command of a group."""
    names = ", ".join(group.commands)
    return UsageError(
        f"{shown(word)} is no command of `{path}`{_meant(word, group.commands)}: {names}"
    )


def refuse_nan(params: Iterable[Parsed], values: dict[str, Any]) -> None:
    """See that a number is one: `nan` is neither below nor above any bound.

    Raises:
        UsageError: It is none.
    """
    for param in params:
        value = values.get(param.name)
        if isinstance(value, float) and isnan(value):
            message = f"{param.opts[-1]} nan: expected {allowed(param.type)}"
            raise UsageError(message)


def require_paths(params: Iterable[Parsed], values: dict[str, Any]) -> None:
    """See that every path to read is there, before anything else is done.

    Raises:
        InputError: One is not.
    """
    for param in params:
        may_be_url = param.type.name == named_path.__name__
        if param.name in NOT_READ or not (may_be_url or hasattr(param.type, "file_okay")):
            continue
        value = values.get(param.name)
        for path in value if isinstance(value, list | tuple) else [value]:
            if path is not None and Path(path) != STDIN:
                require(path if isinstance(path, Path) else Path(path))


def shown(value: object) -> str:
    """A value as an error shows it: not more of it than fits, and never nothing."""
    text = path_text(str(value))
    if not text or text != text.strip():
        return repr(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _no_option(option: str, command: Parsed, path: str) -> str:
    known = [name for each in command.params for name in (*each.opts, *each.secondary_opts)]
    names = [name for name in known if name.startswith("-")]
    known_as = f"{shown(option)} is no option of `{path}`{_meant(option, names)}"
    return f"{known_as}; `{path} --help` lists all"


def _misused(option: str, command: Parsed) -> str:
    """An option without its value, or a flag with one."""
    found = next((each for each in command.params if option in each.opts), None)
    if found is None or found.is_flag:
        return f"{shown(option)} takes no value"
    return f"{option} needs a value; write {option} {value_name(found)}{_of(found)}"


def _missing(param: Parsed, command: Parsed, path: str) -> str:
    """An argument or option that cannot be left out."""
    name, line = value_name(param), usage_line(command, path)
    if param.param_type_name != "argument":
        name = f"{param.opts[-1]} {name}"
        line += f" {name}"
    return f"{name} is missing; write {line}"


def _refused(param: Parsed, command: Parsed, context: Parsed, arguments: Sequence[str]) -> str:
    """A value of another kind than an option or argument takes."""
    name = value_name(param) if param.param_type_name == "argument" else param.opts[-1]
    value = _offending(param, command, context, arguments)
    choices = [str(choice) for choice in getattr(param.type, "choices", ())]
    meant = _meant(value, choices)
    return f"{name} {shown(value)}: expected {allowed(param.type) or 'another value'}{meant}"


def _offending(param: Parsed, command: Parsed, context: Parsed, arguments: Sequence[str]) -> str:
    """The first value given that a parameter's type does not take."""
    given, _, _ = command.make_parser(context).parse_args(args=list(arguments))
    values = given.get(param.name)
    for value in values if isinstance(values, list | tuple) else [values]:
        try:
            param.type.convert(value, param, context)
        except Exception:  # noqa: BLE001 - the parser's own, whose class is not public
            return str(value)
    return str(values)


def _of(param: Parsed) -> str:
    said = allowed(param.type)
    return f", {said}" if said else ""


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - 2 ms of every start

    close = get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""
