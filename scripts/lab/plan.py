"""Addresses, names and ports of one run, all derived from its variant.

Variant 0 is what `fixtures/` holds. Any other number moves every range and renames every
workload, so that a test can record a run that looks like no fixture.
"""

import random
import uuid
from dataclasses import dataclass

_WORDS = (
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "gable",
    "heron",
    "iris",
    "juniper",
    "kestrel",
    "larch",
    "maple",
    "nettle",
    "ochre",
    "pine",
    "quartz",
    "rowan",
    "sorrel",
    "tamarack",
    "umber",
    "vetch",
    "willow",
    "yarrow",
    "zephyr",
)
# Names that mean something to Kubernetes itself.
_WELL_KNOWN = ("default", "kubernetes", "kube-system", "kube-dns")
_TUNNEL_PORTS = (4789, 6081, 8472)  # a call to one of these would look like a tunnel
# The letters Kubernetes uses in generated names (k8s.io/apimachinery/pkg/util/rand).
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_UID_ROOT = uuid.UUID("6f1d4c1e-0000-5000-8000-07072e000000")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run calls things; `scenario` and `variant` decide everything."""

    scenario: str
    variant: int = 0
    pods4: str | None = None
    pods6_net: str | None = None
    nodes4: str | None = None

    def name(self, word: str) -> str:
        """The name this run uses for a workload, Service or namespace."""
        if self.variant == 0 or word in _WELL_KNOWN:
            return word
        chosen = random.Random(f"name/{self.variant}/{word}")
        return f"{chosen.choice(_WORDS)}-{word[0]}{chosen.randrange(10, 99)}"

    def port(self, number: int) -> int:
        """The port this run uses where the scenario says `number`; always below 30000."""
        if self.variant == 0:
            return number
        chosen = random.Random(f"port/{self.variant}/{number}").randrange(1024, 30000)
        return chosen + (chosen in _TUNNEL_PORTS)

    def suffix(self, of: str, length: int) -> str:
        """A generated-looking name part, the same for the same object on every run."""
        chosen = random.Random(f"suffix/{self.scenario}/{self.variant}/{of}")
        return "".join(chosen.choices(_SAFE, k=length))

    def uid(self, kind: str, namespace: str, name: str) -> str:
        """An object's uid, the same on every run."""
        path = f"{self.scenario}/{self.variant}/{kind}/{namespace}/{name}"
        return str(uuid.uuid5(_UID_ROOT, path))

    @property
    def _shift(self) -> int:
        return self.variant % 50

    @property
    def underlay(self) -> str:
        """The first three octets of the node network, 192.168.77 in variant 0."""
        return self.nodes4 or f"192.168.{77 + self._shift}"

    def node(self, index: int) -> str:
        """A node's InternalIP; 192.168.77.11 for the first."""
        return f"{self.underlay}.{11 + index}"

    def node6(self, index: int) -> str:
        """A node's IPv6 InternalIP."""
        return f"fd00:{77 + self._shift}::{11 + index}"

    @property
    def pods(self) -> str:
        """The range of all pods, 10.244.0.0/16 in variant 0."""
        return f"{self._pods4}.0.0/16"

    @property
    def _pods4(self) -> str:
        return self.pods4 or f"10.{244 - self._shift}"

    @property
    def pods6(self) -> str:
        """The IPv6 range of all pods."""
        return f"{self._pods6}::/48"

    @property
    def _pods6(self) -> str:
        return self.pods6_net or f"fd00:10:{244 - self._shift}"

    def pod_net(self, index: int) -> str:
        """The first three octets of a node's podCIDR, 10.244.1 for the first node."""
        return f"{self._pods4}.{index + 1}"

    def pod_net6(self, index: int) -> str:
        """The start of a node's IPv6 podCIDR, up to and with `::`."""
        return f"{self._pods6}:{index + 1}::"

    def pod_host(self, count: int) -> int:
        """The last octet of the count-th pod of a node."""
        return 2 + 5 * self._shift % 100 + count

    def service(self, count: int) -> str:
        """The count-th ClusterIP."""
        return f"10.{96 + self._shift}.{20 + 7 * count % 200}.{10 + count}"

    def service6(self, count: int) -> str:
        """The count-th IPv6 ClusterIP."""
        return f"fd00:10:{96 + self._shift}::{10 + count:x}"

    @property
    def first_service(self) -> str:
        """The ClusterIP of `default/kubernetes`, 10.96.0.1 in variant 0."""
        return f"10.{96 + self._shift}.0.1"

    @property
    def dns_service(self) -> str:
        """The ClusterIP of the cluster DNS, 10.96.0.10 in variant 0."""
        return f"10.{96 + self._shift}.0.10"

    @property
    def dns_service6(self) -> str:
        """The IPv6 ClusterIP of the cluster DNS."""
        return f"fd00:10:{96 + self._shift}::a:10"
