"""What a cloud adds: pods with a node each, an API server apart, pods with a second network."""

import json
import time

import dead
import objects
from hosts import Host
from objects import Owner, Port
from services import Service, ServicePort, Services
from shell import Namespace
from truth import Workload
from workloads import Group, Pod

_FARGATE_FIRST, _API_SERVER = 50, 200  # the last octets of their addresses on the node network
_SECOND_NETWORK = "10.99.0"
STATUS_KEY = "k8s.v1.cni.cncf.io/network-status"


class Managed(Services):
    """Workloads and Services on a managed cluster."""

    _fargates = _second_addresses = 0

    def fargate_deployment(self, name: str, namespace: str, *ports: Port) -> Group:
        """A Deployment whose one pod has a node to itself: both have the same address.

        Nobody can capture on such a node. The network routes straight to the other nodes' pods.
        """
        deployment = self.controller("Deployment", name, namespace)
        revision = self.plan.suffix(f"{namespace}/{name}", 9)
        hashed = {"pod-template-hash": revision}
        owner = self.controller(
            "ReplicaSet", f"{deployment.name}-{revision}", namespace, owner=deployment
        )
        full, where = self.plan.name(name), self.plan.name(namespace)
        address = f"{self.plan.underlay}.{_FARGATE_FIRST + self._fargates}"
        self._fargates += 1
        node = f"fargate-ip-{address.replace('.', '-')}"
        created = time.time()
        self._machine_object(node, address, created)
        group = Group(Workload(full, where, "Deployment"), {"app": full} | hashed, owner)
        pod_name = f"{owner.name}-{self.plan.suffix(f'{where}/{full}', 5)}"
        host = self.machine(pod_name, address)
        pod = self._pod(pod_name, node, address, group, ports, created, host)
        group.pods.append(pod)
        for port in ports:
            host.serve(port.number, protocol=port.protocol)
        return group

    def machine(self, label: str, address: str) -> Host:
        """A process on a machine of its own in the node network."""
        namespace = self.new_pod_namespace()
        self.fabric.plug(namespace, address)
        for node in self.nodes.values():
            namespace.ip(f"route add {self.plan.pod_net(node.index)}.0/24 via {node.address}")
        return self.new_host(label, namespace)

    def managed_api_server(self, port: int) -> tuple[Host, Service]:
        """An API server that is neither pod nor node, and the Service `kubernetes` before it."""
        address = f"{self.plan.underlay}.{_API_SERVER}"
        host = self.machine("kube-apiserver", address)
        host.serve(port)
        return host, self.kubernetes_service(address, "", port)

    def kubernetes_service(self, address: str, node: str, port: int) -> Service:
        """The Service of the API server that answers at this address."""
        return self.service(
            "kubernetes",
            "default",
            ServicePort(443, port, name="https"),
            cluster_ips=(self.plan.first_service,),
            labels={"component": "apiserver", "provider": "kubernetes"},
            fixed_endpoints=((address, node),),
        )

    def _machine_object(self, name: str, address: str, created: float) -> None:
        labels = {"kubernetes.io/hostname": name, "eks.amazonaws.com/compute-type": "fargate"}
        uid = self.plan.uid("Node", "", name)
        meta = objects.metadata(name, None, uid, created, labels=labels)
        self.documents.append(objects.node(meta, (address,), ()))

    def _pod(
        self,
        name: str,
        node: str,
        address: str,
        group: Group,
        ports: tuple[Port, ...],
        created: float,
        host: Host,
    ) -> Pod:
        namespace, app = group.workload.namespace, group.labels["app"]
        uid = self.plan.uid("Pod", namespace, name)
        document = objects.pod(
            objects.metadata(name, namespace, uid, created, labels=group.labels, owner=group.owner),
            node=node,
            node_address=address,
            addresses=(address,),
            containers=[objects.container(app, f"registry.example/{app}:1.4", ports)],
            ready=time.time(),
        )
        self.documents.append(document)
        pod = Pod(host, node, document, (address,), group.labels, group.workload, time.time())
        self.pods.append(pod)
        return pod

    def add_second_network(self) -> None:
        """On every node a bridge `net1br` for second interfaces, with a cable `eth1` of its own."""
        self.fabric.namespace.ip("link add fab1 type bridge mcast_snooping 0", "link set fab1 up")
        for node in self.nodes.values():
            self.fabric.namespace.ip(
                f"link add second{node.index} type veth peer name eth1 netns {node.namespace.name}",
                f"link set second{node.index} master fab1 up",
            )
            node.namespace.ip(
                "link add net1br type bridge mcast_snooping 0",
                "link set eth1 master net1br up",
                "link set net1br up",
            )

    def attach_second(self, pod: Pod) -> str:
        """Give a pod `net1` on the second network, and say so as Multus does; its address."""
        self._second_addresses += 1
        address = f"{_SECOND_NETWORK}.{10 + self._second_addresses}"
        node, inside = self.nodes[pod.node].namespace, pod.host.namespace
        veth = f"second{self._second_addresses}"
        node.ip(
            f"link add {veth} mtu 1450 type veth peer name net1 mtu 1450 netns {inside.name}",
            f"link set {veth} master net1br up",
        )
        inside.ip(f"addr add {address}/24 dev net1", "link set net1 up")
        networks = [
            {"name": "cbr0", "interface": "eth0", "ips": [pod.address], "default": True, "dns": {}},
            {"name": "storage/net1", "interface": "net1", "ips": [address], "dns": {}},
        ]
        annotations = pod.document["metadata"].setdefault("annotations", {})
        annotations[STATUS_KEY] = json.dumps(networks, indent=4)
        return address

    def fail_pod(self, pod: Pod) -> None:
        """A pod dies with its sandbox; the API keeps it, as the scenario will say."""
        self.remove_host(pod.host)
        pod.over = True
        self.program_services()

    def past_pod(self, name: str, namespace: str, heir: Pod, node: str, born: float) -> Pod:
        """A pod of long ago whose address a live pod has: an object, and nothing else.

        The watch found it when it began, and never saw it end.
        """
        known = [pod for pod in self.pods if pod.workload.name == self.plan.name(name)]
        group = self._past_group(name, namespace) if not known else self._again(known[0])
        pod_name = f"{name}-{self.plan.suffix(f'past/{namespace}/{name}', 5)}"
        pod = self.start_pod(
            pod_name, group.workload.namespace, group, node, address_of=heir, objects_only=True
        )
        dead.born(pod.document, born)
        pod.start, pod.over = born, True
        return pod

    def _past_group(self, name: str, namespace: str) -> Group:
        full, where = self.plan.name(name), self.plan.name(namespace)
        owner = self.controller("Job", name, namespace)
        return Group(Workload(full, where, "Job"), {"app": full}, owner)

    def _again(self, pod: Pod) -> Group:
        """The workload of a pod that is there, for another of its pods."""
        reference = pod.document["metadata"]["ownerReferences"][0]
        keys = ("apiVersion", "kind", "name", "uid")
        return Group(pod.workload, pod.labels, Owner(*(reference[key] for key in keys)))

    def forget_pod(self, pod: Pod) -> None:
        """Have it that a pod never was: only its address is left, and nobody answers there."""
        self.remove_host(pod.host)
        self.documents.remove(pod.document)
        self.pods.remove(pod)

    def cut_off(self, pod: Pod) -> None:
        """Take a pod off the network before its process can say goodbye, then delete it."""
        pod.host.namespace.ip("link set eth0 down")
        self.delete_pod(pod)


def tune_ports(namespace: Namespace, first: int, last: int) -> None:
    """Set a namespace's range of ephemeral ports."""
    namespace.sysctl(ipv4__ip_local_port_range=f"{first} {last}")
