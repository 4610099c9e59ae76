"""Objects out of several documents: each with all its states, whatever the order they came in.

Somebody who saves a cluster's objects before and after a capture has two states of most of them.
Both count, each for its time.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from otterize_pcap.api_groups import group_of, written_kind
from otterize_pcap.snapshot.object_fields import uid_of
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE, Item, PodItem
from otterize_pcap.snapshot.pod_hold import FINAL_PHASES, latest_time
from otterize_pcap.snapshot.snapshot import Pod

T = TypeVar("T", bound=Item)
Key = tuple[str, str, str, str]


class ObjectStates:
    """All states of all objects, by kind, namespace, name and uid."""

    def __init__(self) -> None:
        # Nearly all objects have one state; a snapshot can hold hundreds of thousands.
        self._first: dict[Key, Item] = {}
        self._more: dict[Key, list[Item]] = {}
        # Pod's uid → the lists that have it, namespace → the lists with pods of it, a bit a list.
        self._lists: dict[str, int] = {}
        self._namespaces: dict[str, int] = {}
        self._views: dict[str, int] = {}

    def add(self, item: Item, view: str | None) -> None:
        """Take one state of an object in, out of a list that goes by this name, if of any."""
        meta = item.metadata
        if isinstance(item, PodItem) and view is not None:
            bit = 1 << self._views.setdefault(view, len(self._views))
            namespace = meta.namespace or DEFAULT_NAMESPACE
            self._lists[uid_of(item)] = self._lists.get(uid_of(item), 0) | bit
            self._namespaces[namespace] = self._namespaces.get(namespace, 0) | bit
        key = (_kind_of(item), meta.namespace or "", meta.name, meta.uid)
        known = self._first.setdefault(key, item)
        if known is not item and known != item:
            more = self._more.setdefault(key, [])
            if item not in more:
                more.append(item)

    def outlived(self, pod: Pod, other: Pod) -> bool:
        """Whether lists with pods of a pod's namespace have another pod, and none has both."""
        own, others = self._lists.get(pod.uid, 0), self._lists.get(other.uid, 0)
        return not own & others and bool(others & self._namespaces.get(pod.namespace, 0))

    def correct(self, corrected: Callable[[Item], Item | None]) -> None:
        """Replace every state by what is left of it; an object of which nothing is left goes."""
        for key, first in list(self._first.items()):
            states = [corrected(state) for state in (first, *self._more.pop(key, ()))]
            known = list(filter(None, states))
            if not known:
                del self._first[key]
                continue
            self._first[key] = known[0]
            if known[1:]:
                self._more[key] = known[1:]

    def counts(self) -> dict[str, int]:
        """How many objects there are of each kind, sorted."""
        found: dict[str, int] = {}
        for kind in sorted(kind for kind, *_ in self._first):
            found[kind] = found.get(kind, 0) + 1
        return found

    def of_type(self, kind: type[T], where: str) -> Iterator[tuple[T, ...]]:
        """The objects of one type, in an order of their own, each with its states by age."""
        keys = sorted(key for key, first in self._first.items() if isinstance(first, kind))
        for key in keys:
            states = (state for state in self._of(key, where) if isinstance(state, kind))
            yield tuple(states)

    def newest(self, where: str) -> Iterator[Item]:
        """The newest state of each object, in any order."""
        for key in self._first:
            yield self._of(key, where)[-1]

    def _of(self, key: Key, where: str) -> list[Item]:
        more = self._more.get(key)
        if more is None:
            return [self._first[key]]
        return sorted((self._first[key], *more), key=lambda state: _age(state, where))


def _kind_of(item: Item) -> str:
    """The kind, with its group where it only reads like one of Kubernetes' own (S7)."""
    return written_kind(item.kind, group_of(item.apiVersion))


def _age(state: Item, where: str) -> tuple[int, bool, int, bytes]:
    """Puts the states of one object in order: by version, else by what they say, else anyhow.

    `resourceVersion` counts up (Kubernetes API concepts, "Resource versions"). A pod that is over
    never runs again.
    """
    version = state.metadata.resourceVersion
    number = int(version) if version.isascii() and version.isdigit() else -1
    over, latest = False, 0
    if isinstance(state, PodItem):
        over = state.status is not None and state.status.phase in FINAL_PHASES
        latest = latest_time(state, where)
    return number, over, latest, msgspec.json.encode(state)
