"""All that stands for something else in one anonymised capture: addresses, names and times."""

from msgspec import Struct

from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.anonymise.name_map import NameMap
from otterize_pcap.api_groups import BUILT_IN_GROUPS, BUILT_IN_KINDS
from otterize_pcap.resolve.stable_names import ARGO, KNATIVE, KUBEVIRT, OPENSHIFT
from otterize_pcap.timestamps import kubernetes_time, parse_time

KNOWN_GROUPS = BUILT_IN_GROUPS | {ARGO, KNATIVE, KUBEVIRT, OPENSHIFT}
KNOWN_KINDS = BUILT_IN_KINDS | {
    "ClusterWorkflowTemplate",
    "Configuration",
    "CronWorkflow",
    "DeploymentConfig",
    "Revision",
    "Rollout",
    "VirtualMachine",
    "VirtualMachineInstance",
    "Workflow",
    "WorkflowTemplate",
}
"""Kinds that the rules know, and that anybody's cluster may have."""


class Renaming(Struct, frozen=True):
    """What stands for what; `later_ns` is added to every time."""

    addresses: AddressMap
    names: NameMap
    later_ns: int = 0

    @classmethod
    def by(cls, key: bytes, later_ns: int = 0) -> "Renaming":
        """The renaming that a key gives."""
        return cls(AddressMap(key), NameMap(key), later_ns)

    def time(self, text: str) -> str:
        """An RFC 3339 time, later; raises TimeError where it is none."""
        return kubernetes_time(self.time_ns(parse_time(text)))

    def time_ns(self, time_ns: int) -> int:
        """A time in nanoseconds, later; never before the epoch, nor where there was none."""
        return max(0, time_ns + self.later_ns) if time_ns else 0

    def kind(self, kind: str) -> str:
        """A kind, alone or with its group as kubectl takes it."""
        word, dot, group = kind.partition(".")
        word = word if word in KNOWN_KINDS or not word else self.names.kind(word)
        return f"{word}{dot}{self.group(group)}"

    def group(self, group: str) -> str:
        """An API group."""
        return group if group in KNOWN_GROUPS else self.names.name(group)

    def api_version(self, text: str) -> str:
        """An `apiVersion`: of it the rules read the group."""
        group, slash, _ = text.rpartition("/")
        return f"{self.group(group)}{slash}v1" if text else ""
