"""Fates as texts and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.graph.fate import Fate, FateKind, parse_fate
from tests.strategies import FATE_TEXTS, laws

TEXTS = FATE_TEXTS | st.text(max_size=20)


@laws
@given(TEXTS)
def test_fate_text_is_lossless(text: str) -> None:
    """Whatever a document calls a fate is written again as it was read."""
    assert str(parse_fate(text)) == text


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("resolved", Fate(FateKind.RESOLVED)),
        ("ambiguous", Fate(FateKind.AMBIGUOUS)),
        ("external client", Fate(FateKind.EXTERNAL_CLIENT)),
        ("hidden: external server", Fate(FateKind.HIDDEN, "external server")),
        ("hidden: a: b", Fate(FateKind.HIDDEN, "a: b")),
        ("unresolved: node as client", Fate(FateKind.UNRESOLVED, "node as client")),
        ("undirected: no rule tells", Fate(FateKind.UNDIRECTED, "no rule tells")),
        ("not a call: loopback", Fate(FateKind.NOT_A_CALL, "loopback")),
        ("hidden", Fate(FateKind.OTHER, "hidden")),
        ("resolved: twice", Fate(FateKind.OTHER, "resolved: twice")),
        ("shelved: for now", Fate(FateKind.OTHER, "shelved: for now")),
        ("", Fate(FateKind.OTHER)),
    ],
)
def test_fates_are_known_by_their_kind(text: str, fate: Fate) -> None:
    """A kind with its reason, or without where it has none; anything else is a newer version's."""
    assert parse_fate(text) == fate


@laws
@given(st.lists(TEXTS))
def test_fates_are_in_the_order_of_their_texts(texts: list[str]) -> None:
    """Documents list fates by name, whichever kind they are."""
    assert list(map(str, sorted(map(parse_fate, texts)))) == sorted(texts)
