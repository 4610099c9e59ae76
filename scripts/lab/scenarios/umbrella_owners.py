"""One custom resource that owns pods of several kinds of work, and owners that are not controllers.

- Kafka `my-cluster` owns two StrimziPodSets, my-cluster-kafka and my-cluster-zookeeper. `checkout`
  calls a broker, the broker calls ZooKeeper. By default all are `my-cluster`, as for upstream, and
  the summary says which sets of pods that name merges.
- CephCluster `rook-ceph` owns Deployments rook-ceph-mon-a, rook-ceph-osd-0 and rook-ceph-mgr-a,
  which call the mon.
- Application `wordpress-01` is an owner of Deployments `wordpress` and `mysql` that is no
  controller: it is not followed, and they stay themselves.

`nearest` has the edges with `--owner nearest`, which stops at the controller that made the pods.
"""

import objects
from cluster import Lab
from objects import Owner, Port
from truth import Truth, Workload, crossing, within
from workloads import Group

_STRIMZI, _ROOK = "kafka.strimzi.io", "ceph.rook.io"


def record(lab: Lab) -> None:
    """All owners are in the snapshot."""
    call_under_umbrellas(lab, known=True)


def call_under_umbrellas(lab: Lab, *, known: bool) -> None:
    """Brokers, a storage cluster and a blog, with the custom resources above in the snapshot."""
    lab.look_without_watch()
    kafka_port, zoo_port, mon_port, sql_port = (
        lab.plan.port(number) for number in (9092, 2181, 6789, 3306)
    )
    kafka = strimzi(lab, "kafka", kafka_port, known=known)
    zoo = strimzi(lab, "zookeeper", zoo_port, known=known)
    ceph = lab.controller("CephCluster", "rook-ceph", "rook", known=known, verbatim=True)
    mon, osd, mgr = (
        deployed(lab, f"rook-ceph-{part}", "rook", ceph, ports)
        for part, ports in (("mon-a", (Port(mon_port),)), ("osd-0", ()), ("mgr-a", ()))
    )
    app = lab.controller("Application", "wordpress-01", "blog", known=known, verbatim=True)
    blog, mysql = (
        deployed(lab, name, "blog", app, ports, controls=False)
        for name, ports in (("wordpress", ()), ("mysql", (Port(sql_port),)))
    )
    checkout = lab.deployment("checkout", "shop", on=("node-b",))

    lab.age(3600)
    lab.start_recording()
    checkout.host.call(kafka.pod, kafka_port)
    kafka.host.call(zoo.pod, zoo_port)
    osd.host.call(mon.pod, mon_port)
    mgr.host.call(mon.pod, mon_port)
    blog.host.call(mysql.pod, sql_port)
    lab.stop_recording(snapshot=lab.kubectl())

    calls = (
        (checkout, kafka, kafka_port),
        (kafka, zoo, zoo_port),
        (osd, mon, mon_port),
        (mgr, mon, mon_port),
        (blog, mysql, sql_port),
    )
    cluster = Workload("my-cluster", lab.plan.name("shop"), "Kafka", _STRIMZI)
    storage = Workload("rook-ceph", lab.plan.name("rook"), "CephCluster", _ROOK)
    above = dict.fromkeys((mon, osd, mgr), storage)
    if known:
        above |= dict.fromkeys((kafka, zoo), cluster)
    nearest = Truth()
    for client, server, port in calls:
        nodes = client.pod.node, server.pod.node
        crosses = crossing(*nodes)
        nearest.edge(client, server, port, uplink=crosses)
        lab.truth.edge(
            above.get(client, client.workload),
            above.get(server, server.workload),
            port,
            uplink=crosses,
            unknown=within(nodes[0]) if crosses == "no" else {},
        )
    lab.truth.edges = list({str(edge): edge for edge in lab.truth.edges}.values())
    merged: dict[str, list[str]] = {}
    for group, owner in above.items():
        merged.setdefault(f"{owner.name}.{owner.namespace}", []).append(group.workload.name)
    lab.truth.more = {"merged": merged, "nearest": nearest.document()["edges"]}


def strimzi(lab: Lab, part: str, port: int, *, known: bool) -> Group:
    """A StrimziPodSet of the Kafka resource, with its pod."""
    kafka = lab.controller("Kafka", "my-cluster", "shop", known=False, verbatim=True)
    if known and not any(each["kind"] == "Kafka" for each in lab.documents):
        kafka = lab.controller("Kafka", "my-cluster", "shop", verbatim=True)
    name = f"my-cluster-{part}"
    pod_set = lab.controller("StrimziPodSet", name, "shop", owner=kafka, known=known)
    is_a = Workload(name, lab.plan.name("shop"), "StrimziPodSet", "core.strimzi.io")
    labels, names = {"strimzi.io/name": name}, [f"{name}-0"]
    return lab.group(
        *(name, "shop", "StrimziPodSet", pod_set, ("node-a",)),
        ports=(Port(port),),
        is_a=is_a,
        extra_labels=labels,
        names=names,
    )


def deployed(
    lab: Lab,
    name: str,
    namespace: str,
    owner: Owner,
    ports: tuple[Port, ...],
    *,
    controls: bool = True,
) -> Group:
    """A Deployment that something owns, with a pod on node-a, or node-b for who is called."""
    deployment = lab.controller("Deployment", name, namespace, owner=owner)
    if not controls:
        objects.not_controlled(lab.documents[-1])
    node = "node-b" if ports else "node-a"
    is_a = Workload(name, lab.plan.name(namespace), "Deployment")
    return lab.replicated(name, namespace, deployment, (node,), ports=ports, is_a=is_a)
