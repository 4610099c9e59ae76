"""Files as repositories have them → policies, what is odd about them, and what else there was.

A folder that is applied to a cluster holds policies beside Deployments, values and templates; a
rendered chart is one stream of all kinds. Nothing of it is dropped without a count.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from otterize_pcap.api_groups import group_of, written_kind
from otterize_pcap.compare.findings import Rule
from otterize_pcap.errors import PolicyError
from otterize_pcap.intents.places import Place
from otterize_pcap.intents.sort_files import EMPTY, NO_KIND, NOT_PARSED, NamedFile
from otterize_pcap.json_errors import BROKEN, json_reason, unencodable
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.policy_kinds import POLICY_KINDS, PolicyKind
from otterize_pcap.policies.policy_rules import (
    INVALID,
    TWICE,
    PolicyName,
    Remark,
)
from otterize_pcap.policies.validate import (
    Path,
    Problem,
    path_text,
)
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE, Item
from otterize_pcap.yaml_documents import LocatedObject, YamlError, located_objects

KIND = "NetworkPolicy"


class PolicySet(Struct, frozen=True):
    """Policies by namespace and name, in order; remarks on them; all else, counted by kind.

    `unparsed` are the names of files in folders that could not be parsed, `homeless` how many
    policies name no namespace.
    """

    policies: tuple[AnyPolicy, ...] = ()
    remarks: tuple[Remark, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    unparsed: tuple[str, ...] = ()
    homeless: int = 0


def read_policies(files: Iterable[NamedFile], namespace: str = DEFAULT_NAMESPACE) -> PolicySet:
    """The policies of some files; `namespace` is where those that name none are applied.

    Raises:
        PolicyError: A file that was named is empty or broken, or one is that speaks of policies.
    """
    reader = _Reader(namespace)
    for file in files:
        reader.read(file)
    return reader.found()


class _Reader:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._policies: dict[PolicyName, tuple[AnyPolicy, ...]] = {}
        self._remarks: list[Remark] = []
        self._left_out: Counter[str] = Counter()
        self._unparsed: list[str] = []
        self._homeless = 0

    def found(self) -> PolicySet:
        """All that was read."""
        return PolicySet(
            tuple(each for name in sorted(self._policies) for each in self._policies[name]),
            tuple(self._remarks),
            self._left_out,
            tuple(self._unparsed),
            self._homeless,
        )

    def read(self, file: NamedFile) -> None:
        """Take one file in."""
        if not file.content.strip():
            if not file.in_folder:
                message = f"{file.name}: empty; expected network policies, YAML or JSON"
                raise PolicyError(message)
            self._left_out[EMPTY] += 1
            return
        try:
            objects = list(_objects(file))
        except YamlError as error:
            if not file.in_folder or KIND.encode() in file.content:
                message = (
                    f"{file.name}: neither JSON nor YAML ({error}); render templates first, "
                    "for example by `helm template`"
                )
                raise PolicyError(message) from error
            self._left_out[NOT_PARSED] += 1
            self._unparsed.append(file.name)
            return
        for found in objects:
            self._take(file.name, found)

    def _take(self, file: str, found: LocatedObject) -> None:
        kind, version = found.fields.get("kind"), found.fields.get("apiVersion")
        group = group_of(version if isinstance(version, str) else "")
        known = POLICY_KINDS.get((kind, group)) if isinstance(kind, str) else None
        if known is not None:
            self._take_policy(known, file, found)
        else:
            named = written_kind(kind, group) if isinstance(kind, str) and kind else NO_KIND
            self._left_out[named] += 1

    def _take_policy(self, kind: PolicyKind, file: str, found: LocatedObject) -> None:
        def locate(path: Path) -> Place:
            return Place(file, found.line(*path))

        name = self._name(kind, found.fields)

        def remark(rule: Rule, path: Path, text: str) -> None:
            self._remarks.append(Remark(rule, name, text, locate(path)))

        item, why = _item_of(kind, found.fields)
        refused: list[Problem] = [(_path_in(why), why)] if why else []
        if item is not None:
            refused += [
                (path, f"{path_text(path)}: {text}" if path else text)
                for path, text in kind.problems(item)
            ]
            if not item.metadata.name:
                refused.append((("metadata",), "metadata.name is missing"))
        for path, text in refused:
            remark(INVALID, path, text)
        if item is None or refused:
            return
        unknown = list(kind.unknown_fields(found.fields))
        for path in unknown:
            remark(kind.unknown_rule, path, f"{path_text(path)} {kind.unknown_text}")
        for rule, path, text in kind.slips(item):
            remark(rule, path, text)
        known = self._policies.get(name)
        if known and known[0].place is not None:
            remark(TWICE, (), f"it is at {known[0].place.file}:{known[0].place.line} as well")
        self._policies[name] = kind.policies(item, name.namespace, locate, unknown)

    def _name(self, kind: PolicyKind, fields: Mapping[str, Any]) -> PolicyName:
        metadata = fields.get("metadata")
        stated = metadata if isinstance(metadata, dict) else {}
        own = str(stated.get("name") or "")
        if not kind.is_namespaced:
            return PolicyName("", own, kind.kind)
        namespace = stated.get("namespace")
        if not namespace:
            self._homeless += 1
        return PolicyName(str(namespace or self._namespace), own, kind.kind)


def _objects(file: NamedFile) -> Iterator[LocatedObject]:
    """The objects of a file; JSON that is laid out in tabs is no YAML, and has no lines."""
    try:
        yield from located_objects(file.content)
    except YamlError:
        if file.content.lstrip()[:1] not in (b"{", b"["):
            raise
        try:
            value = msgspec.json.decode(file.content)
        except BROKEN:
            value = None
        if value is None:
            raise
        yield from located_objects(msgspec.json.encode(value))


def _item_of(kind: PolicyKind, fields: Mapping[str, Any]) -> tuple[Item | None, str]:
    """A policy's object, by its JSON form, as kubectl sends it; or why it is none."""
    try:
        document = msgspec.json.encode(fields)
    except (TypeError, ValueError, OverflowError):
        where = unencodable(fields).removeprefix("$").removeprefix(".")
        return None, f"{where or 'the policy'} has no JSON form; quote its keys, and its values"
    try:
        return msgspec.json.decode(document, type=kind.shape), ""
    except BROKEN:
        return None, json_reason(document, kind.shape).replace("$.", "", 1)


def _path_in(reason: str) -> Path:
    """The path that a reason begins with, as far as it can be told."""
    steps = re.findall(r"[^.\[\]]+", reason.partition(" ")[0])
    return tuple(int(step) if step.isdigit() else step for step in steps)
