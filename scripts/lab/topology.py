"""Node networks out of network namespaces: what a Kubernetes cluster looks like to tcpdump.

    outside ── fabric ─┬─ node-a: eth0, flannel.1 (VXLAN, UDP 8472), cni0 ─ veth… ─ pods
                       └─ node-b: the same

Laid out as flannel with the bridge CNI plugin does it: static neighbour and FDB entries for the
other node's flannel.1, hairpin on every bridge port, MTU 1450. br_netfilter lets nftables and
conntrack see bridged frames, so that replies between two pods of a node are translated back.
"""

from dataclasses import dataclass
from pathlib import Path

from plan import Plan
from shell import LabError, Namespace

VXLAN_PORT = 8472
FABRIC_OUTSIDE = "203.0.113.1"
OUTSIDE = "203.0.113.10"
OUTSIDE6 = "2001:db8:ffff::10"
FABRIC_OUTSIDE6 = "2001:db8:ffff::1"


_PROXY_ARP_GATEWAY = "169.254.1.1"


@dataclass(frozen=True, slots=True)
class Links:
    """How pods hang on their node, and nodes on each other.

    `to_point` gives each pod a veth of its own with proxy ARP, as Calico does, in place of the
    bridge. `pod_mac` is one MAC address for all pods. Without `overlay` nodes route to each
    other's pods over eth0, without a tunnel.
    """

    to_point: bool = False
    pod_mac: str | None = None
    overlay: bool = True


class Fabric:
    """The network between the nodes, and the way out of it."""

    def __init__(self, namespace: Namespace, plan: Plan, *, ipv6: bool) -> None:
        self.namespace = namespace
        self._plan, self._ipv6 = plan, ipv6
        _set_ipv6(self.namespace, enabled=ipv6)
        self.namespace.sysctl(
            ipv4__ip_forward=1,
            ipv4__conf__all__send_redirects=0,
            ipv4__conf__default__send_redirects=0,
            ipv4__conf__all__rp_filter=0,
        )
        self.namespace.ip(
            "link add fab0 type bridge mcast_snooping 0",
            f"addr add {plan.underlay}.1/24 dev fab0",
            "link set fab0 up",
        )
        if ipv6:
            self.namespace.sysctl(ipv6__conf__all__forwarding=1)
            self.namespace.ip(f"addr add {plan.node6(-10)}/64 dev fab0 nodad")

    def attach(self, node: Namespace, index: int) -> None:
        """Plug a node's eth0 into the fabric."""
        self.namespace.ip(
            f"link add port{index} mtu 1500 type veth peer name eth0 netns {node.name}",
            f"link set port{index} master fab0 up",
        )

    def plug(self, machine: Namespace, address: str) -> None:
        """Put a machine of its own on the fabric."""
        host = address.rsplit(".", 1)[1]
        _set_ipv6(machine, enabled=False)
        self.namespace.ip(
            f"link add port{host} mtu 1450 type veth peer name eth0 mtu 1450 netns {machine.name}",
            f"link set port{host} master fab0 up",
        )
        machine.ip(
            f"addr add {address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {self._plan.underlay}.1",
        )

    def route(self, destination: str, gateway: str) -> None:
        """Send what is addressed to `destination` to a node, as a load balancer would."""
        self.namespace.ip(f"route add {destination} via {gateway}")

    def add_outside(self, outside: Namespace, addresses: tuple[str, ...]) -> None:
        """Give a namespace public-looking addresses: the Internet."""
        _set_ipv6(outside, enabled=self._ipv6)
        self.namespace.ip(
            f"link add uplink type veth peer name eth0 netns {outside.name}",
            f"addr add {FABRIC_OUTSIDE}/24 dev uplink",
            "link set uplink up",
        )
        outside.ip(
            f"addr add {OUTSIDE}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {FABRIC_OUTSIDE}",
            *(f"addr add {address}/32 dev lo" for address in addresses),
        )
        for address in addresses:
            self.namespace.ip(f"route add {address} via {OUTSIDE}")
        if self._ipv6:
            self.namespace.ip(f"addr add {FABRIC_OUTSIDE6}/64 dev uplink nodad")
            outside.ip(
                f"addr add {OUTSIDE6}/64 dev eth0 nodad",
                f"route add default via {FABRIC_OUTSIDE6}",
            )


class NodeNetwork:
    """One node: eth0 on the fabric, cni0 for its pods, flannel.1 to the other nodes' pods."""

    def __init__(
        self,
        namespace: Namespace,
        name: str,
        index: int,
        plan: Plan,
        *,
        ipv6: bool,
        links: Links = Links(),
    ) -> None:
        self.namespace, self.name, self.index, self.links = namespace, name, index, links
        self._plan, self._ipv6 = plan, ipv6
        both = (plan.node(index), plan.node6(index))
        self.addresses: tuple[str, ...] = both if ipv6 else both[:1]
        self._ports = self._pods = 0
        self._set_sysctls()

    @property
    def address(self) -> str:
        """The node's InternalIP."""
        return self.addresses[0]

    def _set_sysctls(self) -> None:
        if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
            message = "br_netfilter is not loaded; run: modprobe br_netfilter"
            raise LabError(message)
        _set_ipv6(self.namespace, enabled=self._ipv6)
        self.namespace.sysctl(
            ipv4__ip_forward=1,
            ipv4__conf__all__rp_filter=0,
            ipv4__conf__default__rp_filter=0,
            ipv4__conf__all__send_redirects=0,
            ipv4__conf__default__send_redirects=0,
            **{"bridge__bridge-nf-call-iptables": 1, "bridge__bridge-nf-call-ip6tables": 1},
        )
        if self._ipv6:
            self.namespace.sysctl(ipv6__conf__all__forwarding=1)

    def connect(self, fabric: Fabric) -> None:
        """Bring up eth0, cni0 and flannel.1."""
        fabric.attach(self.namespace, self.index)
        pod_net = self._plan.pod_net(self.index)
        self.namespace.ip(
            f"addr add {self.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {self._plan.underlay}.1",
            # Without an address of its own it would take a pod's, and lose it with that pod.
            f"link add cni0 mtu 1450 address {_bridge_mac(self.index)} "
            f"type bridge mcast_snooping 0",
            f"addr add {pod_net}.1/24 dev cni0",
            "link set cni0 up",
            f"link add flannel.1 mtu 1450 address {_vtep_mac(self.index)} type vxlan id 1 "
            f"dstport {VXLAN_PORT} local {self.address} dev eth0 nolearning",
            f"addr add {pod_net}.0/32 dev flannel.1",
            "link set flannel.1 up",
        )
        if self._ipv6:
            pod_net6 = self._plan.pod_net6(self.index)
            self.namespace.ip(
                f"addr add {self.addresses[1]}/64 dev eth0 nodad",
                f"route add default via {self._plan.node6(-10)}",
                f"addr add {pod_net6}1/64 dev cni0 nodad",
                f"addr add {pod_net6}/128 dev flannel.1 nodad",
            )

    def peer_with(self, other: "NodeNetwork") -> None:
        """Add what flannel would: the way to the other node's pods through the tunnel."""
        if not self.links.overlay:
            self.namespace.ip(
                f"route add {self._plan.pod_net(other.index)}.0/24 via {other.address}"
            )
            return
        pod_net, mac = self._plan.pod_net(other.index), _vtep_mac(other.index)
        self.namespace.ip(
            f"route add {pod_net}.0/24 via {pod_net}.0 dev flannel.1 onlink",
            f"neigh add {pod_net}.0 lladdr {mac} dev flannel.1 nud permanent",
        )
        self.namespace.run("bridge", "fdb", "append", mac, "dev", "flannel.1", "dst", other.address)
        if self._ipv6:
            pod_net6 = self._plan.pod_net6(other.index)
            self.namespace.ip(
                f"neigh add {pod_net6} lladdr {mac} dev flannel.1 nud permanent",
                f"route add {pod_net6}/64 via {pod_net6} dev flannel.1 onlink",
            )

    def take_over(self, address: str, others: "list[NodeNetwork]") -> None:
        """Let this node have a pod's address out of another node's range."""
        for other in others:
            other.namespace.run("ip", "route", "replace", f"{address}/32", "via", self.address)

    def plug_to_point(self, pod: Namespace, address: str | None = None) -> tuple[str, ...]:
        """Give a pod an eth0 of its own, whose other end answers every ARP request."""
        if address is None:
            address = f"{self._plan.pod_net(self.index)}.{self._plan.pod_host(self._pods)}"
            self._pods += 1
        self._ports += 1
        veth, mac = f"cali{self.index}{self._ports:07x}", self.links.pod_mac
        peer = f"address {mac} " if mac else ""
        self.namespace.ip(
            f"link add {veth} mtu 1450 address ee:ee:ee:ee:ee:ee type veth "
            f"peer name eth0 mtu 1450 {peer}netns {pod.name}"
        )
        settings = {"proxy_arp": 1, "rp_filter": 0, "send_redirects": 0}
        self.namespace.sysctl(
            **{f"ipv4__conf__{veth}__{key}": value for key, value in settings.items()},
            **{f"ipv4__neigh__{veth}__proxy_delay": 0},
        )
        _set_ipv6(pod, enabled=False)
        self.namespace.ip(f"link set {veth} up", f"route replace {address}/32 dev {veth}")
        pod.ip(
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add {_PROXY_ARP_GATEWAY} dev eth0 scope link",
            f"route add default via {_PROXY_ARP_GATEWAY}",
        )
        return (address,)

    def plug(self, pod: Namespace, host: int | None = None) -> tuple[str, ...]:
        """Give a pod its eth0 on cni0, with the next address or a given one; returns them all."""
        if host is None:
            host = self._plan.pod_host(self._pods)
            self._pods += 1
        self._ports += 1
        veth = f"veth{self.index}{self._ports:07x}"
        pod_net = self._plan.pod_net(self.index)
        addresses = [f"{pod_net}.{host}"]
        _set_ipv6(pod, enabled=self._ipv6)
        self.namespace.ip(
            f"link add {veth} mtu 1450 type veth peer name eth0 mtu 1450 netns {pod.name}",
            f"link set {veth} master cni0 up",
            f"link set {veth} type bridge_slave hairpin on",
            # A new pod may have an old pod's address; CNI plugins announce it, this is the same.
            "neigh flush dev cni0",
        )
        pod.ip(
            f"addr add {addresses[0]}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {pod_net}.1",
        )
        if self._ipv6:
            pod_net6 = self._plan.pod_net6(self.index)
            addresses.append(f"{pod_net6}{host:x}")
            pod.ip(
                f"addr add {addresses[1]}/64 dev eth0 nodad",
                f"route add default via {pod_net6}1",
            )
        return tuple(addresses)


def _bridge_mac(index: int) -> str:
    return f"0a:58:0a:f4:0{index + 1}:01"


def _vtep_mac(index: int) -> str:
    return f"0a:58:0a:f4:0{index + 1}:00"


def _set_ipv6(namespace: Namespace, *, enabled: bool) -> None:
    """Switch IPv6 off, or on without what would fill a small capture by itself.

    No duplicate address detection, no router solicitations.
    """
    if not enabled:
        namespace.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        return
    namespace.sysctl(
        ipv6__conf__default__accept_dad=0,
        ipv6__conf__default__router_solicitations=0,
    )
