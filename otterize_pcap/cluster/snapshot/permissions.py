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


def loss_of(plural: str) -> str:
    """What is lost where a kind of owners cannot be read (S3)."""
    return f"workloads owned by {plural} show under the owner's name"
