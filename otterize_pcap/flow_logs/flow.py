"""What one record of a flow log says, in one form for all tools that write them.

A flow is what was seen one way: from `source` to `destination`, by one observer. Which of the two
called is said by the record itself (`client`), or found out in `connect_flows`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

from otterize_pcap.connections.rule import Rule
from otterize_pcap.table.rows import Endpoint

SOURCE, DESTINATION = 0, 1
RECORD, EVENT = "flow-log record ", "flow-log event: "
"""How reasons begin for which a record is left out; an event is never one of a connection."""


class Writer(StrEnum):
    """Whose flow log it is."""

    HUBBLE = "hubble"
    NETOBSERV = "netobserv"


class StandsFor(StrEnum):
    """What an end is that is no pod; `UNSAID` where the log says nothing of the kind."""

    UNSAID = ""
    NODE = "node"
    API_SERVER = "API server"
    WORLD = "world"
    OTHER_CLUSTER = "other cluster"


class Shows:
    """What the packets of one flow show of their connection (RFC 9293 3.1): bits of a number.

    `OPENS` a SYN alone, `ACCEPTS` a SYN with ACK, `ACKNOWLEDGES` an ACK without SYN, `GOES_ON` data
    or FIN, `CLOSES` FIN or RST, `RESETS` RST. `TALKS` is a message of the application. `DROPPED`:
    the packet did not arrive. `FLAGGED`: the record has TCP flags at all. (Plain numbers: enum's
    flags took a tenth of the time of reading a log.)
    """

    OPENS = 1
    ACCEPTS = 2
    ACKNOWLEDGES = 4
    GOES_ON = 8
    CLOSES = 16
    RESETS = 32
    TALKS = 64
    DROPPED = 128
    FLAGGED = 256


class LoggedEnd(Struct, frozen=True, order=True):
    """One end of a flow, and what the log calls it.

    `pod` is the pod's name in `namespace`, `owners` (kind, name) what made it, `node` where it ran;
    each empty where the log does not say. `service` is the `name.namespace` that the address is of,
    `names` are domain names of an address outside.
    """

    address: bytes
    port: int
    namespace: str = ""
    pod: str = ""
    owners: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    node: str = ""
    stands_for: StandsFor = StandsFor.UNSAID
    service: str = ""
    names: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Address and port."""
        return self.address, self.port


class Flow(Struct, frozen=True):
    """One record.

    `client` is `SOURCE` or `DESTINATION` where the record tells, by `rule`; else None. `shows` are
    bits of `Shows`. `packets` and `bytes` went from source to destination, 0 where the log does not
    count them. `view` names the observer: counts of two views are of the same packets. `line` is
    where it stands in `file`.
    """

    source: LoggedEnd
    destination: LoggedEnd
    protocol: int
    first_ns: int
    last_ns: int
    client: int | None
    rule: Rule
    shows: int
    node: str
    view: str
    file: str
    line: int
    packets: int = 0
    bytes: int = 0

    @property
    def ends(self) -> tuple[LoggedEnd, LoggedEnd]:
        """Source and destination."""
        return self.source, self.destination

    @property
    def turned(self) -> tuple[LoggedEnd, LoggedEnd]:
        """Destination and source."""
        return self.destination, self.source


class Translation(Struct, frozen=True):
    """A Service's address that a pod asked for, and what the socket was given in its place."""

    client: bytes
    service: str
    server: Endpoint
    protocol: int
    time_ns: int


class Answer(Struct, frozen=True):
    """A DNS answer: `client` was told that `name` has some addresses."""

    client: bytes
    name: str
    addresses: tuple[bytes, ...]
    time_ns: int


class LogRecords(Struct):
    """What the records of one file came to, while it is read.

    `passed_over` counts what is no flow of a connection, by reason; `odd` names some fields that
    were left out. `lost` are events that the writer says it lost, `unavailable` nodes it had no
    answer from, with the reason. `sampled` is one in how many packets were looked at, at most.
    """

    file: str
    writer: Writer
    records: int = 0
    flows: list[Flow] = field(default_factory=list)
    translations: list[Translation] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    passed_over: dict[str, int] = field(default_factory=dict)
    odd: dict[str, None] = field(default_factory=dict)
    lost: int = 0
    unavailable: dict[str, str] = field(default_factory=dict)
    sampled: int = 1
    first_ns: int | None = None
    last_ns: int | None = None
    damage: str | None = None

    def pass_over(self, reason: str) -> None:
        """Count a record that may be of a connection, and cannot be used."""
        self._count(f"{RECORD}{reason}")

    def pass_over_event(self, kind: str) -> None:
        """Count a record that is no flow."""
        self._count(f"{EVENT}{kind}")

    def pass_over_protocol(self) -> None:
        """Count a flow that is none of TCP, UDP or SCTP."""
        self._count("ICMP or an unknown protocol in a flow log")

    def _count(self, reason: str) -> None:
        self.passed_over[reason] = self.passed_over.get(reason, 0) + 1

    def note_time(self, *times: int) -> None:
        """Widen the time that the log is of."""
        for time in times:
            self.first_ns = time if self.first_ns is None else min(self.first_ns, time)
            self.last_ns = time if self.last_ns is None else max(self.last_ns, time)


class LogReader(Protocol):
    """Takes in the records of one file, in any order."""

    def read(self, record: dict[str, Any], line: int) -> None:
        """Take in one record."""

    def finish(self) -> None:
        """Put together what several records say."""


def owners_of(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(kind, name) of what made a pod, those that are named, in order."""
    return tuple(sorted({(kind, name) for kind, name in pairs if kind and name}))


def labels_of(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Labels as a value that can be compared."""
    return tuple(sorted(labels.items()))
