"""otterize-pcap: which Kubernetes workload calls which, from packet captures."""

from otterize_pcap.version import __version__

__all__ = ["__version__"]
