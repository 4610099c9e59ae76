"""What can be said of one client and one server: values that text and JSON are made of."""

from msgspec import Struct


class End(Struct, frozen=True):
    """One end of a connection: its workload, and the pod that held the address.

    `held_from` and `held_until` are RFC 3339 times; None for an open end, and without a pod.
    """

    workload: str
    pod: str | None = None
    node: str | None = None
    held_from: str | None = None
    held_until: str | None = None
    inferred: str | None = None


class Recorded(Struct, frozen=True):
    """One recording of a connection: `file` and the `packet` it begins with, and the tunnels.

    `in_lines` where `packet` is a line: of a conntrack dump (S46), or of a flow log.
    """

    node: str
    file: str
    packet: int
    time: str
    tunnels: tuple[str, ...]
    in_lines: bool = False


class ChangeOfHands(Struct, frozen=True):
    """Packets show that an address got another pod (S12): after one time, and by the other."""

    address: str
    after: str
    by: str


class ExplainedConnection(Struct, frozen=True):
    """One connection and all that decided what became of it.

    `clients` and `servers` are `address:port`, each as NAT rewrote it on the way. `fate` is
    `resolved`, or why it is no call to show; `candidates` are the workloads it could have been.
    `rule` decided the direction; `rules_for` and `rules_against` are all that spoke for and against
    it where no handshake did, and for and against who sent first where `rule` is S36. `changes` are
    all that packets show of its ends' addresses.
    """

    fate: str
    protocol: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    rule: str
    rules_for: tuple[str, ...]
    rules_against: tuple[str, ...]
    joined_by: tuple[str, ...]
    outcome: str
    first: str
    last: str
    packets: tuple[int, int]
    bytes: tuple[int, int]
    services: tuple[str, ...]
    client: End | None
    server: End | None
    candidates: tuple[str, ...]
    recorded: tuple[Recorded, ...]
    changes: tuple[ChangeOfHands, ...] = ()


class ExplainedLookup(Struct, frozen=True):
    """DNS told the client the address of a Service that the server is behind (S42).

    The answer begins at `packet` of `file`, and went to the pod's address `to`.
    """

    name: str
    time: str
    to: str
    client: End
    file: str
    packet: int


class ExplainedRule(Struct, frozen=True):
    """A rule of a policy that selects a pod, where it is, and whether it means the call.

    Then it `allows` it, or `denies` it.
    """

    policy: str
    file: str | None
    line: int | None
    text: str
    allows: bool
    denies: bool = False


class ExplainedSide(Struct, frozen=True):
    """What one pod's filter makes of a call: `policies` isolate the pod, none where nothing does.

    `pod` is `NAMESPACE/NAME`; `reason` says what decided beside rules.
    """

    direction: str
    pod: str
    outcome: str
    reason: str
    policies: tuple[str, ...]
    rules: tuple[ExplainedRule, ...]


class ExplainedVerdict(Struct, frozen=True):
    """What policies make of a call from the one to the other, that was `observed` or could be."""

    observed: bool
    protocol: str
    port: int
    outcome: str
    reason: str
    sides: tuple[ExplainedSide, ...]


class Explanation(Struct, frozen=True):
    """What a capture says of one client and one server.

    `is_edge` tells whether the map shows it. `fates` count all connections that speak of the two;
    `connections` holds at most so many of them as were asked for, edges first, and `lookups` as
    many of the DNS answers, of which there were `looked_up`. `hints` say what to look at where
    there is no edge; `unknown` are the names asked about that mean nothing. `policies` are what
    policies make of calls between the two, where some were given.
    """

    client: str
    server: str
    is_edge: bool
    fates: tuple[tuple[str, int], ...]
    connections: tuple[ExplainedConnection, ...]
    hints: tuple[str, ...] = ()
    looked_up: int = 0
    lookups: tuple[ExplainedLookup, ...] = ()
    unknown: tuple[str, ...] = ()
    policies: tuple[ExplainedVerdict, ...] = ()
