"""Names: what they say of each other stays true, and what they say to people does not."""

from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.anonymise.keyed import Keyed
from otterize_pcap.anonymise.name_map import NameMap
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.stable_names import FIRST_MINUTE, LAST_MINUTE, SCHEDULED
from tests.strategies import laws

KEY = bytes(range(32))
NAMES = NameMap(KEY)
NAME = st.lists(
    st.sampled_from(
        (
            "shop",
            "web",
            "7d9f8",
            "bcdfg",
            "29712960",
            "20260131",
            "00001",
            "deployment",
            "0",
            "a1b2c3",
        )
    )
    | st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=10),
    min_size=1,
    max_size=4,
).map("-".join)
KINDS = st.sampled_from(
    (
        ("Pod", ""), ("ReplicaSet", ""), ("Job", ""), ("Deployment", ""), ("Revision", ""),
        ("ReplicationController", ""), ("StatefulSet", ""), ("Kafka", "kafka.strimzi.io"),
    )
)  # fmt: skip


@given(NAME, st.sampled_from("-._/:@"), NAME)
@laws
def test_names_are_replaced_word_by_word(first: str, sign: str, second: str) -> None:
    """A name that is put together of two becomes what those become, put together."""
    assert NAMES.name(f"{first}{sign}{second}") == f"{NAMES.name(first)}{sign}{NAMES.name(second)}"


@given(NAME, KINDS)
@laws
def test_generated_names_stay_generated(name: str, kind: tuple[str, str]) -> None:
    """Whether a name looks made by a machine is not changed (S3)."""
    before = Workload(name, "shop", kind[0], group=kind[1])
    after = Workload(NAMES.name(name), "shop", kind[0], group=kind[1])
    assert has_generated_name(after) == has_generated_name(before)


def is_scheduled(name: str) -> bool:
    """Whether a Job's name ends in the minute of its CronJob's schedule."""
    found = SCHEDULED.match(name)
    return found is not None and FIRST_MINUTE <= int(found[2]) <= LAST_MINUTE


@given(st.integers(10_000_000, 99_999_999))
@laws
def test_schedules_stay_schedules(number: int) -> None:
    """A minute of a schedule becomes another one, a date none (S3)."""
    assert is_scheduled(NAMES.name(f"report-{number}")) == is_scheduled(f"report-{number}")


@given(st.lists(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), unique=True, max_size=30))
@laws
def test_different_names_stay_different(words: list[str]) -> None:
    """No two names become one."""
    assert len({NAMES.name(word) for word in words}) == len(words)


@given(st.text(min_size=1))
@laws
def test_no_letter_of_a_chosen_word_is_copied(text: str) -> None:
    """Whatever is written in the place of a name, only ASCII words and signs come out."""
    assert all(sign.isalnum() or sign in "-._/:@" for sign in NAMES.name(text))
    assert NAMES.name(text).isascii()


def test_names_that_rules_know_are_kept() -> None:
    """What Kubernetes itself calls so stays recognisable (S24, S45)."""
    for name in ("kube-system", "kube-dns", "default", "kubernetes", "svc.cluster.local"):
        assert NAMES.name(name) == name
    assert NAMES.name("kube-proxy").startswith("kube-")
    assert NAMES.name("kube-proxy") != "kube-proxy"


def test_a_key_gives_the_same_names() -> None:
    """Two captures with one key come out alike, with two keys they do not."""
    assert NameMap(KEY).name("payments-api") == NAMES.name("payments-api")
    assert NameMap(bytes(32)).name("payments-api") != NAMES.name("payments-api")


def test_two_words_are_never_given_the_same() -> None:
    """Where two words would be given one, the second is given another."""
    names = NameMap(KEY)
    taken = names.name("first")
    names._taken[NameMap(KEY).name("second")] = "somebody"
    assert names.name("second") not in (taken, NameMap(KEY).name("second"))


def test_uids_stay_uids() -> None:
    """A UUID becomes a UUID; what somebody wrote by hand is a name (S10)."""
    uid = NAMES.uid("deee7a5f-f991-5cf8-97fa-748aa4db4836")
    assert [len(part) for part in uid.split("-")] == [8, 4, 4, 4, 12]
    assert NAMES.uid("shop/web-1") == NAMES.name("shop/web-1")


@given(st.integers(2, 5000))
@laws
def test_permutations_are_permutations(size: int) -> None:
    """Every number below a bound becomes one, and no two the same."""
    keyed = Keyed(KEY, "test")
    assert {keyed.permute(value, size) for value in range(size)} == set(range(size))
