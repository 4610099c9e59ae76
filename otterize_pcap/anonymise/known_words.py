"""What Kubernetes itself writes into objects, and so says nothing of whose they are."""

from otterize_pcap.resolve.identity import ANNOTATIONS
from otterize_pcap.resolve.stable_names import (
    DEPLOYMENT_CONFIG,
    KNATIVE_SERVICE,
    TEMPLATE_HASHES,
    VIRTUAL_MACHINE,
    WORKFLOW_LABELS,
)
from otterize_pcap.snapshot.endpoints import SERVICE_NAME
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES
from otterize_pcap.snapshot.pod_hold import (
    DISRUPTED,
    FINAL_PHASES,
    READY_TO_START,
    RUNNING_SIGNS,
)

KNOWN_LABELS = frozenset(
    {
        *TEMPLATE_HASHES,
        *WORKFLOW_LABELS,
        KNATIVE_SERVICE,
        SERVICE_NAME,
        VIRTUAL_MACHINE,
        "app",
        "app.kubernetes.io/component",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/version",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "job-name",
        "k8s-app",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/metadata.name",
        "kubernetes.io/os",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Keys that everybody's labels have; other keys are names. All values are."""
NAMING_ANNOTATIONS = frozenset({*ANNOTATIONS, DEPLOYMENT_CONFIG})
WORDS = frozenset(
    {
        *FINAL_PHASES,
        "Pending",
        "Running",
        READY_TO_START,
        *RUNNING_SIGNS,
        DISRUPTED,
        "True",
        "False",
        "TCP",
        "UDP",
        "SCTP",
        "ClusterIP",
        "NodePort",
        "LoadBalancer",
        "ExternalName",
        "FQDN",
        "Ingress",
        "Egress",
        "In",
        "NotIn",
        "Exists",
        "DoesNotExist",
        *ADDRESS_TYPES,
    }
)
"""Kubernetes' own words for states, protocols, operators and types; of others nothing is kept."""
