"""DNS messages → the answers to what each client asked itself (S50).

An answer counts where the same client asked that question: same identification, ports, name, type
and resolver (RFC 5452, 9.1). What nobody asked for, a pod may have sent to rename another's calls.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from otterize_pcap.addresses import MAPPED
from otterize_pcap.packets.headers import DnsMessage, UndecodableError, parse_header
from otterize_pcap.table.rows import Endpoint
from otterize_pcap.timestamps import SECOND_NS

A, CNAME, AAAA = 1, 5, 28
RESPONSE, NO_ERROR = 1, 0
MAX_CHAIN = 16
SAME_QUESTION_NS = SECOND_NS
"""Within this time a question is the same, recorded several times; after it, asked again."""
IDENTIFICATION_BYTES = 2
MOST_KEPT = 4096
"""Contents of messages that are kept decoded."""
PATIENCE_NS = 30 * SECOND_NS
"""An answer that comes later answers nothing."""


class Answer(Struct, frozen=True):
    """One DNS answer: what `client` (16 bytes) was told of `name`, and when (ns).

    `packet` of `file` is where it begins. `aliases` are the names behind `name`, by CNAME after
    CNAME.
    """

    client: bytes
    name: str
    addresses: tuple[bytes, ...]
    time_ns: int
    file: str
    packet: int
    aliases: tuple[str, ...] = ()


class Question(NamedTuple):
    """What tells one question from others: who asked, and how its answer must look."""

    protocol: int
    client: Endpoint
    identification: int
    name: str
    kind: int


class Place(NamedTuple):
    """Where a message was recorded: corrected time (ns), file and packet number."""

    time_ns: int
    file: str
    packet: int


class Asked(Struct, frozen=True):
    """A question on its way to a resolver, and where it was recorded."""

    question: Question
    resolver: Endpoint
    place: Place

    @property
    def time_ns(self) -> int:
        """When it was sent (ns)."""
        return self.place.time_ns


class Told(Struct, frozen=True):
    """An answer with the question it claims to be for, and the resolver it came from."""

    question: Question
    resolver: Endpoint
    answer: Answer


Leads = Callable[[int, Endpoint, Endpoint], bool]
"""Says of a protocol and two endpoints whether a Service leads from the first to the second."""

Vouches = Callable[[bytes], bool]
"""Says whether what comes from an address is believed where questions were not kept."""


class _Said(NamedTuple):
    """A message without its identification; a question where `addresses` is None."""

    name: str
    kind: int
    addresses: tuple[bytes, ...] | None = None
    aliases: tuple[str, ...] = ()


def read_message(
    content: bytes, protocol: int, source: Endpoint, target: Endpoint, place: Place
) -> Asked | Told | None:
    """A question or an answer without error; None where a message is neither."""
    said = _said(content[IDENTIFICATION_BYTES:])
    if said is None:
        return None
    identification = int.from_bytes(content[:IDENTIFICATION_BYTES])
    if said.addresses is None:
        question = Question(protocol, source, identification, said.name, said.kind)
        return Asked(question, target, place)
    if not (said.name and said.addresses):
        return None
    answer = Answer(target[0], said.name, said.addresses, *place, said.aliases)
    question = Question(protocol, target, identification, said.name, said.kind)
    return Told(question, source, answer)


@lru_cache(MOST_KEPT)
def _said(content: bytes) -> _Said | None:
    """What a message says but for its identification; None where that is nothing.

    Pods ask the same again and again, and are told the same: 81,000 messages of a capture of 60
    Services are 120 contents, and to decode one takes 60 µs.
    """
    try:
        message = parse_header(DnsMessage, bytes(IDENTIFICATION_BYTES) + content, "DNS")
    except UndecodableError:
        return None
    if len(message.qd) != 1:
        return None
    asked, kind = message.qd[0].name.lower().rstrip("."), message.qd[0].type
    if message.qr != RESPONSE:
        return _Said(asked, kind)
    if message.rcode != NO_ERROR:
        return None
    aliases = _aliases(message, asked)
    addresses = tuple(_addresses(message, (asked, *aliases)))
    return _Said(asked, kind, addresses, aliases)


def answers_asked_for(
    asked: Iterable[Asked], told: Iterable[Told], leads: Leads, vouches: Vouches
) -> list[Answer]:
    """The answers that count, by time: to a question of the client's, and undisputed.

    Of several answers to one question the first counts and the same again; where another says
    something else, none does: one of them is made up, and which, nobody can tell.
    """
    rounds = _rounds(asked)
    answers: list[tuple[tuple[Question, int], Answer]] = []
    said: dict[tuple[Question, int], tuple[frozenset[bytes], tuple[str, ...]]] = {}
    disputed: set[tuple[Question, int]] = set()
    for one in sorted(told, key=lambda entry: _order(entry.answer)):
        began_ns = _answered_round(one, rounds, leads)
        if began_ns is None and vouches(one.resolver[0]):
            began_ns = one.answer.time_ns // PATIENCE_NS * PATIENCE_NS
        if began_ns is None:
            continue
        answered = (one.question, began_ns)
        content = _content(one.answer)
        if said.setdefault(answered, content) != content:
            disputed.add(answered)
        answers.append((answered, one.answer))
    return [answer for answered, answer in answers if answered not in disputed]


def _order(answer: Answer) -> tuple[int, bytes, str, str, int]:
    return (answer.time_ns, answer.client, answer.name, answer.file, answer.packet)


def _content(answer: Answer) -> tuple[frozenset[bytes], tuple[str, ...]]:
    return frozenset(answer.addresses), answer.aliases


class _Round(Struct):
    """A question as long as it is the same: first and last time (ns) it was asked, and of whom."""

    began_ns: int
    last_ns: int
    resolvers: set[Endpoint]


def _rounds(asked: Iterable[Asked]) -> dict[Question, list[_Round]]:
    """The rounds of each question, in order of time."""
    rounds: dict[Question, list[_Round]] = {}
    for one in sorted(asked, key=lambda entry: entry.time_ns):
        of_question = rounds.setdefault(one.question, [])
        if of_question and one.time_ns <= of_question[-1].last_ns + SAME_QUESTION_NS:
            of_question[-1].last_ns = one.time_ns
            of_question[-1].resolvers.add(one.resolver)
        else:
            of_question.append(_Round(one.time_ns, one.time_ns, {one.resolver}))
    return rounds


def _answered_round(one: Told, rounds: dict[Question, list[_Round]], leads: Leads) -> int | None:
    """When the question began to be asked that an answer is for, None where it was not asked."""
    time_ns = one.answer.time_ns
    of_question = rounds.get(one.question, [])
    # Node clocks may differ by a little after their offsets were removed. Whoever asks from one
    # port with one identification has as many rounds of a question as answers.
    begun = bisect_right(of_question, time_ns + SAME_QUESTION_NS, key=lambda found: found.began_ns)
    for at in reversed(range(begun)):
        found = of_question[at]
        if time_ns > found.last_ns + PATIENCE_NS:
            return None
        if one.resolver in found.resolvers or any(
            leads(one.question.protocol, resolver, one.resolver) for resolver in found.resolvers
        ):
            return found.began_ns
    return None


def _aliases(message: DnsMessage, asked: str) -> tuple[str, ...]:
    """The names behind the one asked for, in the order of the CNAMEs that lead to them."""
    aliases = {asked: None}
    for _ in range(MAX_CHAIN):
        more = [
            rr.cname.lower().rstrip(".")
            for rr in message.an
            if rr.type == CNAME and rr.name.lower().rstrip(".") in aliases
        ]
        if aliases.keys() >= set(more):
            break
        aliases.update(dict.fromkeys(more))
    return tuple(aliases)[1:]


def _addresses(message: DnsMessage, names: Iterable[str]) -> Iterator[bytes]:
    wanted = frozenset(names)
    for rr in message.an:
        if rr.name.lower().rstrip(".") not in wanted:
            continue
        if rr.type == A and len(rr.rdata) == 4:
            yield MAPPED + bytes(rr.rdata)
        elif rr.type == AAAA and len(rr.rdata) == 16:
            yield bytes(rr.rdata)
