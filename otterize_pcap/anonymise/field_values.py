"""The value of one field of an object → what stands for it under other names."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from otterize_pcap.addresses import AddressError, format_address
from otterize_pcap.anonymise.known_words import KNOWN_LABELS, NAMING_ANNOTATIONS, WORDS
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.snapshot import attachments
from otterize_pcap.snapshot.object_fields import without_zeros

T = TypeVar("T")

NO_ADDRESS = "None"
"""What a headless Service has for an address."""


def as_is(_: Renaming, value: T) -> T:
    """Numbers and truths tell of nobody."""
    return value


def name(renaming: Renaming, name: str) -> str:
    """The name of an object."""
    return renaming.names.name(name)


def port_name(renaming: Renaming, port: int | str) -> int | str:
    """A number as it is, a name as another."""
    return renaming.names.name(port) if isinstance(port, str) else port


def container_name(renaming: Renaming, name: str) -> str:
    """The names of sidecars are known by (S6)."""
    if name == "istio-proxy":
        return name
    return "sidecar" if "sidecar" in name else renaming.names.name(name)


def names(renaming: Renaming, names: Sequence[str]) -> tuple[str, ...]:
    """Several names."""
    return tuple(map(renaming.names.name, names))


def host_name(renaming: Renaming, name: str) -> str:
    """As DNS says it, which knows no case."""
    return renaming.names.name(name.lower())


def word(_: Renaming, word: str) -> str:
    """A word of the API; another is left out."""
    return word if word in WORDS else ""


def words(renaming: Renaming, several: Sequence[str]) -> tuple[str, ...]:
    """Several such words."""
    return tuple(word(renaming, each) for each in several)


def uid(renaming: Renaming, uid: str) -> str:
    """An object's UID."""
    return renaming.names.uid(uid)


def version(_: Renaming, version: str) -> str:
    """An object's, by which its states are put in order: a number, or nothing."""
    return version if version.isascii() and version.isdigit() else ""


def time(renaming: Renaming, text: str) -> str:
    """A time, shifted if that was asked for."""
    return renaming.time(text)


def kind(renaming: Renaming, kind: str) -> str:
    """The kind of an object; one that nobody knows gets a name."""
    return renaming.kind(kind)


def api_version(renaming: Renaming, text: str) -> str:
    """The group and version of a kind."""
    return renaming.api_version(text)


def address(renaming: Renaming, text: str) -> str:
    """An address, without zeros that lead."""
    if text == NO_ADDRESS:
        return text
    return renaming.addresses.text(without_zeros(text))


def addresses(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    """Several addresses, some perhaps empty."""
    return tuple(address(renaming, text) if text else text for text in texts)


def wished_address(renaming: Renaming, text: str) -> str | None:
    """What somebody wrote in the place of an address, where it is one."""
    try:
        return renaming.addresses.text(text)
    except AddressError:
        return None


def endpoint_addresses(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses, or names in a slice of type FQDN."""
    return tuple(
        wished_address(renaming, without_zeros(text)) or host_name(renaming, text) for text in texts
    )


def networks(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    """Several ranges."""
    return tuple(map(renaming.addresses.network, texts))


def network(renaming: Renaming, text: str) -> str:
    """A range of addresses."""
    return renaming.addresses.network(text)


def labels(renaming: Renaming, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels, or what selects by them."""
    name = renaming.names.name
    return {label_key(renaming, key): name(value) for key, value in labels.items()}


def label_key(renaming: Renaming, key: str) -> str:
    """The key of a label: known ones say what it is for."""
    return key if key in KNOWN_LABELS else renaming.names.name(key)


def annotations(renaming: Renaming, annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that name a workload, and the addresses of further networks."""
    name = renaming.names.name
    kept = {key: name(annotations[key]) for key in NAMING_ANNOTATIONS & annotations.keys()}
    for key in attachments.KEYS:
        if key in annotations:
            found = map(format_address, attachments.attached_addresses({key: annotations[key]}))
            ips = [renaming.addresses.text(text) for text in found]
            kept[key] = msgspec.json.encode([{"ips": ips}]).decode()
    return kept
