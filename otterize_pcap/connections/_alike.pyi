from array import array

from otterize_pcap.connections._components import FoundGroups
from otterize_pcap.connections.counted_groups import NumberedGroup

def added_up(
    groups: FoundGroups, clients: array[int], servers: array[int], families: array[int]
) -> list[NumberedGroup]: ...
