"""YAML text → plain values, where the text may be hostile.

PyYAML's composer over libyaml recurses in C once a level, so that 200,000 brackets end the process;
and each alias stands for all that it names, so that a few lines may mean billions of values. Both
are counted in the events first, which needs neither recursion nor the values: a fifth more time.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

MAX_DEPTH = 100
"""Levels of values in one document; the deepest of Kubernetes' own types have some twenty."""
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_CORE = "tag:yaml.org,2002:"
TEXT, LIST, OBJECT = (_CORE + name for name in ("str", "seq", "map"))
ODD_NAMES = frozenset(_CORE + name for name in ("merge", "value"))
"""`<<` and `=`, which mean something of their own as names of fields."""
MAX_REPEATED = 1_000_000
"""Values that aliases may add to those that are written."""


class YamlError(ValueError):
    """A text that is no YAML, or means more than can be held; says why on one line."""


def load_documents(content: bytes) -> Iterator[Any]:
    """The documents of a YAML text, by the safe schema, through libyaml where PyYAML has it.

    Raises:
        YamlError: It is no YAML, too deep, refers to itself, or repeats too much; or it has a date
            or number that YAML's own rules recognise and Python cannot hold.
    """
    # PyYAML costs 18 ms to import, and most inputs are JSON.
    import yaml  # noqa: PLC0415

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _require_bounds(yaml.parse(content, Loader=loader))
        yield from yaml.load_all(content, Loader=loader)
    except YamlError:
        raise
    except yaml.YAMLError as error:
        raise YamlError(_reason(content, error)) from error
    except (ValueError, OverflowError) as error:
        raise YamlError(_unheld_reason(content)) from error


def compose_documents(content: bytes) -> Iterator[Any]:
    """The documents of a YAML text as PyYAML's nodes, which know their lines.

    Raises:
        YamlError: As `load_documents`, but for dates and numbers, which nodes leave as text.
    """
    import yaml  # noqa: PLC0415

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _require_bounds(yaml.parse(content, Loader=loader))
        yield from yaml.compose_all(content, Loader=loader)
    except yaml.YAMLError as error:
        raise YamlError(_reason(content, error)) from error


class LocatedObject(Struct, frozen=True):
    """One object of a document: its fields, and PyYAML's node, which knows where they stand."""

    fields: dict[str, Any]
    node: Any

    def line(self, *path: str | int) -> int:
        """The line, counted from 1, of a field or list entry; where it is absent, of what has it.

        Entries of a list are numbered, and the last of several fields of one name counts, as when
        it is loaded.
        """
        node = self.node
        for step in path:
            below = child_node(node, step)
            if below is None:
                break
            node = below
        return int(node.start_mark.line) + 1


def located_objects(content: bytes) -> Iterator[LocatedObject]:
    """All objects of a text, out of Lists, arrays and several documents.

    JSON is YAML, unless it is laid out in tabs. What is neither an object nor a list of
    them is an object without fields.

    Raises:
        YamlError: As `load_documents`.
    """
    import yaml  # noqa: PLC0415

    building = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(b"")
    for node in compose_documents(content):
        try:
            value = _value(node, building)
        except yaml.YAMLError as error:
            raise YamlError(_reason(content, error)) from error
        except (ValueError, OverflowError) as error:
            raise YamlError(_unheld_reason(content)) from error
        yield from _objects(value, node)


def _value(node: Any, building: Any) -> Any:  # noqa: ANN401 - PyYAML's node and loader
    """What a node stands for: PyYAML's own answer, in a third of its time where it is plain.

    The loader keeps a generator a mapping, for values within themselves; bounds refuse those.
    """
    if node is None:
        return None
    tag = node.tag
    if tag == TEXT and node.id == "scalar":
        return node.value
    if tag == LIST and node.id == "sequence":
        return [_value(each, building) for each in node.value]
    if tag == OBJECT and node.id == "mapping" and all(map(_is_plain, node.value)):
        return {_value(name, building): _value(value, building) for name, value in node.value}
    return building.construct_document(node)


def _is_plain(field: Any) -> bool:  # noqa: ANN401 - two of PyYAML's nodes
    """Whether a mapping's field has a name that is no more than that."""
    name, _ = field
    return name.id == "scalar" and str(name.tag) not in ODD_NAMES


def _objects(value: Any, node: Any) -> Iterator[LocatedObject]:  # noqa: ANN401
    if value is None:
        return
    if isinstance(value, list):
        for part, below in zip(value, node.value, strict=True):
            yield from _objects(part, below)
    elif not isinstance(value, dict):
        yield LocatedObject({}, node)
    elif str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        yield from _objects(value["items"], child_node(node, "items"))
    else:
        yield LocatedObject(value, node)


def child_node(node: Any, step: str | int) -> Any:  # noqa: ANN401 - PyYAML's nodes are not typed
    """The node of a field or of a list's entry; None where there is none."""
    if node is None:
        return None
    if node.id == "sequence":
        is_there = isinstance(step, int) and step < len(node.value)
        return node.value[step] if is_there else None
    if node.id != "mapping":
        return None
    # A field's name can be a number in YAML, and is its text in JSON.
    return next((value for name, value in reversed(node.value) if name.value == str(step)), None)


def _reason(content: bytes, error: Exception) -> str:
    """What PyYAML refused: by the class of its error, whose text is its own, and the place."""
    import yaml  # noqa: PLC0415

    if isinstance(error, yaml.reader.ReaderError):
        return f"a character that YAML does not allow, at position {error.position}"
    mark = getattr(error, "problem_mark", None)
    place = _place(mark)
    if mark is not None and _open_brackets(content, mark.index) > MAX_DEPTH:
        # libyaml 0.2.6 has a bound of its own, which its scanner may meet ahead of our events.
        return TOO_DEEP
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"a tag or key that plain data do not have{place}"
    return f"a syntax error{place}"


def _open_brackets(content: bytes, end: int) -> int:
    """Brackets that are open at a character, near enough to tell 100 of them from a few."""
    before = content.decode(errors="replace")[:end]
    return sum(map(before.count, "[{")) - sum(map(before.count, "]}"))


def _place(mark: Any) -> str:  # noqa: ANN401 - PyYAML's mark, where there is one
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"


def _unheld_reason(content: bytes) -> str:
    return f"a date or number that does not exist{_place(_unheld(content))}; quote it"


def _unheld(content: bytes) -> Any:  # noqa: ANN401 - PyYAML's mark
    """The mark of the first scalar that Python cannot hold, found by building each alone."""
    import yaml  # noqa: PLC0415

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    building = loader(b"")
    for document in yaml.compose_all(content, Loader=loader):
        for node in _scalars(document):
            try:
                building.construct_object(node)
            except (ValueError, OverflowError):
                return node.start_mark
            except yaml.YAMLError:
                continue
    return None


def _scalars(node: Any) -> Iterator[Any]:  # noqa: ANN401 - PyYAML's nodes
    """Every scalar below a node, in order; an alias's again each time."""
    match type(node).__name__:
        case "ScalarNode":
            yield node
        case "SequenceNode":
            for part in node.value:
                yield from _scalars(part)
        case "MappingNode":
            for key, value in node.value:
                yield from _scalars(key)
                yield from _scalars(value)


def _require_bounds(events: Iterator[Any]) -> None:
    """Refuse what would be too deep or too much, before a value is made of it."""
    extent = _Extent()
    for event in events:
        match type(event).__name__:
            case "MappingStartEvent" | "SequenceStartEvent":
                extent.begin(event.anchor)
            case "MappingEndEvent" | "SequenceEndEvent":
                extent.end()
            case "AliasEvent":
                extent.repeat(event.anchor)
            case "ScalarEvent":
                extent.begin(event.anchor)
                extent.end()
            case "DocumentStartEvent":
                extent = _Extent()


class _Extent:
    """How deep a document is at one place, and how many values each anchor names."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = [(None, 0)]
        self._repeated = 0

    def begin(self, anchor: str | None) -> None:
        if anchor:
            # Known when it ends; an alias before that would be inside of what it names.
            self._sizes.pop(anchor, None)
        self._open.append((anchor, 1))
        if len(self._open) > MAX_DEPTH + 1:
            raise YamlError(TOO_DEEP)

    def end(self) -> None:
        anchor, size = self._open.pop()
        self._add(size)
        if anchor:
            self._sizes[anchor] = size

    def repeat(self, anchor: str) -> None:
        if anchor not in self._sizes:
            message = f"the alias *{anchor} names nothing that was written whole before"
            raise YamlError(message)
        self._add(self._sizes[anchor])
        self._repeated += self._sizes[anchor]
        if self._repeated > MAX_REPEATED:
            message = f"aliases repeat more than {MAX_REPEATED:,} values"
            raise YamlError(message)

    def _add(self, size: int) -> None:
        anchor, known = self._open[-1]
        self._open[-1] = anchor, known + size
