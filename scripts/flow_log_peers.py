"""Who calls whom in the story that `flow_log_samples.py` tells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """Somebody at one end: an address, and what tools call it."""

    address: str
    name: str = ""
    namespace: str = ""
    owner: tuple[str, str] = ("", "")
    node: str = ""
    labels: tuple[str, ...] = ()
    identity: int = 0
    kind: str = "Pod"


WEB = Peer(
    "10.244.1.10", "web-6d4cf56db6-x2x4k", "shop", ("Deployment", "web"), "n1", ("k8s:app=web",)
)
CHECKOUT = Peer(
    "10.244.2.20",
    "checkout-7c9d5b8f6-q8rjp",
    "shop",
    ("Deployment", "checkout"),
    "n2",
    ("k8s:app=checkout",),
)
DB = Peer("10.244.1.30", "db-0", "data", ("StatefulSet", "db"), "n1", ("k8s:app=db",))
DNS = Peer(
    "10.244.2.53",
    "coredns-5d78c9869d-7tlrm",
    "kube-system",
    ("Deployment", "coredns"),
    "n2",
    ("k8s:k8s-app=kube-dns",),
)
METRICS = Peer("10.244.2.60", "statsd-0", "ops", ("StatefulSet", "statsd"), "n2")
NODE = Peer("192.168.10.2", "n2", node="n2", labels=("reserved:remote-node",), kind="Node")
API = Peer(
    "192.168.10.1",
    "n1",
    node="n1",
    labels=("reserved:kube-apiserver", "reserved:remote-node"),
    kind="Node",
)
WORLD = Peer("203.0.113.7", labels=("reserved:world",), identity=2, kind="")
CHECKOUT_SERVICE = Peer("10.96.0.20", "checkout", "shop", kind="Service")
API_SERVICE = Peer("10.96.0.1", "kubernetes", "default", kind="Service")
HOSTS = {"n1": "192.168.10.1", "n2": "192.168.10.2"}
