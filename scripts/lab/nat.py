"""Services in nftables, as kube-proxy's rules have them.

Destination NAT in prerouting and output; a mark where the source must be rewritten (from outside
the pod range, NodePort, externalIP, a pod reaching itself), masquerade in postrouting; and
flannel's masquerade of pods that leave the cluster. Backends take turns instead of being drawn at
random, so that a scenario can say which one answers.
"""

from dataclasses import dataclass

_MASQUERADE_MARK = "0x4000"


@dataclass(frozen=True, slots=True)
class Forward:
    """One Service port: where it can be entered, and the endpoints behind it.

    A hostPort is the same to a node: its own addresses, one port, one pod. The portmap plugin
    leaves the source alone there (`masquerades=False`).
    """

    protocol: str
    port: int
    cluster_ips: tuple[str, ...]
    entry_ips: tuple[str, ...]
    node_port: int | None
    endpoints: tuple[tuple[str, int], ...]
    masquerades: bool = True


def ruleset(family: str, forwards: list[Forward], pods: str, *, random_fully: bool) -> str:
    """The whole nftables table for one node and one family (`ip` or `ip6`)."""
    services: list[str] = []
    chains: list[str] = []
    for number, forward in enumerate(forwards):
        endpoints = [end for end in forward.endpoints if _family(end[0]) == family]
        if not endpoints:
            continue
        services += _entries(family, number, forward, pods)
        chains += _backends(family, number, forward.protocol.lower(), endpoints)
    leave = f"  {family} saddr {pods} {family} daddr != {pods} masquerade fully-random"
    rewrite = "masquerade fully-random" if random_fully else "masquerade"
    lines = [
        f"table {family} kube {{}}",
        f"delete table {family} kube",
        f"table {family} kube {{",
        *chains,
        " chain services {",
        *services,
        " }",
        " chain prerouting {",
        "  type nat hook prerouting priority dstnat; policy accept;",
        "  jump services",
        " }",
        " chain output {",
        "  type nat hook output priority -100; policy accept;",
        "  jump services",
        " }",
        " chain postrouting {",
        "  type nat hook postrouting priority srcnat; policy accept;",
        f"  meta mark & {_MASQUERADE_MARK} == {_MASQUERADE_MARK} {rewrite}",
        leave,
        " }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def firewall(*rules: str) -> str:
    """A table that holds these rules where forwarded packets pass, as network policies do."""
    lines = ["table inet firewall {", " chain forward {"]
    lines += ["  type filter hook forward priority filter; policy accept;"]
    return "\n".join([*lines, *(f"  {rule}" for rule in rules), " }", "}"]) + "\n"


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _entries(family: str, number: int, forward: Forward, pods: str) -> list[str]:
    """How traffic gets to a Service's backends: ClusterIP, other addresses, NodePort."""
    match, mark = f"{forward.protocol.lower()} dport", f"meta mark set {_MASQUERADE_MARK}"
    lines = []
    for address in forward.cluster_ips:
        if _family(address) == family:
            to = f"{family} daddr {address} {match} {forward.port}"
            lines += [f"  {to} {family} saddr != {pods} {mark}", f"  {to} goto svc{number}"]
    for address in forward.entry_ips:
        if _family(address) == family:
            to = f"{family} daddr {address} {match} {forward.port}"
            lines += [f"  {to} {mark}", f"  {to} goto svc{number}"]
    if forward.node_port is not None:
        to = f"fib daddr type local {match} {forward.node_port}"
        lines += [f"  {to} {mark}"] if forward.masquerades else []
        lines.append(f"  {to} goto svc{number}")
    return lines


def _backends(
    family: str, number: int, protocol: str, endpoints: list[tuple[str, int]]
) -> list[str]:
    """One chain per endpoint, and one that deals connections out to them in turn."""
    lines = []
    for index, (address, port) in enumerate(endpoints):
        to = f"[{address}]:{port}" if family == "ip6" else f"{address}:{port}"
        lines += [
            f" chain sep{number}x{index} {{",
            f"  {family} saddr {address} meta mark set {_MASQUERADE_MARK}",
            f"  meta l4proto {protocol} dnat to {to}",
            " }",
        ]
    turns = ", ".join(f"{index} : goto sep{number}x{index}" for index in range(len(endpoints)))
    dispatch = f"  numgen inc mod {len(endpoints)} vmap {{ {turns} }}"
    return [*lines, f" chain svc{number} {{", dispatch, " }"]


def relay(*dnat: str) -> str:
    """What a pod that relays by NAT has in its own namespace: these rules, and masquerade."""
    lines = ["table ip relay {", " chain prerouting {"]
    lines += ["  type nat hook prerouting priority dstnat; policy accept;"]
    lines += [*(f"  {rule}" for rule in dnat), " }", " chain postrouting {"]
    lines += ["  type nat hook postrouting priority srcnat; policy accept;", "  masquerade"]
    return "\n".join([*lines, " }", "}"]) + "\n"


def host_ports(*dnat: str) -> str:
    """The portmap CNI plugin's part on a node: what enters by a hostPort goes to its pod."""
    lines = ["table ip hostports {"]
    for hook, priority in (("prerouting", "dstnat - 1"), ("output", "-101")):
        lines += [
            f" chain {hook} {{",
            f"  type nat hook {hook} priority {priority}; policy accept;",
        ]
        lines += [*(f"  fib daddr type local {rule}" for rule in dnat), " }"]
    return "\n".join([*lines, "}"]) + "\n"
