"""The three-pod cluster of the tutorial, on two nodes.

In namespace `shop`, checkout calls kafka and kafka calls zookeeper, each through the other's
Service (ClusterIP).
"""

from cluster import Lab
from objects import Port
from services import Service, ServicePort
from workloads import Group


def record(lab: Lab) -> None:
    """Build the shop, let it trade once, write down who called whom."""
    checkout, kafka, zookeeper, kafka_service, zookeeper_service = build_shop(lab)
    lab.start_recording()
    trade(lab, checkout, kafka, zookeeper, kafka_service, zookeeper_service)
    lab.stop_recording()


def build_shop(lab: Lab) -> tuple[Group, Group, Group, Service, Service]:
    """Three Deployments and the two Services that are called."""
    kafka_port, zookeeper_port = lab.plan.port(9092), lab.plan.port(2181)
    zookeeper = lab.deployment("zookeeper", "shop", on=("node-b",), ports=(Port(zookeeper_port),))
    kafka = lab.deployment("kafka", "shop", on=("node-a",), ports=(Port(kafka_port),))
    checkout = lab.deployment(
        "checkout", "shop", on=("node-a",), ports=(Port(lab.plan.port(8080)),)
    )
    kafka_service = lab.service("kafka", "shop", ServicePort(kafka_port, kafka_port))
    zookeeper_service = lab.service(
        "zookeeper", "shop", ServicePort(zookeeper_port, zookeeper_port)
    )
    return checkout, kafka, zookeeper, kafka_service, zookeeper_service


def trade(
    lab: Lab,
    checkout: Group,
    kafka: Group,
    zookeeper: Group,
    kafka_service: Service,
    zookeeper_service: Service,
) -> None:
    """Kafka asks zookeeper, checkout sends two orders to kafka."""
    kafka_port, zookeeper_port = lab.plan.port(9092), lab.plan.port(2181)
    kafka.host.call(zookeeper_service, zookeeper_port, request="ruok\n")
    checkout.host.call(kafka_service, kafka_port, request="order 1\n")
    checkout.host.call(kafka_service, kafka_port, request="order 2\n")
    lab.truth.edge(checkout, kafka, kafka_port, service=kafka_service, uplink="no")
    lab.truth.edge(
        kafka,
        zookeeper,
        zookeeper_port,
        service=zookeeper_service,
        uplink="yes",
    )
