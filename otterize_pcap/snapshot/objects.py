"""Kubernetes objects: the fields that the rules read, out of JSON or YAML documents.

An `Item` is any object. Fields that no rule reads are never kept. `read_objects` makes items of
what `envelopes` hold.
`gc=False`: no object refers back to what holds it, so that the collector need not look for circles
(40,000 pods in 83 MB are read in 2.0 s instead of 2.9 s).
Spelling and meaning are those of the Kubernetes API reference (v1, apps/v1, batch/v1,
discovery.k8s.io/v1).
"""

import msgspec

DEFAULT_NAMESPACE = "default"
"""Where objects without a namespace are taken to be."""


class OwnerReference(msgspec.Struct, frozen=True, gc=False):
    """metav1.OwnerReference."""

    kind: str
    name: str
    uid: str = ""
    controller: bool | None = None
    apiVersion: str = ""


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """metav1.ObjectMeta; times are RFC 3339 text."""

    name: str = ""
    namespace: str | None = None
    generateName: str = ""
    uid: str = ""
    resourceVersion: str = ""
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: tuple[OwnerReference, ...] | None = None


class ContainerPort(msgspec.Struct, frozen=True, gc=False):
    """v1.ContainerPort."""

    containerPort: int
    protocol: str = "TCP"
    hostPort: int = 0
    hostIP: str = ""
    name: str = ""


class Container(msgspec.Struct, frozen=True, gc=False):
    """v1.Container."""

    name: str = ""
    image: str = ""
    ports: tuple[ContainerPort, ...] | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False):
    """v1.PodSpec."""

    nodeName: str | None = None
    hostNetwork: bool | None = None
    serviceAccountName: str | None = None
    containers: tuple[Container, ...] | None = None
    initContainers: tuple[Container, ...] | None = None


class Running(msgspec.Struct, frozen=True, gc=False):
    """v1.ContainerStateRunning."""

    startedAt: str | None = None


class Terminated(msgspec.Struct, frozen=True, gc=False):
    """v1.ContainerStateTerminated."""

    startedAt: str | None = None
    finishedAt: str | None = None


class ContainerState(msgspec.Struct, frozen=True, gc=False):
    """v1.ContainerState."""

    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    """v1.ContainerStatus."""

    state: ContainerState | None = None
    lastState: ContainerState | None = None


class Condition(msgspec.Struct, frozen=True, gc=False):
    """v1.PodCondition."""

    type: str
    status: str = ""
    lastTransitionTime: str | None = None


class PodIP(msgspec.Struct, frozen=True, gc=False):
    """v1.PodIP and v1.HostIP."""

    ip: str = ""


class PodStatus(msgspec.Struct, frozen=True, gc=False):
    """v1.PodStatus."""

    phase: str = ""
    podIP: str | None = None
    podIPs: tuple[PodIP, ...] | None = None
    hostIP: str | None = None
    hostIPs: tuple[PodIP, ...] | None = None
    startTime: str | None = None
    conditions: tuple[Condition, ...] | None = None
    initContainerStatuses: tuple[ContainerStatus, ...] | None = None
    containerStatuses: tuple[ContainerStatus, ...] | None = None


class ServicePort(msgspec.Struct, frozen=True, gc=False):
    """v1.ServicePort; `targetPort` is a number or the name of a container's port."""

    port: int
    protocol: str = "TCP"
    name: str | None = None
    targetPort: int | str | None = None
    nodePort: int = 0


class ServiceSpec(msgspec.Struct, frozen=True, gc=False):
    """v1.ServiceSpec."""

    type: str = "ClusterIP"
    clusterIP: str | None = None
    clusterIPs: tuple[str, ...] | None = None
    externalIPs: tuple[str, ...] | None = None
    loadBalancerIP: str | None = None
    externalTrafficPolicy: str | None = None
    ports: tuple[ServicePort, ...] | None = None
    selector: dict[str, str] | None = None


class Ingress(msgspec.Struct, frozen=True, gc=False):
    """v1.LoadBalancerIngress."""

    ip: str | None = None
    hostname: str | None = None


class LoadBalancer(msgspec.Struct, frozen=True, gc=False):
    """v1.LoadBalancerStatus."""

    ingress: tuple[Ingress, ...] | None = None


class ServiceStatus(msgspec.Struct, frozen=True, gc=False):
    """v1.ServiceStatus."""

    loadBalancer: LoadBalancer | None = None


class TargetRef(msgspec.Struct, frozen=True, gc=False):
    """v1.ObjectReference."""

    kind: str = ""
    name: str = ""
    namespace: str | None = None
    uid: str = ""


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """discovery.k8s.io/v1 Endpoint."""

    addresses: tuple[str, ...] = ()
    targetRef: TargetRef | None = None


class EndpointPort(msgspec.Struct, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointPort; without `port` the slice holds for every port."""

    name: str | None = None
    port: int | None = None
    protocol: str = "TCP"


class NodeAddress(msgspec.Struct, frozen=True, gc=False):
    """v1.NodeAddress."""

    type: str
    address: str


class NodeSpec(msgspec.Struct, frozen=True, gc=False):
    """v1.NodeSpec."""

    podCIDR: str | None = None
    podCIDRs: tuple[str, ...] | None = None


class NodeStatus(msgspec.Struct, frozen=True, gc=False):
    """v1.NodeStatus."""

    addresses: tuple[NodeAddress, ...] | None = None


class LabelSelectorRequirement(msgspec.Struct, frozen=True, gc=False):
    """metav1.LabelSelectorRequirement."""

    key: str
    operator: str
    values: tuple[str, ...] | None = None


class LabelSelector(msgspec.Struct, frozen=True, gc=False):
    """metav1.LabelSelector."""

    matchLabels: dict[str, str] | None = None
    matchExpressions: tuple[LabelSelectorRequirement, ...] | None = None


class WorkloadSpec(msgspec.Struct, frozen=True, gc=False):
    """The selector of apps/v1 DeploymentSpec, StatefulSetSpec and DaemonSetSpec."""

    selector: LabelSelector | None = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """Any object; of kinds that are not below, owners are all that matters."""

    kind: str = ""
    apiVersion: str = ""
    metadata: Metadata = Metadata()


class PodItem(Item, frozen=True, gc=False):
    """v1.Pod."""

    spec: PodSpec | None = None
    status: PodStatus | None = None


class ServiceItem(Item, frozen=True, gc=False):
    """v1.Service."""

    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class EndpointSliceItem(Item, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointSlice; one of type FQDN lists names."""

    addressType: str = ""
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


class NodeItem(Item, frozen=True, gc=False):
    """v1.Node."""

    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class WorkloadItem(Item, frozen=True, gc=False):
    """apps/v1 Deployment, StatefulSet or DaemonSet, whose selector never changes."""

    spec: WorkloadSpec | None = None


class Observed(msgspec.Struct, frozen=True, gc=False):
    """One address of one object over one interval, as a watch saw it (S10)."""

    uid: str
    ip: str
    kind: str = "Pod"
    start: str | None = None
    end: str | None = None


class Watch(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The snapshot's own part: when it was taken, and what the watch saw."""

    taken_at: str | None = None
    watch_start: str | None = None
    watch_end: str | None = None
    observed: tuple[Observed, ...] = ()
