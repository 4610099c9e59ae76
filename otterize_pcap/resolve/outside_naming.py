"""Servers outside as a capture's calls show them: by name, or as the Service that they serve."""

from collections.abc import Mapping
from functools import cached_property

from otterize_pcap.graph.service_graph import External
from otterize_pcap.resolve.capture_lookup import CaptureLookup
from otterize_pcap.resolve.external_names import ExternalNames
from otterize_pcap.resolve.resolution import GroupResolution, Resolution, Resolved
from otterize_pcap.resolve.resolve import Resolver


class OutsideNaming:
    """Names what is resolved, where names were asked for or tell a Service (S50).

    Names are only gathered for the first connection that goes by one.
    """

    def __init__(
        self, lookup: CaptureLookup, offsets: Mapping[str, int], resolver: Resolver
    ) -> None:
        self._lookup = lookup
        self._offsets = offsets
        self._resolver = resolver

    @cached_property
    def has_balancers(self) -> bool:
        """Whether the Service behind an address outside may be known by name (S50)."""
        return any(service.hostnames for service in self._lookup.snapshot.services)

    @property
    def names_any(self) -> bool:
        """Whether servers outside may be shown by names at all."""
        return self._is_internet_asked or self.has_balancers

    def may_name(self, resolution: Resolution | GroupResolution) -> bool:
        """Whether the server may be shown by a name, which connections of a group do not share."""
        is_outside = isinstance(resolution, Resolved) and isinstance(resolution.server, External)
        return is_outside and self.names_any

    def named(self, resolution: Resolution) -> Resolution:
        """The same with a server outside as the Service that it serves, or by name (S50)."""
        if self.has_balancers:
            resolution = self._names.behind_balancer(resolution)
        return self._names.named(resolution) if self._is_internet_asked else resolution

    @cached_property
    def _names(self) -> ExternalNames:
        names = self._lookup.names(self._offsets)
        return ExternalNames(self._lookup.snapshot, names, self._resolver)

    @property
    def _is_internet_asked(self) -> bool:
        return self._lookup.rules.inclusion.internet
