"""`snapshot inspect` for people, and the same as JSON."""

import msgspec

from otterize_pcap.counted import counted
from otterize_pcap.graph.naming import printable
from otterize_pcap.inspect_snapshot import Inspection


def render_inspection(found: Inspection) -> str:
    """What a snapshot holds and lacks, as text."""
    objects = ", ".join(f"{count} {kind}" for kind, count in found.kinds)
    addresses = counted(found.addresses, "address", "addresses")
    lines = [
        f"objects    {printable(objects) or 'none; what is known is named by flow logs'}",
        f"pods       {counted(found.workloads, 'workload')} on {addresses}",
    ]
    if found.taken:
        lines.append(f"taken      {found.taken}")
    if found.watched:
        lines.append(f"watched    {found.watched[0]} to {found.watched[1]}")
    if found.first:
        until = f" to {found.last}, when the last of those that ended did" if found.last else " on"
        lines.append(f"intervals  from {found.first}{until}")
    if found.shared_addresses:
        lines.append(f"reused     {', '.join(found.shared_addresses)}: several workloads in turn")
    if found.generated_names:
        names = printable(", ".join(found.generated_names))
        lines.append(f"generated  {names}: other names at every run (S3)")
    lines += [f"left out   {printable(reason)}" for reason in found.left_out]
    lines += [f"lacks      {printable(lack)}" for lack in found.lacks]
    return "\n".join(lines) + "\n"


def render_inspection_json(found: Inspection) -> str:
    """The same as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
