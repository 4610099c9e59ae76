"""What the API server refuses in a NetworkPolicy, and fields that it does not know.

Source: Kubernetes, pkg/apis/networking/validation (ValidateNetworkPolicySpec), and apimachinery's
validation of label selectors and port names.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from otterize_pcap.addresses import AddressError, Network, parse_network
from otterize_pcap.policies.network_policy import (
    DOES_NOT_EXIST,
    EGRESS,
    EXISTS,
    IN,
    INGRESS,
    NOT_IN,
    OPERATORS,
    PROTOCOLS,
)
from otterize_pcap.snapshot.objects import LabelSelector
from otterize_pcap.snapshot.policy_objects import (
    IPBlock,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
"""Where in the object, and what is wrong there."""

HIGHEST_PORT = 65535
PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")


class RuleObject(Struct, frozen=True):
    """A rule as the object has it: `field` is how it calls its peers."""

    path: Path
    field: str
    peers: tuple[NetworkPolicyPeer, ...] | None
    ports: tuple[NetworkPolicyPort, ...] | None


def rules_of(spec: NetworkPolicySpec) -> Iterator[RuleObject]:
    """All rules of a policy, in order."""
    for at, ingress in enumerate(spec.ingress or ()):
        yield RuleObject(("spec", "ingress", at), "from", ingress.peers, ingress.ports)
    for at, egress in enumerate(spec.egress or ()):
        yield RuleObject(("spec", "egress", at), "to", egress.peers, egress.ports)


def path_text(path: Path) -> str:
    """A path as messages write it: `spec.ingress[0].from`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def problems_of(spec: NetworkPolicySpec) -> Iterator[Problem]:
    """Why the API server refuses a policy's spec; nothing where it takes it."""
    for at, stated in enumerate(spec.policyTypes or ()):
        if stated not in (INGRESS, EGRESS):
            yield ("spec", "policyTypes", at), f"{stated!r} is neither Ingress nor Egress"
    yield from selector_problems(spec.podSelector, ("spec", "podSelector"))
    for rule in rules_of(spec):
        for at, port in enumerate(rule.ports or ()):
            yield from _port(port, (*rule.path, "ports", at))
        for at, peer in enumerate(rule.peers or ()):
            yield from _peer(peer, (*rule.path, rule.field, at))


def selector_problems(selector: LabelSelector | None, where: Path) -> Iterator[Problem]:
    """Why a selector is refused; nothing where there is none."""
    expressions = (selector.matchExpressions if selector else None) or ()
    for at, requirement in enumerate(expressions):
        place: Path = (*where, "matchExpressions", at)
        if requirement.operator not in OPERATORS:
            yield (
                (*place, "operator"),
                f"{requirement.operator!r} is none of {', '.join(OPERATORS)}",
            )
        elif requirement.operator in (IN, NOT_IN) and not requirement.values:
            yield place, f"{requirement.operator} needs values"
        elif requirement.operator in (EXISTS, DOES_NOT_EXIST) and requirement.values:
            yield place, f"{requirement.operator} takes no values"


def _port(port: NetworkPolicyPort, where: Path) -> Iterator[Problem]:
    if port.protocol is not None and port.protocol not in PROTOCOLS:
        yield (*where, "protocol"), f"{port.protocol!r} is none of {', '.join(PROTOCOLS)}"
    if isinstance(port.port, str) and not PORT_NAME.fullmatch(port.port):
        yield (*where, "port"), f"{port.port!r} is neither a number nor the name of a port"
    if isinstance(port.port, int) and not 0 < port.port <= HIGHEST_PORT:
        yield (*where, "port"), f"{port.port} is no port"
    if port.endPort is None:
        return
    if not isinstance(port.port, int):
        yield (*where, "endPort"), "needs a port that is a number"
    elif not port.port <= port.endPort <= HIGHEST_PORT:
        yield (*where, "endPort"), f"{port.endPort} does not end a range from {port.port}"


def _peer(peer: NetworkPolicyPeer, where: Path) -> Iterator[Problem]:
    selects = peer.podSelector is not None or peer.namespaceSelector is not None
    if peer.ipBlock is None and not selects:
        yield where, "a peer needs a podSelector, a namespaceSelector or an ipBlock"
    if peer.ipBlock is not None and selects:
        yield where, "an ipBlock stands alone, without selectors"
    if peer.ipBlock is not None:
        yield from _block(peer.ipBlock, (*where, "ipBlock"))
    yield from selector_problems(peer.podSelector, (*where, "podSelector"))
    yield from selector_problems(peer.namespaceSelector, (*where, "namespaceSelector"))


def _block(block: IPBlock, where: Path) -> Iterator[Problem]:
    cidr = range_of(block.cidr)
    if cidr is None:
        yield (*where, "cidr"), no_range(block.cidr)
        return
    for at, text in enumerate(block.excepted or ()):
        inner = range_of(text)
        if inner is None:
            yield (*where, "except", at), f"{text!r} is not a range of addresses"
        elif not is_within(inner, cidr) or inner == cidr:
            yield (*where, "except", at), f"{text} does not lie within {block.cidr}"


def range_of(text: str, *, needs_prefix: bool = True) -> Network | None:
    """A range; None where it is none, or lacks the length of its prefix where it needs one."""
    try:
        return parse_network(text) if "/" in text or not needs_prefix else None
    except AddressError:
        return None


def no_range(text: str) -> str:
    """Why a text is no range of addresses."""
    plain = re.sub(r"(^|\.)0+(?=\d)", r"\1", text)
    if plain != text and range_of(plain) is not None:
        return f"{text!r} has leading zeros, which not everybody takes alike; write {plain}"
    return f"{text!r} is not a range of addresses such as 10.0.0.0/8"


def is_within(inner: Network, whole: Network) -> bool:
    """Whether a range lies in another one, or is the same."""
    return inner[0] & whole[1] == whole[0] and inner[1] >= whole[1]


def unknown_fields(value: Any, shape: Any, where: Path) -> Iterator[Path]:  # noqa: ANN401 - JSON
    """The paths of fields below a value that its type has not."""
    known = _fields(shape)
    if isinstance(value, list):
        for at, part in enumerate(value):
            yield from unknown_fields(part, shape, (*where, at))
    elif known is not None and isinstance(value, Mapping):
        for name, part in value.items():
            if name not in known:
                yield (*where, str(name))
            elif isinstance(part, (dict, list)):
                yield from unknown_fields(part, known[name], (*where, name))


@cache
def _fields(shape: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - a type
    """The fields of a struct, each with its own or, of a list, its entries' type; else None."""
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return None
    return {field.encode_name: _inner(field.type) for field in msgspec.structs.fields(shape)}


def _inner(shape: Any) -> Any:  # noqa: ANN401 - a type
    """A type without its None, and of a list that of the entries."""
    kind = get_origin(shape) or shape
    if kind is UnionType:
        return _inner(next(each for each in get_args(shape) if each is not NoneType))
    return _inner(get_args(shape)[0]) if kind is tuple else shape
