"""What networks and stores do: tried again, or one line that says what and what to do."""

from collections.abc import Callable, Iterator

import pytest

from otterize_pcap.errors import InputError, StoreError
from otterize_pcap.files import object_path, object_store, opening
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.object_path import named_path
from tests.command_tree import run_here
from tests.object_servers import (
    ACCESS_KEY,
    SECRET,
    Asked,
    Fault,
    Meddler,
    Proxy,
    environment,
    no_fault,
    put,
    s3_server,
    upload,
)
from tests.reduced.test_reduce import TUTORIAL, graph_of

CAPTURE = "s3://bkt/cap"
OTHER = "pcap/node-b.pcap"
EARLY = "or 4 seconds"
"""What is said of a store that was given up after 4 s: who tests something else waits for it."""


@pytest.fixture(scope="module")
def store() -> Iterator[Proxy]:
    """One capture in a bucket."""
    with s3_server() as proxy:
        put(proxy, "bkt")
        upload(proxy, TUTORIAL, "bkt/cap")
        yield proxy


@pytest.fixture
def s3(store: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The store; it may be slow where much else runs, so that only who hangs is given up early."""
    for name, value in environment(store).items():
        monkeypatch.setenv(name, value)
    object_path.forget()
    store.meddler = no_fault
    store.asked.clear()
    return store


def at_first(fault: Fault, times: int) -> Meddler:
    """A fault of the first answers for each object."""
    seen: dict[str, int] = {}

    def meddle(asked: Asked) -> Fault | None:
        seen[asked.path] = seen.get(asked.path, 0) + 1
        is_of_object = asked.method == "GET" and "list-type" not in asked.path
        return fault if is_of_object and seen[asked.path] <= times else None

    return meddle


def of_packets(fault: Fault) -> Meddler:
    """A fault of every answer that has one node's packets."""
    return lambda asked: fault if asked.path.endswith(OTHER) else None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(status=500),
        Fault(cut_to=3),
        Fault(wait_s=0.05),
    ],
    ids=["busy", "broken", "cut off", "slow"],
)
def test_faults_that_pass_change_nothing(s3: Proxy, fault: Fault) -> None:
    """Requests are made again, after a while, and each byte counts once."""
    s3.meddler = at_first(fault, 2)
    found = graph_of([named_path(CAPTURE)])
    assert found.replace(CAPTURE, str(TUTORIAL)) == graph_of([TUTORIAL])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=503), "no whole answer (status 503) after 5 tries, or 30 seconds"),
        (Fault(cut_to=3), "no answer after 5 tries"),
        (Fault(wait_s=6), "no answer after 5 tries, or 4 seconds"),
        (Fault(status=403), "may not be read; set AWS_ACCESS_KEY_ID"),
        (Fault(status=404), "another file than the one that was listed"),
        (Fault(headers={"etag": '"another"'}), "another file than the one that was listed"),
        (Fault(status=301), "the server sends us elsewhere"),
        (Fault(status=200), "the server sends no parts of a file"),
    ],
)
def test_an_object_that_cannot_be_read_ends_it(
    s3: Proxy, fault: Fault, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made of the rest: what a store keeps back is no damage. Nothing waits for ever."""
    if EARLY in reason:
        monkeypatch.setattr(object_store, "PATIENCE_S", 4.0)
        object_store.open_store.cache_clear()
    s3.meddler = of_packets(fault)
    with pytest.raises(StoreError) as raised:
        open_captures([CAPTURE])
    assert str(raised.value).startswith(f"{CAPTURE}/{OTHER}: {reason}")


def test_an_object_that_changes_between_listing_and_reading(s3: Proxy) -> None:
    """Whatever was listed is what is read: the store is asked for that ETag, and refuses."""
    content = (TUTORIAL / OTHER).read_bytes()

    def replaced(asked: Asked) -> Fault | None:
        if asked.path.endswith("snapshot.json"):
            s3.meddler = no_fault
            put(s3, f"bkt/cap/{OTHER}", content[:-1] + b"\0")
        return None

    s3.meddler = replaced
    try:
        with pytest.raises(StoreError, match=f"{OTHER}: another file than the one that was listed"):
            open_captures([CAPTURE])
    finally:
        put(s3, f"bkt/cap/{OTHER}", content)


def test_documents_by_url_are_bounded(s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """As files are: whoever says that it is a snapshot fills no memory."""
    assert s3.meddler is no_fault
    monkeypatch.setattr(opening, "MAX_DOCUMENT", 1 << 10)
    with pytest.raises(InputError, match="which no document needs"):
        open_captures([CAPTURE])


def test_a_stream_that_changes_in_its_middle(s3: Proxy) -> None:
    """A later range of another object is no part of this one."""
    content = bytes(1 << 20)
    put(s3, "bkt/large", content)
    with named_path("s3://bkt/large").open("rb") as stream:
        assert stream.read(10) == content[:10]
        put(s3, "bkt/large", content[:-1] + b"\1")
        with pytest.raises(StoreError, match="changed while it was read"):
            stream.read()


def nothing_is_listed(asked: Asked) -> Fault | None:
    """Nobody has the right to."""
    return Fault(status=403) if "list-type" in asked.path else None


@pytest.mark.parametrize(
    ("url", "meddler", "said"),
    [
        ("s3://bkt/none", no_fault, "there is no such file or directory; check the path"),
        ("s3://none/cap", no_fault, "there is no such file or directory; check the path"),
        (CAPTURE, lambda _: Fault(status=403), "may not be read; set AWS_ACCESS_KEY_ID and"),
        (CAPTURE, nothing_is_listed, "may not be listed; set AWS_ACCESS_KEY_ID and"),
        (CAPTURE, lambda _: Fault(status=503), "no whole answer (status 503)"),
        (CAPTURE, lambda _: Fault(wait_s=6), "no answer after 5 tries, or 4 seconds"),
    ],
    ids=["no object", "no bucket", "no right", "no right to list", "busy", "silent"],
)
@pytest.mark.parametrize("debugged", ["", "1"])
def test_failures_are_one_line_without_secrets(
    s3: Proxy,
    url: str,
    meddler: Callable[[Asked], Fault | None],
    said: str,
    debugged: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Exit code 3; neither keys nor endpoint nor signature, not even where a traceback is asked."""
    monkeypatch.setenv("OTTERIZE_DEBUG", debugged)
    if EARLY in said:
        monkeypatch.setattr(object_store, "PATIENCE_S", 4.0)
        object_store.open_store.cache_clear()
    s3.meddler = meddler
    assert run_here("intents", "list", url) == StoreError.exit_code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"otterize: {url}: {said}")
    assert err.count("\n") == 1
    for secret in (SECRET, ACCESS_KEY, "Signature", str(s3.server_address[1])):
        assert secret not in err
