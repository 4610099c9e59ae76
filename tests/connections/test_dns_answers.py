"""S50: which answers count, held against the rule as it is written, and how long that takes."""

import time
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.connections.dns_answers import (
    PATIENCE_NS,
    SAME_QUESTION_NS,
    A,
    Answer,
    Asked,
    Place,
    Question,
    Told,
    answers_asked_for,
)
from otterize_pcap.table.rows import Endpoint
from otterize_pcap.timestamps import SECOND_NS
from tests.strategies import laws

CLIENT = bytes(15) + b"\1"
SERVICE, POD, FORGER = ((bytes(15) + bytes([last]), 53) for last in (2, 3, 4))
QUESTIONS = [Question(17, (CLIENT, port), 1, "a.example", A) for port in (1000, 1001)]


def leads(_protocol: int, asked: Endpoint, answered: Endpoint) -> bool:
    """A Service's answers come from its pod."""
    return (asked, answered) == (SERVICE, POD)


def nobody(_address: bytes) -> bool:
    """No address is believed without the question."""
    return False


def asked(question: Question, resolver: Endpoint, time_ns: int) -> Asked:
    """A question to a resolver."""
    return Asked(question, resolver, Place(time_ns, "a.pcap", 1))


def told(
    question: Question, resolver: Endpoint, time_ns: int, packet: int, said: bytes = SERVICE[0]
) -> Told:
    """An answer from a resolver."""
    answer = Answer(CLIENT, question.name, (said,), time_ns, "a.pcap", packet)
    return Told(question, resolver, answer)


TIMES = st.integers(0, 80).map(lambda halves: halves * SECOND_NS // 2)
RESOLVERS = st.sampled_from([SERVICE, POD, FORGER])


def began(one: Told, questions: list[Asked]) -> int | None:
    """When the last question began that an answer can be for."""
    same = sorted({other.time_ns for other in questions if other.question == one.question})
    starts = [at for at in same if not any(at - SAME_QUESTION_NS <= old < at for old in same)]
    found = None
    for start, end in pairwise([*starts, 1 << 62]):
        last = max(at for at in same if start <= at < end)
        resolvers = {
            other.resolver
            for other in questions
            if other.question == one.question and start <= other.time_ns < end
        }
        is_in_time = start <= one.answer.time_ns + SAME_QUESTION_NS
        is_in_time &= one.answer.time_ns <= last + PATIENCE_NS
        if is_in_time and any(
            asked == one.resolver or leads(17, asked, one.resolver) for asked in resolvers
        ):
            found = start
    return found


@laws
@given(
    questions=st.lists(st.builds(asked, st.sampled_from(QUESTIONS), RESOLVERS, TIMES), max_size=12),
    answers=st.lists(
        st.tuples(st.sampled_from(QUESTIONS), RESOLVERS, TIMES, st.sampled_from([CLIENT, POD[0]])),
        max_size=12,
    ),
)
def test_answers_that_count_are_those_of_the_rule(
    questions: list[Asked], answers: list[tuple[Question, Endpoint, int, bytes]]
) -> None:
    """Of the last time that it was asked within patience, and nobody says something else."""
    claimed = [
        told(question, resolver, at, packet, said)
        for packet, (question, resolver, at, said) in enumerate(answers)
    ]
    rounds = []
    for one in claimed:
        start = began(one, questions)
        if start is not None:
            rounds.append(((one.question, start), one.answer))
    rounds.sort(key=lambda entry: entry[0])
    expected = []
    for _, found in groupby(rounds, key=lambda entry: entry[0]):
        same = [answer for _, answer in found]
        if len({answer.addresses for answer in same}) == 1:
            expected += same
    expected.sort(key=lambda answer: (answer.time_ns, answer.packet))
    assert answers_asked_for(questions, claimed, leads, nobody) == expected


OFTEN = 40_000


def test_one_question_asked_again_and_again() -> None:
    """One port and one identification for ever: 40,000 answers took half a minute."""
    times = [number * 2 * SECOND_NS for number in range(OFTEN)]
    questions = [asked(QUESTIONS[0], SERVICE, at) for at in times]
    answers = [told(QUESTIONS[0], POD, at + 1, number) for number, at in enumerate(times)]
    begun = time.process_time()
    assert len(answers_asked_for(questions, answers, leads, nobody)) == OFTEN
    assert time.process_time() - begun < 4


def test_one_question_asked_of_everybody() -> None:
    """A question to 40,000 resolvers within a second took twelve seconds."""
    resolvers = [(bytes(12) + number.to_bytes(4), 53) for number in range(OFTEN)]
    questions = [asked(QUESTIONS[0], resolver, at) for at, resolver in enumerate(resolvers)]
    answers = [told(QUESTIONS[0], resolvers[-1], OFTEN, 1)]
    begun = time.process_time()
    assert len(answers_asked_for(questions, answers, leads, nobody)) == 1
    assert time.process_time() - begun < 2
