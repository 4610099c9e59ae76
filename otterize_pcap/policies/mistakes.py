"""What policies probably do not mean: found by what the cluster has, in all snapshots alike."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from otterize_pcap.compare.findings import Rule
from otterize_pcap.policies.action_rule import (
    ActionPeer,
    AnyPolicy,
    AnyRule,
    EndpointPeer,
    rules_of_policy,
)
from otterize_pcap.policies.cilium_identity import (
    LEFT_OUT,
    RESERVED,
    is_namespace_label,
    is_pod_label,
    split_key,
)
from otterize_pcap.policies.network_policy import (
    ANY_PROTOCOL,
    EGRESS,
    INGRESS,
    PROTOCOLS,
    LabelSelector,
    Peer,
    PolicyPort,
)
from otterize_pcap.policies.pod_finder import PodFinder
from otterize_pcap.policies.policy_rules import (
    LEFT_OUT_LABEL,
    NO_NAMESPACE,
    NO_PEER_POD,
    NO_PORT_NAME,
    SERVICE_PORT,
    Remark,
    name_of,
)
from otterize_pcap.policies.rule_text import selector_text
from otterize_pcap.policies.usage import RulePart, Usage
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

ServicePort = tuple[str, int]


class _Front(Struct, frozen=True):
    """A Service's port that leads to another one of a pod."""

    service: str
    target: int


class _World:
    """One snapshot, as mistakes are looked for in it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.pods = PodFinder(snapshot)
        self._snapshot = snapshot
        self._fronts: dict[bytes, dict[ServicePort, _Front]] | None = None

    def front(self, pod: Pod, port: ServicePort) -> _Front | None:
        """The Service of a pod that has a port which the pod itself has elsewhere."""
        for address in pod.addresses:
            found = self._of(address).get(port)
            if found is not None:
                return found
        return None

    def _of(self, address: bytes) -> Mapping[ServicePort, _Front]:
        if self._fronts is None:
            self._fronts = defaultdict(dict)
            for service in self._snapshot.services:
                name = f"{service.namespace}/{service.name}"
                for port, backends in service.backends.items():
                    for backend in backends:
                        if backend.port not in (None, port[1]):
                            front = _Front(name, backend.port or 0)
                            self._fronts[backend.address].setdefault(port, front)
        return self._fronts.get(address, {})


class _PeerSeen(Struct):
    """What the snapshots looked at so far have of one peer.

    `is_told` says that all of them hold the labels of namespaces; `elsewhere` are the namespaces
    of pods that it would mean, were they of its policy's.
    """

    peer: ActionPeer
    is_told: bool = True
    has_namespace: bool = False
    has_pod: bool = False
    elsewhere: set[str] = field(default_factory=set)

    def look_at(self, world: _World, own: str) -> None:
        """Look at one snapshot more."""
        peer, pods = self.peer, world.pods
        self.is_told = self.is_told and pods.labels.is_recorded
        if isinstance(peer, Peer) and peer.namespace_selector is not None:
            if not pods.has_namespace(peer.namespace_selector):
                return
            self.has_namespace = True
        if self.has_pod or not _asks_for_pods(peer):
            return
        self.has_pod = any(True for _ in pods.meant(peer, own))
        if not self.has_pod and isinstance(peer, Peer) and peer.namespace_selector is None:
            selector = peer.pod_selector or LabelSelector()
            self.elsewhere.update(pod.namespace for pod in pods.having(selector))


class _PortSeen(Struct):
    """What the snapshots looked at so far have of one port, at the pods that its rule speaks of."""

    port: PolicyPort
    has_pods: bool = False
    is_there: bool = False
    fronts: dict[ServicePort, _Front] = field(default_factory=dict)

    def look_at(self, world: _World, pods: Sequence[Pod]) -> None:
        """Look at one snapshot more, in which the rule speaks of these pods."""
        self.has_pods = self.has_pods or bool(pods)
        number = self.port.port
        if number is None or self.is_there:
            return
        if isinstance(number, str):
            named = [(number, protocol) for protocol in self.protocols]
            self.is_there = any(each in pod.numbers for pod in pods for each in named)
            return
        asked = [(protocol, number) for protocol in self.protocols]
        self.is_there = any(each in pod.ports for pod in pods for each in asked)
        if self.is_there:
            return
        for each in asked:
            found = (world.front(pod, each) for pod in pods)
            front = self.fronts.get(each) or next(filter(None, found), None)
            if front is not None:
                self.fronts[each] = front

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that the port is of."""
        return PROTOCOLS if self.port.protocol == ANY_PROTOCOL else (self.port.protocol,)


class _RuleSeen(Struct, frozen=True):
    """A rule with what was seen of its peers and ports."""

    part: RulePart
    rule: AnyRule
    peers: tuple[_PeerSeen, ...]
    ports: tuple[_PortSeen, ...]

    @classmethod
    def of(cls, part: RulePart, rule: AnyRule) -> "_RuleSeen":
        """A rule of which nothing was seen yet."""
        return cls(part, rule, tuple(map(_PeerSeen, rule.peers)), tuple(map(_PortSeen, rule.ports)))

    def look_at(self, world: _World, usage: Usage) -> None:
        """Look at one snapshot more, and there at the ports that nothing used so far."""
        for peer in self.peers:
            peer.look_at(world, self.part.policy.namespace)
        if idle := list(self.idle(usage)):
            pods = list(_called(self.part, self.rule, world))
            for port in idle:
                port.look_at(world, pods)

    def idle(self, usage: Usage) -> Iterator[_PortSeen]:
        """The ports that nothing used."""
        for number, port in enumerate(self.ports):
            part = RulePart(self.part.policy, self.part.direction, self.part.rule, port=number)
            if not usage.is_used(part):
                yield port


class Mistakes:
    """Looks for them in one snapshot after another, of which it keeps nothing.

    `usage` says which ports were used in those that were looked at.
    """

    def __init__(self, policies: Iterable[AnyPolicy], usage: Usage) -> None:
        self._usage = usage
        self._rules = [
            _RuleSeen.of(RulePart(policy, direction, number), rule)
            for policy in policies
            for direction in (INGRESS, EGRESS)
            for number, rule in enumerate(rules_of_policy(policy, direction))
        ]

    def look_at(self, snapshot: Snapshot) -> None:
        """Look at one snapshot more."""
        world = _World(snapshot)
        for each in self._rules:
            each.look_at(world, self._usage)

    def remarks(self) -> Iterator[Remark]:
        """Remarks on policies, each with the line of its rule."""
        for each in self._rules:
            policy = each.part.policy
            for rule, text in _of_rule(each, self._usage):
                yield Remark(rule, name_of(policy), text, each.rule.place or policy.place)


def _asks_for_pods(peer: ActionPeer) -> bool:
    """Whether a peer means pods by their labels, and not all that there are."""
    if isinstance(peer, EndpointPeer):
        requirements = peer.selector.requirements
        return bool(requirements) and all(
            split_key(each.key)[0] != RESERVED for each in requirements
        )
    return isinstance(peer, Peer) and peer.pod_selector not in (None, LabelSelector())


def _of_rule(seen: _RuleSeen, usage: Usage) -> Iterator[tuple[Rule, str]]:
    for peer in seen.peers:
        if isinstance(peer.peer, EndpointPeer):
            yield from _of_endpoint(peer, peer.peer)
        elif isinstance(peer.peer, Peer):
            yield from _of_peer(peer, peer.peer, seen.part.policy.namespace)
    for port in seen.idle(usage):
        yield from _of_port(port)


def _of_endpoint(seen: _PeerSeen, peer: EndpointPeer) -> Iterator[tuple[Rule, str]]:
    """Labels by which Cilium knows no pod; and those that no pod has."""
    for requirement in peer.selector.requirements:
        source, name = split_key(requirement.key)
        if source == RESERVED:
            return
        if is_pod_label(requirement.key) and LEFT_OUT.match(name):
            yield LEFT_OUT_LABEL, f"Cilium knows no pod by {name}, unless it is told to"
            return
    asks_for_namespace = any(is_namespace_label(split_key(key)[1]) for key in peer.selector.keys)
    if asks_for_namespace and not seen.is_told:
        return
    if not peer.selector.requirements or seen.has_pod:
        return
    where = f" of {peer.namespace}" if peer.namespace else ""
    yield NO_PEER_POD, f"no pod{where} has {selector_text(peer.selector)}"


def _of_peer(seen: _PeerSeen, peer: Peer, own: str) -> Iterator[tuple[Rule, str]]:
    if peer.namespace_selector is not None:
        if not seen.is_told:
            return
        if not seen.has_namespace:
            yield NO_NAMESPACE, f"no namespace has {selector_text(peer.namespace_selector)}"
            return
    if not _asks_for_pods(peer) or seen.has_pod or peer.pod_selector is None:
        return
    text = selector_text(peer.pod_selector)
    if peer.namespace_selector is not None:
        yield NO_PEER_POD, f"no pod of such namespaces has {text}"
    elif seen.elsewhere:
        where = ", ".join(sorted(seen.elsewhere))
        yield (
            NO_PEER_POD,
            (
                f"no pod of {own} has {text}, but pods of {where} have: a podSelector alone means "
                "the policy's own namespace"
            ),
        )
    else:
        yield NO_PEER_POD, f"no pod of {own} has {text}"


def _called(part: RulePart, rule: AnyRule, world: _World) -> Iterator[Pod]:
    """The pods whose ports a rule speaks of, where it says which pods these are."""
    if part.direction == INGRESS:
        yield from world.pods.selected(part.policy)
    else:
        for peer in rule.peers:
            yield from world.pods.meant(peer, part.policy.namespace)


def _of_port(seen: _PortSeen) -> Iterator[tuple[Rule, str]]:
    port = seen.port
    if not seen.has_pods or seen.is_there or port.port is None or port.end_port is not None:
        return
    if isinstance(port.port, str):
        kind = "" if port.protocol == ANY_PROTOCOL else f"{port.protocol} "
        yield NO_PORT_NAME, f"no pod that it speaks of has a {kind}port {port.port!r}"
        return
    asked = ((protocol, port.port) for protocol in seen.protocols)
    front = next(filter(None, map(seen.fronts.get, asked)), None)
    if front is not None:
        yield (
            SERVICE_PORT,
            (
                f"{port.port} is the port of Service {front.service}; its pods have "
                f"{front.target}, which is what policies see"
            ),
        )
