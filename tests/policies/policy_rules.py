"""What the API server refuses in a NetworkPolicy, and Cilium in its own: for tests of ours.

From the API reference (networking.k8s.io/v1 NetworkPolicy), "Object Names and IDs" and "Labels and
Selectors" of the Kubernetes documentation, and "Layer 3 Policies", "Layer 4 Policies" of Cilium's.
The schemas know every field that we may write and no other.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from jsonschema import Draft202012Validator

Json = dict[str, Any]

NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY = rf"^({NAME}/)?{LABEL_NAME}$"
LABEL_VALUE = rf"^({LABEL_NAME})?$"
PORT_NAME = r"^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$"


def closed(required: list[str], **properties: Any) -> Json:  # noqa: ANN401 - any schema
    """An object with these fields and no other."""
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def some(items: Json) -> Json:
    """A list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}


LABELS = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": LABEL_KEY},
    "additionalProperties": {"type": "string", "pattern": LABEL_VALUE},
}
SELECTOR = closed(
    [],
    matchLabels=LABELS,
    matchExpressions=some(
        closed(
            ["key", "operator"],
            key={"pattern": LABEL_KEY},
            operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
            values=some({"type": "string", "pattern": LABEL_VALUE}),
        )
    ),
)
NUMBER = {"type": "integer", "minimum": 1, "maximum": 65535}
PROTOCOL = {"enum": ["TCP", "UDP", "SCTP"]}
PORT = closed(
    ["protocol", "port"],
    protocol=PROTOCOL,
    port={"anyOf": [NUMBER, {"type": "string", "pattern": PORT_NAME}]},
    endPort=NUMBER,
)
CIDR = {"type": "string", "format": "cidr"}
PEER = {
    "oneOf": [
        closed(["ipBlock"], ipBlock=closed(["cidr"], cidr=CIDR, **{"except": some(CIDR)})),
        {
            **closed([], podSelector=SELECTOR, namespaceSelector=SELECTOR),
            "minProperties": 1,
        },
    ]
}
METADATA = closed(
    ["name", "namespace", "labels"],
    name={"type": "string", "pattern": f"^{NAME}$", "maxLength": 253},
    namespace={"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
    labels=LABELS,
)
NETWORK_POLICY = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "networking.k8s.io/v1"},
    kind={"const": "NetworkPolicy"},
    metadata=METADATA,
    spec=closed(
        ["podSelector", "policyTypes"],
        podSelector=SELECTOR,
        policyTypes={**some({"enum": ["Ingress", "Egress"]}), "uniqueItems": True},
        ingress=some(closed(["ports"], **{"from": some(PEER)}, ports=some(PORT))),
        egress=some(closed(["to", "ports"], to=some(PEER), ports=some(PORT))),
    ),
)
CILIUM_PORTS = some(
    closed(
        ["ports"],
        ports=some(
            closed(
                ["port", "protocol"],
                port={"type": "string", "pattern": r"^[0-9]{1,5}$|^[a-z0-9-]{1,15}$"},
                endPort=NUMBER,
                protocol=PROTOCOL,
            )
        ),
        rules=closed(["dns"], dns=some(closed(["matchPattern"], matchPattern={"const": "*"}))),
    )
)
CILIUM_LABELS = {**LABELS, "propertyNames": {"pattern": r"^(k8s:)?[A-Za-z0-9./_-]+$"}}
CILIUM_SELECTOR = {
    **SELECTOR,
    "properties": {**SELECTOR["properties"], "matchLabels": CILIUM_LABELS},
}
ENTITIES = some({"enum": ["all", "world", "host", "remote-node", "kube-apiserver"]})


def _one_of(way: str, **more: Json) -> Json:
    """A rule of Cilium: ports, and one kind of peer."""
    kinds = {
        f"{way}Endpoints": some(CILIUM_SELECTOR),
        f"{way}Entities": ENTITIES,
        f"{way}CIDR": some(CIDR),
        **more,
    }
    return {
        "oneOf": [
            closed([key, "toPorts"], **{key: schema}, toPorts=CILIUM_PORTS)
            for key, schema in kinds.items()
        ]
    }


CILIUM_POLICY = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "cilium.io/v2"},
    kind={"const": "CiliumNetworkPolicy"},
    metadata=METADATA,
    spec={
        **closed(
            ["endpointSelector"],
            endpointSelector=SELECTOR,
            ingress=some(_one_of("from")),
            egress=some(
                _one_of("to", toFQDNs=some(closed(["matchName"], matchName={"type": "string"})))
            ),
        ),
        "minProperties": 2,
    },
)


def problems(document: Json) -> Iterator[str]:
    """What the API server, or Cilium, would say against a document."""
    schema = CILIUM_POLICY if document.get("apiVersion") == "cilium.io/v2" else NETWORK_POLICY
    for error in Draft202012Validator(schema).iter_errors(document):
        yield f"{'/'.join(map(str, error.path))}: {error.message}"
    spec = document.get("spec", {})
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            if "endPort" in port and not isinstance(port["port"], int):
                yield "endPort may only be given where port is a number"
            elif "endPort" in port and port["endPort"] < port["port"]:
                yield "endPort must be equal to or greater than port"
        for peer in (*rule.get("from", ()), *rule.get("to", ())):
            yield from _block_problems(peer.get("ipBlock"))
    for text in _cidrs(spec):
        if str(ip_network(text, strict=False)) != text:
            yield f"{text} is not written as the network that it is"
    names = spec.get("policyTypes", ())
    for direction in ("Ingress", "Egress"):
        if names and (direction in names) != (direction.lower() in spec):
            yield f"{direction} is isolated without a rule, or has rules without being isolated"


def _block_problems(block: Json | None) -> Iterator[str]:
    if block is None:
        return
    whole = ip_network(block["cidr"])
    for text in block.get("except", ()):
        part = ip_network(text)
        if part.version != whole.version or part == whole or not part.subnet_of(whole):  # type: ignore[arg-type]
            yield f"{text} is not within {block['cidr']}"


def _cidrs(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            for key, entry in value.items():
                if key == "cidr":
                    yield entry
                elif key in ("except", "toCIDR", "fromCIDR"):
                    yield from entry
                else:
                    yield from _cidrs(entry)
        case list():
            for entry in value:
                yield from _cidrs(entry)


def looks_like_name(text: str) -> bool:
    """Whether a text is a DNS subdomain, as names of objects are."""
    return re.fullmatch(NAME, text) is not None
