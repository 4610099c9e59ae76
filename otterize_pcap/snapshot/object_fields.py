"""Fields of objects, understood: names, times and addresses, or an error that says where.

Who reads a snapshot meets the errors and leaves such fields out (`odd_fields`).
"""

import re

from otterize_pcap.addresses import AddressError, parse_address
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.objects import Item
from otterize_pcap.timestamps import TimeError, parse_time

LEADING_ZEROS = re.compile(r"(?<![\w:])0+(?=[0-9])(?=[0-9.]*\Z)")


def uid_of(item: Item) -> str:
    """An object's uid, or what stands for it in objects written by hand."""
    meta = item.metadata
    return meta.uid or f"{meta.namespace}/{meta.name}"


def describe(item: Item) -> str:
    """An object as error messages name it: `Pod shop/kafka-0`."""
    meta = item.metadata
    return (
        f"{item.kind} {meta.namespace}/{meta.name}"
        if meta.namespace
        else f"{item.kind} {meta.name}"
    )


def time_of(text: str, where: str, what: str) -> int:
    """An object's time field in nanoseconds since the epoch.

    Raises:
        SnapshotError: It is not an RFC 3339 time.
    """
    try:
        return parse_time(text)
    except TimeError as error:
        message = f"{where}: {what}: {error}"
        raise SnapshotError(message) from error


def address_of(text: str, where: str, what: str) -> bytes:
    """An object's address field as 16 bytes.

    Raises:
        SnapshotError: It is not an IP address.
    """
    try:
        return parse_address(without_zeros(text))
    except AddressError as error:
        message = f"{where}: {what}: {error}"
        raise SnapshotError(message) from error


def without_zeros(text: str) -> str:
    """An address as all parsers take it.

    Older API servers took leading zeros, as decimal numbers (k8s.io/utils/net, ParseIPSloppy).
    """
    return LEADING_ZEROS.sub("", text)
