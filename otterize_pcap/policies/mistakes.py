"""What policies probably do not mean: found by what the cluster has, in all snapshots alike."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from otterize_pcap.compare.findings import Rule
from otterize_pcap.intents.places import Place
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


@dataclass(frozen=True, slots=True)
class _Front:
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


def find_mistakes(
    policies: Sequence[AnyPolicy], snapshots: Sequence[Snapshot], usage: Usage
) -> Iterator[Remark]:
    """Remarks on policies, each with the line of its rule."""
    worlds = [_World(snapshot) for snapshot in snapshots]
    for policy in policies:
        for direction in (INGRESS, EGRESS):
            for number, rule in enumerate(rules_of_policy(policy, direction)):
                part = RulePart(policy, direction, number)
                for remark in _of_rule(part, rule, worlds, usage):
                    yield Remark(remark[0], name_of(policy), remark[1], _place(rule, policy))


def _place(rule: AnyRule, policy: AnyPolicy) -> Place | None:
    return rule.place or policy.place


def _of_rule(
    part: RulePart, rule: AnyRule, worlds: Sequence[_World], usage: Usage
) -> Iterator[tuple[Rule, str]]:
    for peer in rule.peers:
        yield from _of_peer(peer, part.policy.namespace, worlds)
    idle = [
        port
        for number, port in enumerate(rule.ports)
        if not usage.is_used(RulePart(part.policy, part.direction, part.rule, port=number))
    ]
    called = [(world, list(_called(part, rule, world))) for world in worlds if idle]
    for port in idle:
        yield from _of_port(port, called)


def _of_endpoint(peer: EndpointPeer, worlds: Sequence[_World]) -> Iterator[tuple[Rule, str]]:
    """Labels by which Cilium knows no pod; and those that no pod has."""
    for requirement in peer.selector.requirements:
        source, name = split_key(requirement.key)
        if source == RESERVED:
            return
        if is_pod_label(requirement.key) and LEFT_OUT.match(name):
            yield LEFT_OUT_LABEL, f"Cilium knows no pod by {name}, unless it is told to"
            return
    asks_for_namespace = any(is_namespace_label(split_key(key)[1]) for key in peer.selector.keys)
    if asks_for_namespace and not all(world.pods.labels.is_recorded for world in worlds):
        return
    if not peer.selector.requirements or any(
        True for world in worlds for _ in world.pods.meant(peer, "")
    ):
        return
    where = f" of {peer.namespace}" if peer.namespace else ""
    yield NO_PEER_POD, f"no pod{where} has {selector_text(peer.selector)}"


def _of_peer(peer: ActionPeer, own: str, worlds: Sequence[_World]) -> Iterator[tuple[Rule, str]]:
    if isinstance(peer, EndpointPeer):
        yield from _of_endpoint(peer, worlds)
    if not isinstance(peer, Peer):
        return
    if peer.namespace_selector is not None:
        if not all(world.pods.labels.is_recorded for world in worlds):
            return
        if not any(world.pods.has_namespace(peer.namespace_selector) for world in worlds):
            yield NO_NAMESPACE, f"no namespace has {selector_text(peer.namespace_selector)}"
            return
    if peer.pod_selector is None or peer.pod_selector == LabelSelector():
        return
    if any(True for world in worlds for _ in world.pods.meant(peer, own)):
        return
    text = selector_text(peer.pod_selector)
    elsewhere = sorted(
        {pod.namespace for world in worlds for pod in world.pods.having(peer.pod_selector)}
    )
    if peer.namespace_selector is not None:
        yield NO_PEER_POD, f"no pod of such namespaces has {text}"
    elif elsewhere:
        where = ", ".join(elsewhere)
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


def _of_port(
    port: PolicyPort, called: Sequence[tuple[_World, Sequence[Pod]]]
) -> Iterator[tuple[Rule, str]]:
    pods = [pod for _, found in called for pod in found]
    if not pods or port.port is None or port.end_port is not None:
        return
    protocols = PROTOCOLS if port.protocol == ANY_PROTOCOL else (port.protocol,)
    if isinstance(port.port, str):
        name = port.port
        if not any((name, each) in pod.numbers for pod in pods for each in protocols):
            kind = "" if port.protocol == ANY_PROTOCOL else f"{port.protocol} "
            yield NO_PORT_NAME, f"no pod that it speaks of has a {kind}port {name!r}"
        return
    asked = [(protocol, port.port) for protocol in protocols]
    if any(each in pod.ports for pod in pods for each in asked):
        return
    fronts = (world.front(pod, each) for each in asked for world, found in called for pod in found)
    front = next((found for found in fronts if found is not None), None)
    if front is not None:
        yield (
            SERVICE_PORT,
            (
                f"{port.port} is the port of Service {front.service}; its pods have "
                f"{front.target}, which is what policies see"
            ),
        )
