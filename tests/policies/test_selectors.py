"""Which labels select a workload's pods and nobody else's."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.graph.generated_names import GENERATED_LABELS
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.network_policy import LabelSelector, Requirement
from otterize_pcap.policies.selectors import CHANGING, NoSelector, Selectors

WEB = Workload("web", "app", "Deployment")
API = Workload("api", "app", "Deployment")
HASH = {"pod-template-hash": "1"}


def by(**labels: str) -> LabelSelector:
    """A selector of labels."""
    return LabelSelector(tuple(sorted(labels.items())))


@pytest.mark.parametrize(
    ("web", "api", "expected"),
    [
        pytest.param([{"app": "web"}], [{"app": "api"}], by(app="web"), id="one label"),
        pytest.param(
            [{"app": "web", "tier": "front", "app.kubernetes.io/name": "web"}],
            [{"app": "api", "tier": "back", "app.kubernetes.io/name": "api"}],
            LabelSelector((("app.kubernetes.io/name", "web"),)),
            id="the recommended label before others",
        ),
        pytest.param(
            [{"app": "shop", "component": "web"}],
            [{"app": "shop", "component": "api"}],
            by(component="web"),
            id="the one that differs",
        ),
        pytest.param(
            [{"app": "shop", "role": "a"}],
            [{"app": "shop", "role": "b"}, {"app": "other", "role": "a"}],
            by(app="shop", role="a"),
            id="two where one alone is another's too",
        ),
        pytest.param(
            [{"app": "web", "version": "1"}, {"app": "web", "version": "2"}],
            [{"app": "api"}],
            by(app="web"),
            id="what all versions have",
        ),
        pytest.param(
            [{"app": "reviews", "version": "v1"}],
            [{"app": "reviews", "version": "v2"}],
            by(version="v1"),
            id="a version where nothing else differs",
        ),
        pytest.param(
            [{"app": "a", "chart": "x-1", "b": "1", "c": "1"}],
            [{"app": "a", "b": "1"}, {"app": "a", "c": "1"}, {"b": "1", "c": "1"}],
            by(app="a", b="1", c="1"),
            id="several lasting labels before one that changes",
        ),
        pytest.param(
            [{"app": "web-old"}, {"app": "web-new"}],
            [{"app": "api"}],
            LabelSelector((), (Requirement("app", "In", ("web-new", "web-old")),)),
            id="a label that changed meanwhile",
        ),
        pytest.param(
            [{"app": "shop"} | HASH],
            [{"app": "shop"} | {"pod-template-hash": "2"}],
            NoSelector(
                "no labels tell its pods from those of api (Deployment)", (("app", "shop"),)
            ),
            id="only a generated label differs",
        ),
        pytest.param([HASH], [{"app": "api"}], NoSelector("its pods have no labels"), id="none"),
        pytest.param(
            [{"a": "1"}, {"b": "1"}],
            [{"app": "api"}],
            NoSelector("its pods have no label in common"),
            id="none in common",
        ),
        pytest.param([], [], NoSelector("no pod of it is in the snapshot"), id="no pod"),
    ],
)
def test_fewest_labels_that_only_its_pods_have(
    web: list[dict[str, str]],
    api: list[dict[str, str]],
    expected: LabelSelector | NoSelector,
) -> None:
    """Generated labels never, those of a version only where nothing else does it."""
    assert Selectors({WEB: web, API: api}, {}).of(WEB) == expected


def test_owners_own_selector_is_preferred() -> None:
    """Of labels that do equally well, those that the owner selects by cannot change."""
    pods = {WEB: [{"alpha": "w", "zone": "w"}], API: [{"alpha": "a", "zone": "a"}]}
    assert Selectors(pods, {}).of(WEB) == by(alpha="w")
    assert Selectors(pods, {WEB: frozenset({"zone"})}).of(WEB) == by(zone="w")


KEYS = ("app", "app.kubernetes.io/name", "tier", "version", "pod-template-hash", "team")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from("ab"), max_size=5)
PODS = st.dictionaries(
    st.sampled_from([Workload(name, "app", "Deployment") for name in ("x", "y", "z")]),
    st.lists(LABELS, min_size=1, max_size=3),
    min_size=1,
)


@given(PODS)
def test_selector_has_all_its_pods_and_no_other(pods: dict[Workload, list[dict[str, str]]]) -> None:
    """Whatever pods are labelled: exact where there is a selector, and none only if there is."""
    selectors = Selectors(pods, {})
    for workload, own in pods.items():
        found = selectors.of(workload)
        others = [labels for other, held in pods.items() if other != workload for labels in held]
        if isinstance(found, LabelSelector):
            assert found.keys
            assert not found.keys & GENERATED_LABELS
            assert all(found.matches(labels) for labels in own)
            assert not any(found.matches(labels) for labels in others)
        else:
            assert not list(_exact(own, others, found.shared))


@given(PODS)
def test_no_smaller_set_of_lasting_labels_would_do(
    pods: dict[Workload, list[dict[str, str]]],
) -> None:
    """A selector of labels that last is as small as can be."""
    selectors = Selectors(pods, {})
    for workload, own in pods.items():
        found = selectors.of(workload)
        if not isinstance(found, LabelSelector) or found.match_expressions:
            continue
        if found.keys & CHANGING:
            continue
        others = [labels for other, held in pods.items() if other != workload for labels in held]
        lasting = [label for label in own[0].items() if label[0] not in GENERATED_LABELS | CHANGING]
        for size in range(1, len(found.match_labels)):
            assert not [
                labels for labels in combinations(lasting, size) if _is_exact(labels, own, others)
            ]


def _exact(
    own: list[dict[str, str]], others: list[dict[str, str]], shared: tuple[tuple[str, str], ...]
) -> list[tuple[tuple[str, str], ...]]:
    return [
        labels
        for size in range(1, len(shared) + 1)
        for labels in combinations(shared, size)
        if _is_exact(labels, own, others)
    ]


def _is_exact(
    labels: tuple[tuple[str, str], ...],
    own: list[dict[str, str]],
    others: list[dict[str, str]],
) -> bool:
    selector = LabelSelector(labels)
    return all(map(selector.matches, own)) and not any(map(selector.matches, others))
