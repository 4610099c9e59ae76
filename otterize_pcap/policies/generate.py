"""What captures show of workloads → NetworkPolicies, one a workload, where enough was seen."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import Network
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.intents.documents import object_names
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.policies.dns_needs import PROTOCOLS
from otterize_pcap.policies.joined_rules import joined_rules
from otterize_pcap.policies.needs import (
    AddressPeer,
    DnsPeer,
    Need,
    NeedPeer,
    PodsPeer,
    PublicPeer,
    Sighting,
    add_sightings,
    merge_needs,
    need_order,
)
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    NetworkPolicy,
    PolicyRule,
)
from otterize_pcap.policies.observation import Observation, PodFacts
from otterize_pcap.policies.policy_peers import PolicyPeers, is_public
from otterize_pcap.policies.policy_ports import is_range, rule_ports
from otterize_pcap.policies.selectors import Labels, NoSelector
from otterize_pcap.policies.sufficiency import judge
from otterize_pcap.policies.verdict import BOTH, NO_GATES, Gates, Reason, ReasonKind, Verdict
from otterize_pcap.policies.workload_policy import AllowedPeer, WorkloadPolicy
from otterize_pcap.snapshot.snapshot import ServedPort

MANAGED_BY = ("app.kubernetes.io/managed-by", "otterize-pcap")
PREFIX = "otterize-"
SYSTEM_NAMESPACES = frozenset(("kube-system", "kube-public", "kube-node-lease"))
"""Where a cluster's own workloads are: no policies without being asked."""


class Wanted(Struct, frozen=True):
    """What policies are asked for.

    `namespaces`: those of the workloads, all but `SYSTEM_NAMESPACES` where empty. `excluded` are
    names of workloads, or `name.namespace`, `excluded_namespaces` and `excluded_labels` (of any
    pod, a value of None is any) the same. `directions` are those to isolate at all. `node_ranges`
    is where nodes get addresses from, `names_ports` whether ports go by name wherever they can.
    `any_outside`: where a server outside was called, any public address may be, at that port.
    `for_cilium`: ranges mean neither pods nor nodes, so that none stands in for another rule.
    """

    namespaces: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    excluded_namespaces: frozenset[str] = frozenset()
    directions: tuple[str, ...] = BOTH
    gates: Gates = NO_GATES
    node_ranges: tuple[Network, ...] = ()
    names_ports: bool = False
    any_outside: bool = False
    for_cilium: bool = False


def make_policies(
    observations: Sequence[Observation], wanted: Wanted
) -> tuple[WorkloadPolicy, ...]:
    """A policy for each workload that is wanted, or why there is none; by namespace and name."""
    maker = _Maker(observations, wanted)
    return tuple(map(maker.make, maker.workloads()))


class _Maker:
    """Makes the policies of several captures."""

    def __init__(self, observations: Sequence[Observation], wanted: Wanted) -> None:
        self._observations = observations
        self._wanted = wanted
        self._peers = PolicyPeers(observations, wanted.node_ranges)
        self._needs: dict[Workload, dict[Need, Sighting]] = defaultdict(dict)
        for need, seen in merge_needs(one.needs for one in observations).items():
            self._needs[need.workload][need] = seen
        self._attempts: dict[Workload, dict[Need, Sighting]] = defaultdict(dict)
        for need, seen in merge_needs(one.attempts for one in observations).items():
            self._attempts[need.workload][need] = seen
        self._pods: dict[Workload, list[PodFacts]] = defaultdict(list)
        for one in observations:
            for workload, pods in one.pods.items():
                self._pods[workload] += pods
        self._dns_ports: dict[Workload, set[int]] = defaultdict(set)
        for one in observations:
            for workload, ports in one.dns_ports.items():
                self._dns_ports[workload] |= ports
        self._names = _policy_names(self._pods)

    def workloads(self) -> list[Workload]:
        """Those that are asked for, in order."""
        wanted = self._wanted
        found = [
            workload
            for workload in self._pods
            if workload.namespace not in wanted.excluded_namespaces
            and not wanted.excluded & {workload.name, full_name(workload)}
            and (
                workload.namespace in wanted.namespaces
                if wanted.namespaces
                else workload.namespace not in SYSTEM_NAMESPACES
            )
        ]
        return sorted(found, key=lambda each: (each.namespace, each.name, each.kind, each.group))

    def make(self, workload: Workload) -> WorkloadPolicy:
        """The policy of one workload."""
        needs = self._needs.get(workload, {})
        verdict = self._verdict(workload, needs)
        name = self._names[workload]
        directions = [each for each in verdict.directions if each in self._wanted.directions]
        selector = self._peers.selector(workload)
        if not directions or isinstance(selector, NoSelector):
            return WorkloadPolicy(workload, name, verdict)
        allowed = tuple(
            rule for direction in directions for rule in self._allowed(workload, direction, needs)
        )
        policy = NetworkPolicy(
            name=name,
            namespace=workload.namespace,
            pod_selector=selector,
            policy_types=frozenset(directions),
            ingress=tuple(each.rule for each in allowed if each.direction == INGRESS),
            egress=tuple(each.rule for each in allowed if each.direction == EGRESS),
            labels=(MANAGED_BY,),
        )
        return WorkloadPolicy(workload, name, verdict, selector, allowed, policy)

    def _verdict(self, workload: Workload, needs: Iterable[Need]) -> Verdict:
        attempts = self._only_attempted(workload, needs)
        verdict = judge(workload, self._observations, needs, self._wanted.gates, attempts)
        if self._peers.is_on_host(workload):
            text = "its pods are on their nodes' network, where no policy selects them"
            reason = Reason(ReasonKind.HOST_NETWORK, text, BOTH)
        else:
            selector = self._peers.selector(workload)
            if not isinstance(selector, NoSelector):
                return verdict
            reason = Reason(ReasonKind.SELECTOR, selector.reason, BOTH)
        return verdict.with_reason(reason)

    def _only_attempted(self, workload: Workload, needs: Iterable[Need]) -> dict[Need, Sighting]:
        """What a workload tried, and others with it, that its rules do not allow."""
        allowed = {replace(need, peer=self._written(need)) for need in needs}
        return {
            need: seen
            for need, seen in self._attempts.get(workload, {}).items()
            if replace(need, peer=self._written(need)) not in allowed
            and need.peer != DnsPeer()
            and need.port not in self._open_ports(workload, need.direction)
        }

    def _allowed(
        self, workload: Workload, direction: str, needs: dict[Need, Sighting]
    ) -> list[AllowedPeer]:
        """The rules of one direction, in order of their peers."""
        ports: dict[NeedPeer | None, set[ServedPort]] = defaultdict(set)
        seen: dict[NeedPeer | None, Sighting] = {}
        open_ports = self._open_ports(workload, direction)
        its = (need for need in needs if need.direction == direction)
        for need in sorted(its, key=need_order):
            peer = None if need.port in open_ports else self._written(need)
            ports[peer].add((need.protocol, need.port))
            known = seen.get(peer)
            seen[peer] = add_sightings(known, needs[need]) if known else needs[need]
        if direction == EGRESS:
            ports[DnsPeer()] |= self._dns_served()
        if open_ports:
            ports[None] |= {(way, port) for port in open_ports for way in PROTOCOLS}
        rules = (
            self._rule(workload, direction, peer, ports[peer], seen.get(peer))
            for peer in sorted(ports, key=_peer_order)
            # Without a peer a rule would be for everybody.
            if peer is None or self._peers.of(peer, workload.namespace)
        )
        return joined_rules(rules, self._labels_of, by_identity=self._wanted.for_cilium)

    def _labels_of(self, peer: NeedPeer) -> Sequence[Labels]:
        """The labels of each pod of a workload that is a peer."""
        its = self._filtered(peer.workload) if isinstance(peer, PodsPeer) else ()
        return [pod.labels for pod in its]

    def _written(self, need: Need) -> NeedPeer:
        """Whom the rule for a need is for."""
        is_open = self._wanted.any_outside and need.direction == EGRESS
        match need.peer:
            case AddressPeer(address) if is_open and is_public(address):
                return PublicPeer()
        return need.peer

    def _open_ports(self, workload: Workload, direction: str) -> Collection[int]:
        """Where whoever comes to the cluster next will call: the ports of its DNS."""
        return self._dns_ports.get(workload, ()) if direction == INGRESS else ()

    def _dns_served(self) -> set[ServedPort]:
        """Where the cluster's DNS is asked, by datagrams and, for what is long, by TCP."""
        ports = {port for ports in self._dns_ports.values() for port in ports} or {DNS_PORT}
        return {(protocol, port) for port in ports for protocol in PROTOCOLS}

    def _rule(
        self,
        workload: Workload,
        direction: str,
        peer: NeedPeer | None,
        ports: Collection[ServedPort],
        seen: Sighting | None,
    ) -> AllowedPeer:
        """The rule of one peer; None is everybody."""
        if direction == INGRESS:
            pods = self._filtered(workload)
        else:
            pods = self._filtered(peer.workload) if isinstance(peer, PodsPeer) else []
        written = rule_ports(ports, pods, by_name=self._wanted.names_ports)
        remarks = [self._peers.remark(peer)] if peer else []
        if any(map(is_range, written)):
            remarks.append("many ports that no pod declares were called: a range with all of them")
        if peer is None:
            return AllowedPeer(direction, (), PolicyRule((), written), seen)
        rule = PolicyRule(self._peers.of(peer, workload.namespace), written)
        return AllowedPeer(direction, (peer,), rule, seen, tuple(filter(None, remarks)))

    def _filtered(self, workload: Workload) -> list[PodFacts]:
        return [pod for pod in self._pods.get(workload, ()) if not pod.host_network]


def _policy_names(workloads: Iterable[Workload]) -> dict[Workload, str]:
    """The name of each workload's policy, no two alike in a namespace however long they are."""
    called = {
        replace(workload, name=f"{PREFIX}{workload.name}"): workload
        for workload in sorted(workloads)
    }
    names = object_names(tuple(called))
    return {workload: names[prefixed] for prefixed, workload in called.items()}


def _peer_order(peer: NeedPeer | None) -> tuple[object, ...]:
    """What puts peers in order, everybody last."""
    if peer is None:
        return (True,)
    return (False, *need_order(Need(Workload("", ""), "", peer, "", 0)))
