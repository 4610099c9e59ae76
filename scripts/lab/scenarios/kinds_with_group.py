"""Kinds that read like core kinds and are others, by their API group.

- Knative Service `hello` owns a Configuration, that a Revision, that a Deployment; there is a core
  Service `hello` as well, an ExternalName, which is somebody else. `front` calls hello's pod, and
  it calls `db`. An export names the Knative Service by kind and group, never as `service: hello`.
- `meter` is owned by a Node of the group iot.example, named meter-7, in its namespace: that is no
  node of the cluster, and the pod no static pod.

The snapshot's objects are in an order in which the core Service comes first.
"""

import objects
from cluster import Lab
from objects import Port
from truth import Workload
from workloads import Group

_KNATIVE = "serving.knative.dev"


def record(lab: Lab) -> None:
    """Call the Knative Service's pod, and from it and the meter's."""
    lab.look_without_watch()
    lab.documents.insert(0, core_service(lab, "hello", "app"))
    port, db_port = lab.plan.port(8012), lab.plan.port(5432)
    db = lab.deployment("db", "app", on=("node-b",), ports=(Port(db_port),))
    hello = knative(lab, port)
    front = lab.deployment("front", "app", on=("node-b",))
    meter = metered(lab)

    lab.age(3600)
    lab.start_recording()
    front.host.call(hello.pod, port)
    hello.host.call(db.pod, db_port)
    meter.host.call(db.pod, db_port)
    lab.stop_recording(snapshot=lab.kubectl())

    lab.truth.edge(front, hello, port, uplink="yes")
    lab.truth.edge(hello, db, db_port, uplink="yes")
    lab.truth.edge(meter, db, db_port, uplink="yes")


def core_service(lab: Lab, name: str, namespace: str) -> objects.Object:
    """An ExternalName Service, which has no pods and no address."""
    where = lab.plan.name(namespace)
    uid = lab.plan.uid("Service", where, name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": objects.metadata(name, where, uid, 0.0),
        "spec": {"type": "ExternalName", "externalName": "gateway.knative.example"},
        "status": {"loadBalancer": {}},
    }


def knative(lab: Lab, port: int) -> Group:
    """A Knative Service with one revision, all of it in the snapshot."""
    service = lab.controller("Service", "hello", "app", verbatim=True)
    lab.documents[-1]["spec"] = {
        "template": {"spec": {"containers": [{"image": "registry.example/hello:1.4"}]}},
        "traffic": [{"latestRevision": True, "percent": 100}],
    }
    configuration = lab.controller("Configuration", "hello", "app", owner=service)
    revision = lab.controller("Revision", "hello-00001", "app", owner=configuration)
    deployment = lab.controller("Deployment", "hello-00001-deployment", "app", owner=revision)
    is_a = Workload("hello", lab.plan.name("app"), "Service", _KNATIVE)
    return lab.replicated("hello", "app", deployment, ("node-a",), ports=(Port(port),), is_a=is_a)


def metered(lab: Lab) -> Group:
    """A pod of a custom resource that is called Node."""
    owner = lab.controller("Node", "meter-7", "app", verbatim=True)
    lab.documents[-1]["spec"] = {"meter": 7, "interval": "15m"}
    is_a = Workload("meter-7", lab.plan.name("app"), "Node", "iot.example")
    return lab.group("meter", "app", "Node", owner, ("node-a",), is_a=is_a)
