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
            f"workloads owned by {kind.plural} show under the owner's name",
        )
        for kind in KINDS
        for verb in ("list", "watch")
    ]
