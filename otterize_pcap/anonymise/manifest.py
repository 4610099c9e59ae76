"""A capture's manifest → the same under other names."""

import re

from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.capture_dir import PROFILES, CapturedFile, Manifest, NodeCapture
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.version import __version__

ALL_INTERFACES = "any"
KUBERNETES_VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+")
LEFT_OUT = "the reason was left out when the capture was anonymised"


def anonymise_manifest(
    manifest: Manifest, files: dict[str, tuple[CapturedFile, ...]], renaming: Renaming
) -> Manifest:
    """The manifest of an anonymised capture.

    Free text is left out: reasons, filters, selectors, and versions that are not of the usual form.

    Args:
        manifest: The one before.
        files: What was written of each node, by its name before.
        renaming: What stands for what.

    Raises:
        TimeError: A time in it is none.
    """
    version = manifest.server_version or ""
    return Manifest(
        version=manifest.version,
        tool=f"otterize-pcap {__version__}, anonymise",
        start=renaming.time(manifest.start),
        end=renaming.time(manifest.end),
        nodes=tuple(_node(node, files.get(node.name, ()), renaming) for node in manifest.nodes),
        cluster=renaming.names.name(manifest.cluster) if manifest.cluster else None,
        server_version=version if KUBERNETES_VERSION.fullmatch(version) else None,
        profile=manifest.profile if manifest.profile in PROFILES else None,
        snaplen=manifest.snaplen,
        interface=_interface(manifest.interface, renaming),
        namespaces=tuple(map(renaming.names.name, manifest.namespaces)),
    )


def _node(node: NodeCapture, files: tuple[CapturedFile, ...], renaming: Renaming) -> NodeCapture:
    return NodeCapture(
        name=renaming.names.name(node.name),
        status=node.status if node.status in list(NodeStatus) else NodeStatus.FAILED,
        reason=LEFT_OUT if node.reason else None,
        start=renaming.time(node.start) if node.start else None,
        end=renaming.time(node.end) if node.end else None,
        files=files,
        packets=node.packets,
        clock_ahead=node.clock_ahead,
    )


def _interface(name: str | None, renaming: Renaming) -> str | None:
    return name if name in (None, ALL_INTERFACES) else renaming.names.name(name or "")
