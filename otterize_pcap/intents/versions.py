"""The forms that ClientIntents have had, and what each can hold.

`tutorial` is the form of the tutorial, which no operator accepts; the others are the versions of
the CustomResourceDefinition clientintents.k8s.otterize.com that operators serve.
"""

from msgspec import Struct

from otterize_pcap.errors import UsageError

GROUP = "k8s.otterize.com"


class IntentsVersion(Struct, frozen=True):
    """One form of ClientIntents.

    `targets` tells `spec.workload` and `spec.targets` (v2) from `spec.service` and `spec.calls`
    (v1). `kinds`: clients and servers may carry their kind, and a Service may be the server.
    `internet`: servers outside the cluster can be declared.
    """

    name: str
    api_version: str
    targets: bool = False
    kinds: bool = False
    internet: bool = False

    @property
    def served(self) -> bool:
        """Whether an operator accepts it, so that its webhook's rules apply."""
        return self is not TUTORIAL


TUTORIAL = IntentsVersion("tutorial", "k8s.k8s.otterize.com/v1", internet=True)

VERSIONS = {
    version.api_version: version
    for version in (
        TUTORIAL,
        IntentsVersion("v1alpha2", f"{GROUP}/v1alpha2"),
        IntentsVersion("v1alpha3", f"{GROUP}/v1alpha3", kinds=True, internet=True),
        IntentsVersion("v1beta1", f"{GROUP}/v1beta1", kinds=True, internet=True),
        IntentsVersion("v2alpha1", f"{GROUP}/v2alpha1", targets=True, kinds=True, internet=True),
        IntentsVersion("v2beta1", f"{GROUP}/v2beta1", targets=True, kinds=True, internet=True),
    )
}


# Forms that are read but no longer written: v1alpha1 had a `namespace` beside a call's name, and
# `k8s.otterize.com/v1` was printed for a while without ever being served.
READABLE = frozenset({*VERSIONS, f"{GROUP}/v1alpha1", f"{GROUP}/v1"})


def find_version(text: str) -> IntentsVersion:
    """A version by its short name, or by its whole apiVersion.

    Raises:
        UsageError: There is none of that name.
    """
    for version in VERSIONS.values():
        if text in (version.name, version.api_version):
            return version
    names = ", ".join(version.name for version in VERSIONS.values())
    message = f"--api-version {text}: unknown; choose one of {names}"
    raise UsageError(message)
