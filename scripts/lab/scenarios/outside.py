"""Calls that leave the cluster, and the names they go by.

A real DNS server is the cluster's DNS, at the Service labelled `k8s-app: kube-dns`. Packets are
recorded whole, because names are in the payload.

- `browser` looks up and calls an A record, one at the end of two CNAMEs, and an AAAA record.
- `mailer` looks its name up over TCP. Both first ask for a name that does not exist, as resolvers
  with a search list do.
- `vault-client` and `bank-client` look nothing up; TLS says the name (SNI), bank-client's
  ClientHello in many segments.
- `raw-client` calls a bare address. `late` calls an address whose name only browser looked up, and
  `early` looks its name up after it has called: both go by address.
- `shopper` looks up Service `orders` and calls it; it looks up Service `inventory` and does not.
- `hermit` calls a private address that belongs to nothing in the cluster.
- Somebody outside calls `orders` through a NodePort.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from cluster import Lab
from nodes import Options, outside_workload
from objects import Port
from services import Service, ServicePort
from shell import run
from topology import OUTSIDE6
from truth import Workload
from workloads import Group

API, CDN, MAIL, VAULT, BANK, BARE = (f"203.0.113.{number}" for number in range(20, 80, 10))
PRIVATE = "172.20.5.5"
OPTIONS = Options(
    ipv6=True, snaplen=4096, outside_addresses=(API, CDN, MAIL, VAULT, BANK, BARE, PRIVATE)
)
_NODE_PORT = 30080


def record(lab: Lab) -> None:
    """Look names up and call, in the orders that make a difference."""
    port = lab.plan.port(8080)
    orders = lab.deployment("orders", "shop", on=("node-b",), ports=(Port(port),))
    inventory = lab.deployment("inventory", "shop", on=("node-b",), ports=(Port(port),))
    orders_service = lab.service(
        "orders", "shop", ServicePort(80, port, node_port=_NODE_PORT), service_type="NodePort"
    )
    inventory_service = lab.service("inventory", "shop", ServicePort(80, port))
    coredns, dns = start_dns(lab, orders_service, inventory_service)
    names = [
        "browser",
        "mailer",
        "vault-client",
        "bank-client",
        "raw-client",
        "late",
        "early",
        "shopper",
        "hermit",
    ]
    client = {name: lab.deployment(name, "shop") for name in names}
    lab.outside.serve(25, 80, 8443, address="::")
    with TemporaryDirectory() as directory:
        serve_tls(lab, Path(directory))
        lab.start_recording()
        browse(lab, client["browser"], dns)
        mail(lab, client["mailer"], dns)
        call_unnamed(lab, client, dns)
        shop(lab, client["shopper"], dns, orders, orders_service, inventory, inventory_service)
        client["hermit"].host.call(PRIVATE, 80)
        lab.outside.call(lab.nodes["node-b"], _NODE_PORT)
        lab.stop_recording()
    lab.truth.no_edge(client["hermit"], Workload(PRIVATE, "", "Unknown"), 80, "unknown-private")
    lab.truth.no_edge(outside_workload(), orders, port, "external-source", service=orders_service)
    for name in ("browser", "early", "shopper", "mailer"):
        lab.truth.no_edge(client[name], coredns, 53, "cluster-dns", protocol="UDP", service=dns)
    lab.truth.no_edge(client["mailer"], coredns, 53, "cluster-dns", service=dns)


def start_dns(lab: Lab, *services: Service) -> tuple[Group, Service]:
    """The cluster's DNS, with the names that this scenario asks for."""
    records = {
        "api.payments.example": [("A", API)],
        "cdn.shop.example": [("CNAME", "edge.cdn.example")],
        "edge.cdn.example": [("CNAME", "pop1.cdn.example")],
        "pop1.cdn.example": [("A", CDN)],
        "six.example": [("AAAA", OUTSIDE6)],
        "smtp.mail.example": [("A", MAIL)],
        "bare.example": [("A", BARE)],
        **{cluster_name(service): [("A", service.address)] for service in services},
    }
    return start_dns_with(lab, records)


def start_dns_with(lab: Lab, records: dict[str, list[tuple[str, str]]]) -> tuple[Group, Service]:
    """CoreDNS's place: a Deployment in kube-system behind Service kube-dns."""
    labels = {"k8s-app": "kube-dns"}
    coredns = lab.deployment(
        "coredns",
        "kube-system",
        on=("node-b",),
        ports=(Port(53, "UDP", "dns"), Port(53, "TCP", "dns-tcp")),
        extra_labels=labels,
        serve=False,
    )
    coredns.host.serve_dns(records, "::" if lab.options.ipv6 else "0.0.0.0")  # noqa: S104 (a pod's)
    addresses = (lab.plan.dns_service, lab.plan.dns_service6)
    kube_dns = lab.service(
        "kube-dns",
        "kube-system",
        ServicePort(53, 53, "UDP", "dns"),
        ServicePort(53, 53, "TCP", "dns-tcp"),
        selector=labels,
        labels=labels | {"kubernetes.io/name": "CoreDNS"},
        cluster_ips=addresses if lab.options.ipv6 else addresses[:1],
    )
    return coredns, kube_dns


def cluster_name(service: Service) -> str:
    """A Service's DNS name."""
    return f"{service.name}.{service.namespace}.svc.cluster.local"


def serve_tls(lab: Lab, directory: Path) -> None:
    """Serve TLS outside, with a certificate made for this run only."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    files = ("-keyout", str(key), "-out", str(certificate))
    run(*make.split(), "-subj", "/CN=lab.example", *files)
    lab.outside.serve_tls(443, certificate, key)


def browse(lab: Lab, browser: Group, dns: Service) -> None:
    """By A, by CNAME chain, by AAAA."""
    missing = f"api.payments.example.{browser.workload.namespace}.svc.cluster.local"
    browser.host.lookup(missing, dns, found=False)
    browser.host.lookup("api.payments.example", dns)
    browser.host.call_tls(API, 443, "api.payments.example")
    browser.host.lookup("cdn.shop.example", dns)
    browser.host.call(CDN, 80)
    browser.host.lookup("six.example", dns, kind="AAAA")
    browser.host.call(OUTSIDE6, 80)
    lab.truth.outside(browser, API, 443, "api.payments.example")
    lab.truth.outside(browser, CDN, 80, "cdn.shop.example")
    lab.truth.outside(browser, OUTSIDE6, 80, "six.example")


def mail(lab: Lab, mailer: Group, dns: Service) -> None:
    """The name comes over TCP."""
    mailer.host.lookup(f"smtp.mail.example.{mailer.workload.namespace}", dns, found=False)
    mailer.host.lookup("smtp.mail.example", dns, protocol="TCP")
    mailer.host.call(MAIL, 25)
    lab.truth.outside(mailer, MAIL, 25, "smtp.mail.example")


def call_unnamed(lab: Lab, client: dict[str, Group], dns: Service) -> None:
    """No DNS answer before the call: the name is in the TLS greeting, or there is none."""
    client["vault-client"].host.call_tls(VAULT, 443, "vault.example")
    client["bank-client"].host.call_tls(BANK, 443, "ledger.bank.example", piece=40)
    client["raw-client"].host.call(BARE, 8443)
    client["late"].host.call(API, 80)
    client["early"].host.call(BARE, 80)
    client["early"].host.lookup("bare.example", dns)
    lab.truth.outside(client["vault-client"], VAULT, 443, "vault.example")
    lab.truth.outside(client["bank-client"], BANK, 443, "ledger.bank.example")
    lab.truth.outside(client["raw-client"], BARE, 8443)
    lab.truth.outside(client["late"], API, 80)
    lab.truth.outside(client["early"], BARE, 80)


def shop(
    lab: Lab,
    shopper: Group,
    dns: Service,
    orders: Group,
    orders_service: Service,
    inventory: Group,
    inventory_service: Service,
) -> None:
    """Look two Services up, call one."""
    port = lab.plan.port(8080)
    shopper.host.lookup(cluster_name(orders_service), dns)
    shopper.host.call(orders_service, 80)
    shopper.host.lookup(cluster_name(inventory_service), dns)
    lab.truth.edge(shopper, orders, port, service=orders_service, uplink="yes")
    lab.truth.no_edge(shopper, inventory, 80, "lookup only", service=inventory_service)
