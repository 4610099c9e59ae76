"""Calls that came to nothing: who was down is called again, so no policy may be made against it."""

import pytest

from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.verdict import Gates, ReasonKind
from tests.cluster_builder import Json, Seen, attempt, call, pod, service
from tests.policies.test_sufficiency import captured, left_out, verdicts

WEB, API, DB, VIP = "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.96.0.9"
PODS: tuple[Json, ...] = (
    pod("web", WEB),
    pod("api", API, node="b", ports=[80]),
    pod("db", DB, node="b", ports=[5432]),
    service("gone", VIP, 80, selector={"app": "gone"}),
)
MET = call(f"{WEB}:40000", f"{API}:80")
ACCEPTED = Gates(accepted=frozenset({ReasonKind.ATTEMPTS}))
TO_DB = "1 attempt came to nothing and would be denied: to db.app TCP 5432"
FROM_WEB = "1 attempt came to nothing and would be denied: from web.app to TCP 5432"


@pytest.mark.parametrize("refused", [True, False])
def test_a_server_that_was_down_is_not_cut_off(*, refused: bool) -> None:
    """Neither the client's way out nor the server's way in is closed, unless that is accepted."""
    more = call(f"{API}:40000", f"{DB}:9000", 2)
    seen = [*MET, *attempt(f"{WEB}:40001", f"{DB}:5432", 1, refused=refused), *more]
    found = verdicts(captured(seen, PODS))
    assert left_out(found["web"], ReasonKind.ATTEMPTS) == [(TO_DB, (EGRESS,))]
    assert left_out(found["db"], ReasonKind.ATTEMPTS) == [(FROM_WEB, (INGRESS,))]
    assert (found["web"].policy, found["db"].policy) == (None, None)
    accepted = verdicts(captured(seen, PODS), gates=ACCEPTED)
    assert left_out(accepted["web"], ReasonKind.ATTEMPTS) == [(TO_DB, ())]
    assert [one.policy is not None for one in accepted.values()] == [True, True, True]


def test_an_attempt_that_succeeded_at_another_time_is_a_need_like_others() -> None:
    """In the same capture or in another."""
    tried = attempt(f"{WEB}:40001", f"{DB}:5432", refused=True)
    came = call(f"{WEB}:40002", f"{DB}:5432", 2)
    for captures in (
        [captured([*tried, *came], PODS)],
        [captured(part, PODS) for part in (tried, came)],
    ):
        found = verdicts(*captures)
        assert left_out(found["web"], ReasonKind.ATTEMPTS) == []
        assert left_out(found["db"], ReasonKind.ATTEMPTS) == []


def test_a_service_without_anybody_behind_it() -> None:
    """Whom its client would have reached nobody knows: its way out stays open."""
    found = verdicts(captured([*MET, *attempt(f"{WEB}:40001", f"{VIP}:80", 1)], PODS))
    ((text, out),) = left_out(found["web"], ReasonKind.ATTEMPTS)
    assert text.startswith("1 attempt came to nothing and would be denied: web.app (pod web-pod)")
    assert out == (EGRESS,)


def test_what_a_scan_finds_closed_opens_nothing_of_its_victim() -> None:
    """A port that nothing declares and no Service leads to is no way in; the scanner's is out."""
    scan: list[Seen] = [
        each
        for port in range(1, 9)
        for each in attempt(f"{WEB}:40001", f"{API}:{port}", port / 10, refused=True)
    ]
    found = verdicts(captured([*MET, *scan], PODS))
    assert left_out(found["api"], ReasonKind.ATTEMPTS) == []
    assert [text for text, _ in left_out(found["web"], ReasonKind.ATTEMPTS)] == [
        *(f"1 attempt came to nothing and would be denied: to api.app TCP {n}" for n in (1, 2, 3)),
        "5 more kinds of attempts came to nothing",
    ]
