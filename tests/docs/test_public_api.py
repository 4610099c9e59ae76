"""The public names are closed: whoever uses them meets no class of ours that is not one of them."""

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args, get_type_hints

import pytest

import otterize_pcap
from otterize_pcap.snapshot.snapshot import Snapshot

PUBLIC = {name: getattr(otterize_pcap, name) for name in otterize_pcap.__all__}


def annotations_of(thing: object) -> Iterator[object]:
    """What a user of a function or class reads in its annotations.

    Of a function its parameters and result; of a class its bases, fields, attributes, properties
    and methods that do not begin with an underscore.
    """
    if inspect.isfunction(thing):
        yield from get_type_hints(thing).values()
    if not isinstance(thing, type):
        return
    yield from thing.__bases__
    hints = get_type_hints(thing)
    yield from (hint for name, hint in hints.items() if not name.startswith("_"))
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        found: Callable[..., Any] | None = None
        if isinstance(member, property):
            found = member.fget
        elif isinstance(member, classmethod | staticmethod):
            found = member.__func__
        elif inspect.isfunction(member):
            found = member
        if found is not None:
            yield from get_type_hints(found).values()


def classes_in(annotation: object) -> Iterator[type]:
    """The classes that an annotation names, however deep."""
    if isinstance(annotation, type):
        yield annotation
    if isinstance(annotation, TypeVar):
        yield from classes_in(annotation.__bound__)
        for constraint in annotation.__constraints__:
            yield from classes_in(constraint)
    if isinstance(annotation, list):  # the parameters of a Callable
        for entry in annotation:
            yield from classes_in(entry)
    for argument in get_args(annotation):
        yield from classes_in(argument)


def reachable(names: dict[str, object]) -> set[type]:
    """Every class of this package that annotations lead to from some names."""
    found: set[type] = set()
    waiting: list[object] = list(names.values())
    while waiting:
        for annotation in annotations_of(waiting.pop()):
            for one in classes_in(annotation):
                if one.__module__.startswith("otterize_pcap") and one not in found:
                    found.add(one)
                    waiting.append(one)
    return found


def test_annotations_lead_to_public_classes_only() -> None:
    """Whatever a public function takes or gives, and what that holds, has a public name."""
    found = reachable(PUBLIC)
    assert found, "the walk finds nothing; is it broken?"
    private = {f"{one.__module__}.{one.__qualname__}" for one in found - set(PUBLIC.values())}
    assert sorted(private) == []


def test_walk_sees_what_is_not_public() -> None:
    """The same walk from a class of the inside finds the classes that it holds."""
    found = {one.__name__ for one in reachable({"Snapshot": Snapshot})}
    assert found == {
        "Pod", "OwnerReference", "Service", "ServicePort", "Backend", "Tenure", "Listener",
        "Interval",
        "NetworkPolicyItem", "Item", "Metadata", "NetworkPolicySpec", "NetworkPolicyIngressRule",
        "NetworkPolicyEgressRule", "NetworkPolicyPeer", "NetworkPolicyPort", "LabelSelector",
        "LabelSelectorRequirement", "IPBlock",
    }  # fmt: skip


def test_names_are_where_they_are_said_to_be() -> None:
    """Each name is at home where it was defined, and the lists of names hold the same."""
    assert sorted([*otterize_pcap._HOMES, "__version__"]) == otterize_pcap.__all__
    for name, home in otterize_pcap._HOMES.items():
        assert PUBLIC[name].__module__ == f"otterize_pcap.{home}"


@pytest.mark.parametrize("name", ["Row", "Snapshot", "map_capture"])
def test_inner_names_are_not_offered(name: str) -> None:
    """What resolution works on is no part of the library."""
    assert not hasattr(otterize_pcap, name)


def test_import_loads_nothing_else() -> None:
    """`import otterize_pcap` is cheap: a module is loaded when one of its names is asked for."""
    code = (
        "import sys, otterize_pcap; "
        "print(sorted(name for name in sys.modules if name.startswith('otterize_pcap')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['otterize_pcap', 'otterize_pcap.version']\n"
