"""What the account must be allowed to do for a snapshot."""

from otterize_pcap.cluster.api.access import Permission
from otterize_pcap.snapshot.kinds import KINDS


def snapshot_permissions() -> list[Permission]:
    """What taking a snapshot needs."""
    return [
        Permission(
            verb,
            kind.group,
            kind.plural,
            "",
            kind.required,
            loss_of(kind.plural),
        )
        for kind in KINDS
        for verb in ("list", "watch")
    ]


LOSSES = {
    "namespaces": "policies that select namespaces by label cannot be checked",
    "networkpolicies": "the cluster's own policies cannot be checked",
}
"""What is lost where a kind cannot be read that owns nothing."""


def loss_of(plural: str) -> str:
    """What is lost where a kind cannot be read; of kinds of owners, a name (S3)."""
    if plural in LOSSES:
        return LOSSES[plural]
    return f"workloads owned by {plural} show under the owner's name"
