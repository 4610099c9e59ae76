"""List, then watch, all kinds of a snapshot for as long as a capture lasts.

One thread a kind: list in pages, watch from that version, and begin again wherever the server
says so (`410 Gone` as status or as ERROR event) or the connection breaks; after a new list, what
is missing from it was deleted in between. The states feed `AddressHistory`; objects stay in their
last seen state after their deletion, because the packets recorded before still need them.

Kubernetes API concepts, "Efficient detection of changes": bookmarks keep the version fresh.
"""

import random
import threading
import time
from functools import partial

import msgspec

from otterize_pcap.cluster.api.client import Cluster, Json, retried
from otterize_pcap.cluster.api.line_stream import LineStream
from otterize_pcap.cluster.api.refusals import ApiRefusedError, ApiUnreachableError
from otterize_pcap.cluster.api.waiting import side_by_side
from otterize_pcap.cluster.labels import CAPTURE_NAME, NAME_LABEL
from otterize_pcap.cluster.snapshot.address_history import AddressHistory, stamp_of
from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.errors import ClusterError
from otterize_pcap.json_errors import BROKEN
from otterize_pcap.snapshot.kinds import KINDS, Kind
from otterize_pcap.threads import ADVICE, begin_thread

GONE = 410
#: Bookmarks come about once a minute: a stream silent for longer is broken without knowing.
SILENCE_S = 90.0
LISTERS = 5
LAST_LIST_S = 15.0
#: Of these what counts is what there is in the end; all others may have had a share in the traffic.
FORGOTTEN = frozenset({"NetworkPolicy"})


class SnapshotWatch:
    """The state of a cluster over a stretch of time.

    `start` returns when every kind was listed once; `stop` when the watches have ended.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._objects: dict[tuple[str, str], Json] = {}
        self._history = AddressHistory()
        self._watches = [_KindWatch(cluster, kind, self) for kind in KINDS]
        self._threads: list[threading.Thread] = []
        self.started = ""
        self.ended = ""
        self.unreadable: list[str] = []

    def start(self, *, watch: bool = True) -> None:
        """List everything; with `watch`, go on watching in the background.

        Raises:
            ClusterError: A kind without which there is no snapshot cannot be listed, or there is no
                thread to watch one with.
        """
        self.started = self.now()
        tries = (partial(self._list_first, kind_watch) for kind_watch in self._watches)
        for kind_watch, trouble in zip(self._watches, side_by_side(tries, LISTERS), strict=True):
            if trouble is not None:
                self.unreadable.append(trouble)
            elif watch:
                self._begin(kind_watch)
        self.ended = self.now()

    def _begin(self, kind_watch: "_KindWatch") -> None:
        thread = begin_thread(kind_watch.run, name=f"watch-{kind_watch.kind.plural}")
        if thread is None:
            self._stopping.set()
            message = (
                f"watching the cluster takes {len(self._watches)} threads, and no more than "
                f"{len(self._threads)} can be begun; {ADVICE}"
            )
            raise ClusterError(message)
        self._threads.append(thread)

    def stop(self) -> None:
        """End all watches; kinds whose watch was broken at this moment are listed once more."""
        if not self._threads:
            return
        self._stopping.set()
        for kind_watch in self._watches:
            kind_watch.end()
        deadline = time.monotonic() + LAST_LIST_S
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        self.ended = self.now()

    def _list_first(self, kind_watch: "_KindWatch") -> str | None:
        """List a kind; returns why it cannot be, where the snapshot is of use without it."""
        try:
            kind_watch.list_first()
        except ApiRefusedError as error:
            if kind_watch.kind.required:
                raise
            # Owners that cannot be read degrade to their names (S3).
            return f"{kind_watch.kind.plural}: {error}"
        return None

    def now(self) -> str:
        """The API server's time."""
        return stamp_of(self._cluster.clock.now())

    @property
    def stopping(self) -> threading.Event:
        """Set when the watches are to end."""
        return self._stopping

    def objects(self) -> list[Json]:
        """Every object in its last seen state, sorted."""
        with self._lock:
            found = list(self._objects.values())
        return sorted(found, key=_sort_key)

    def add_owner(self, owner: Json) -> None:
        """Add an owner of a kind that is not watched."""
        with self._lock:
            self._objects[owner["kind"], owner["metadata"]["uid"]] = owner

    def document(self) -> bytes:
        """The snapshot file: a Kubernetes List, one object a line, and what was observed."""
        lines = b",\n".join(msgspec.json.encode(found) for found in self.objects())
        with self._lock:
            observed = b",\n".join(map(msgspec.json.encode, self._history.documents()))
        times = msgspec.json.encode(
            {"takenAt": self.started, "watchStart": self.started, "watchEnd": self.ended}
        )
        return (
            b'{"apiVersion":"v1","kind":"List","items":[\n'
            + lines
            + b'\n],"otterize":'
            + times[:-1]
            + b',"observed":[\n'
            + observed
            + b"\n]}}\n"
        )

    def saw(self, kind: Kind, found: Json, *, first_list: bool) -> None:
        """Take note of an object's state."""
        kept = kept_object(kind.kind, kind.api_version, found)
        if (kept["metadata"].get("labels") or {}).get(NAME_LABEL) == CAPTURE_NAME:
            return  # S26: our own Jobs and pods are no part of the picture
        with self._lock:
            self._objects[kind.kind, kept["metadata"]["uid"]] = kept
            self._history.saw(kept, self.now(), first_list=first_list)

    def gone(self, kind: Kind, uid: str, last: Json | None) -> None:
        """Take note of a deletion; `last` is the object's last state where it came along."""
        with self._lock:
            if kind.kind in FORGOTTEN:
                self._objects.pop((kind.kind, uid), None)
                return
            if last is not None and (kind.kind, uid) in self._objects:
                self._objects[kind.kind, uid] = kept_object(kind.kind, kind.api_version, last)
            known = self._objects.get((kind.kind, uid))
            if known is not None:
                self._history.gone(known, self.now())


class _KindWatch:
    """The list and watch of one kind."""

    def __init__(self, cluster: Cluster, kind: Kind, snapshot: SnapshotWatch) -> None:
        self.kind = kind
        self._cluster = cluster
        self._snapshot = snapshot
        self._version = ""
        self._present: set[str] = set()
        self._stream: LineStream | None = None
        #: The version is one that the server will go on from.
        self._synced = False
        #: The watch lasted until it was told to end, so that nothing was missed.
        self._unbroken = False

    def list_first(self) -> None:
        """The first list, repeated while the server is merely busy or away.

        Raises:
            ClusterError: It stays refused or unreachable.
        """
        retried(self._cluster.waiting.limit_s, self._cluster, self._list, True)

    def run(self) -> None:
        """Watch until told to stop, listing again where the watch cannot go on."""
        pause = 0.1
        stopping = self._snapshot.stopping
        while not stopping.is_set():
            try:
                if not self._synced:
                    self._list(self._cluster, first_list=False)
                self._watch()
                pause = 0.1
            except (ApiRefusedError, ApiUnreachableError) as error:
                if isinstance(error, ApiRefusedError) and error.status == GONE:
                    self._synced = False
                stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries
                pause = min(pause * 2, 5.0)
        self._last_list()

    def end(self) -> None:
        """Break off a watch that waits; called from another thread."""
        stream = self._stream
        if stream is not None:
            stream.close()

    def _last_list(self) -> None:
        """A kind out of step when the capture ends is listed once more, if the server allows."""
        deadline = time.monotonic() + LAST_LIST_S / 2
        while not self._unbroken and time.monotonic() < deadline:
            try:
                self._list(self._cluster, first_list=False)
            except (ApiRefusedError, ApiUnreachableError):
                time.sleep(0.2)
            else:
                return

    def _list(self, cluster: Cluster, first_list: bool) -> None:
        present: set[str] = set()
        version = ""
        for page in cluster.pages(self.kind.path):
            version = str(page["metadata"].get("resourceVersion"))
            for found in page.get("items") or ():
                present.add(found["metadata"]["uid"])
                self._snapshot.saw(self.kind, found, first_list=first_list)
        for uid in self._present - present:
            self._snapshot.gone(self.kind, uid, None)
        self._present = present
        self._version = version
        self._synced = True

    def _watch(self) -> None:
        lasting = random.randint(240, 300)  # noqa: S311 - spreads the watches' ends
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(lasting)),
        )
        self._stream = self._cluster.lines(self.kind.path, query, SILENCE_S)
        try:
            if self._snapshot.stopping.is_set():
                return  # opened too late for `end` to close it
            for line in self._stream:
                self._take(line)
        except ApiUnreachableError:
            if not self._snapshot.stopping.is_set():
                raise
        finally:
            self._stream.close()
            self._stream = None
        self._unbroken = self._snapshot.stopping.is_set()

    def _take(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line, type=Json)
        except BROKEN as error:
            message = f"watch of {self.kind.plural}: a broken event"
            raise ApiUnreachableError(message) from error
        found = event.get("object")
        if event.get("type") == "ERROR":
            # Whatever it was, a new list is right; 410 is the usual one.
            self._synced = False
            raise ApiRefusedError(GONE, "Expired", f"watch of {self.kind.plural}: ended")
        if not isinstance(found, dict) or "resourceVersion" not in found.get("metadata", {}):
            message = f"watch of {self.kind.plural}: a broken event"
            raise ApiUnreachableError(message)
        self._version = str(found["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            return
        uid = found["metadata"]["uid"]
        if event["type"] == "DELETED":
            self._present.discard(uid)
            self._snapshot.gone(self.kind, uid, found)
            return
        self._present.add(uid)
        self._snapshot.saw(self.kind, found, first_list=False)


def _sort_key(found: Json) -> tuple[str, str, str, str]:
    metadata = found["metadata"]
    return found["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"]
