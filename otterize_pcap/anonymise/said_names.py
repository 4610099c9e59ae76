"""Names that a capture holds → payloads of our own that say the same under other names (S50).

Of DNS nothing is kept but what the mapper reads: which client asked whom for which name, and which
addresses it was told. Of TLS it is the name of the server that a client greeted. Other records,
cookies, session identifiers and keys are gone.
"""

from collections import defaultdict
from collections.abc import Iterable

from otterize_pcap.addresses import MAPPED
from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.anonymise.name_map import NameMap
from otterize_pcap.connections.dns_answers import AAAA, CNAME, A, Asked, Question, Told
from otterize_pcap.connections.names import Greeted, RecordedPayload, sayings
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.table.capture_counts import Payload

Where = tuple[str, int]
"""A file's name and a packet's number in it."""

DNS_HEADER = 12
MAX_LABEL, MAX_NAME = 63, 255
"""RFC 1035, 2.3.4."""


class UnsayableError(Exception):
    """A name that has no form in DNS; never leaves this module."""


def said_names(
    payloads: Iterable[tuple[str, Payload]], addresses: AddressMap, names: NameMap
) -> dict[Where, bytes]:
    """What takes the place of which packet's payload.

    Args:
        payloads: Those that reading kept for their names, each with its file.
        addresses: Replaces the addresses in answers.
        names: Replaces names.
    """
    said: dict[Where, bytes] = defaultdict(bytes)
    recorded = (RecordedPayload(payload, file) for file, payload in payloads)
    for saying in sayings(recorded):
        if isinstance(saying, Told):
            where = saying.answer.file, saying.answer.packet
        else:
            where = saying.place.file, saying.place.packet
        try:
            said[where] += _said(saying, addresses, names)
        except UnsayableError:
            continue
    return dict(said)


def _said(saying: Asked | Told | Greeted, addresses: AddressMap, names: NameMap) -> bytes:
    """The payload that says it, with the length before it where TCP carries DNS (RFC 7766)."""
    if isinstance(saying, Greeted):
        return client_hello(names.name(saying.name))
    question = saying.question._replace(name=names.name(saying.question.name))
    if isinstance(saying, Asked):
        message = dns_query(question)
    else:
        message = dns_response(
            question,
            tuple(map(names.name, saying.answer.aliases)),
            tuple(map(addresses.packed, saying.answer.addresses)),
        )
    return len(message).to_bytes(2) + message if question.protocol == TCP else message


def dns_query(question: Question) -> bytes:
    """A query (RFC 1035, 4.1).

    Raises:
        UnsayableError: A name is too long.
    """
    return _message(question, b"\1\0", 0)


def dns_response(
    question: Question, aliases: tuple[str, ...], addresses: tuple[bytes, ...]
) -> bytes:
    """A response: each alias is the CNAME of the name before it, the last has the addresses.

    Raises:
        UnsayableError: A name is too long.
    """
    message = bytearray(_message(question, b"\x81\x80", len(aliases) + len(addresses)))
    owner = DNS_HEADER
    for alias in aliases:
        message += _record(owner, CNAME, _name(alias))
        owner = len(message) - len(_name(alias))
    for address in addresses:
        if address.startswith(MAPPED):
            message += _record(owner, A, address[12:])
        else:
            message += _record(owner, AAAA, address)
    return bytes(message)


def _message(question: Question, flags: bytes, answers: int) -> bytes:
    head = question.identification.to_bytes(2) + flags + b"\0\1" + answers.to_bytes(2) + bytes(4)
    return head + _name(question.name) + question.kind.to_bytes(2) + b"\0\1"


def _record(owner: int, kind: int, content: bytes) -> bytes:
    """A resource record whose owner's name begins at an offset (RFC 1035, 4.1.4)."""
    head = (0xC000 | owner).to_bytes(2) + kind.to_bytes(2) + b"\0\1" + bytes(4)
    return head + len(content).to_bytes(2) + content


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    encoded = b"".join(bytes((len(label) & 0xFF,)) + label for label in labels) + b"\0"
    if not all(0 < len(label) <= MAX_LABEL for label in labels) or len(encoded) > MAX_NAME:
        raise UnsayableError(name)
    return encoded


def client_hello(name: str) -> bytes:
    """The shortest ClientHello with a server name (RFC 8446, 4.1.2; RFC 6066, 3)."""
    host = name.encode()
    entry = b"\0" + len(host).to_bytes(2) + host
    body = len(entry).to_bytes(2) + entry
    extension = b"\0\0" + len(body).to_bytes(2) + body
    hello = (
        b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
        + len(extension).to_bytes(2) + extension
    )  # fmt: skip
    handshake = b"\1" + len(hello).to_bytes(3) + hello
    return b"\x16\3\1" + len(handshake).to_bytes(2) + handshake
