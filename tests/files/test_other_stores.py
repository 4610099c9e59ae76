"""gs:// and az://: who asks is proved as those stores have it, and faults are as those of s3://."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from otterize_pcap.errors import StoreError
from otterize_pcap.files import object_path, object_store
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.object_path import named_path
from tests import cloud_stores
from tests.cloud_stores import (
    ACCOUNT,
    CHANGED,
    EMAIL,
    KEY,
    KEY_ID,
    LIST,
    READ,
    ServiceAccount,
    Store,
    cloud_store,
    sas_token,
)
from tests.command_tree import run_here
from tests.object_servers import Asked, Fault, Meddler, Proxy, no_fault
from tests.reduced.test_reduce import TUTORIAL, graph_of

OTHER = "pcap/node-b.pcap"
KINDS = ("gs", "az")
OF_OBJECT = {"Last-Modified": CHANGED, "ETag": '"1"'}
"""What every answer about an object says."""


@dataclass(frozen=True)
class Cloud:
    """A store behind its proxy, and an account that it knows."""

    store: Store
    proxy: Proxy
    account: ServiceAccount
    file: Path

    def google(self) -> dict[str, str]:
        """What Google's tools take from the environment."""
        self.store.allows = self.account.allows
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.file)}

    def azure(self) -> dict[str, str]:
        """What Azure's tools do, of an account with its key."""
        self.store.allows = cloud_stores.allows_key
        return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}

    def azure_signed(self, rights: str = READ + LIST, hours: int = 1) -> dict[str, str]:
        """The same with a signature that was handed out."""
        self.store.allows = cloud_stores.allows_sas
        token = sas_token(rights, hours=hours)
        return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": token}


EARLY = "or 4 seconds"
"""What is said of a store that was given up after 4 s: who tests something else waits for it."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A scenario in a store."""
    account, file = ServiceAccount(), tmp_path_factory.mktemp("account") / "account.json"
    with cloud_store(TUTORIAL) as (store, proxy):
        file.write_text(account.document(f"{proxy.url}/token"))
        yield Cloud(store, proxy, account, file)


@pytest.fixture
def cloud(served: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The store, at its address."""
    for name, value in {
        "GOOGLE_BASE_URL": served.proxy.url,
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ENDPOINT": f"{served.proxy.url}/{ACCOUNT}",
        "AZURE_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    object_path.forget()
    object_store.open_store.cache_clear()
    served.proxy.meddler = no_fault
    served.proxy.asked.clear()
    return served


def use(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of an account."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


WAYS: dict[str, tuple[str, Callable[[Cloud], dict[str, str]]]] = {
    "service account": ("gs", Cloud.google),
    "account key": ("az", Cloud.azure),
    "shared access signature": ("az", Cloud.azure_signed),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_capture_of_another_store(
    way: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request proves who asks, by the environment alone; no token is asked for elsewhere."""
    kind, account = WAYS[way]
    use(account(cloud), monkeypatch)
    url = f"{kind}://bkt/cap"
    assert graph_of([named_path(url)]).replace(url, str(TUTORIAL)) == graph_of([TUTORIAL])
    assert {asked.method for asked in cloud.proxy.asked} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("kind", "environment", "said"),
    [
        (
            "gs",
            lambda cloud: cloud.google() | {"GOOGLE_APPLICATION_CREDENTIALS": str(another(cloud))},
            "may not be read; set GOOGLE_APPLICATION_CREDENTIALS",
        ),
        (
            "az",
            lambda cloud: cloud.azure() | {"AZURE_STORAGE_ACCOUNT_KEY": "YW5vdGhlcg=="},
            (
                "may not be read; set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or "
                "AZURE_STORAGE_SAS_TOKEN to an account that has the right to"
            ),
        ),
        ("az", lambda cloud: cloud.azure_signed(hours=-1), "may not be read; set AZURE_"),
        ("az", lambda cloud: cloud.azure_signed(rights=READ), "may not be listed; set AZURE_"),
    ],
    ids=["key of another account", "another key", "signature that is over", "no right to list"],
)
def test_who_may_not_is_told_so(
    kind: str,
    environment: Callable[[Cloud], dict[str, str]],
    said: str,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 3, and no secret in it."""
    chosen = environment(cloud)
    use(chosen, monkeypatch)
    assert run_here("intents", "list", f"{kind}://bkt/cap") == StoreError.exit_code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"otterize: {kind}://bkt/cap: {said}")
    assert err.count("\n") == 1
    for secret in (KEY, KEY_ID, EMAIL, "sig=", "Signature", str(cloud.proxy.server_address[1])):
        assert secret not in err


def another(cloud: Cloud) -> Path:
    """The key file of an account by the same name that the store does not know."""
    file = cloud.file.with_name("another.json")
    file.write_text(ServiceAccount().document(f"{cloud.proxy.url}/token"))
    return file


def at_first(fault: Fault, times: int) -> Meddler:
    """A fault of the first answers for each object."""
    seen: dict[str, int] = {}

    def meddle(asked: Asked) -> Fault | None:
        seen[asked.path] = seen.get(asked.path, 0) + 1
        is_of_object = asked.method == "GET" and "prefix=" not in asked.path
        return fault if is_of_object and seen[asked.path] <= times else None

    return meddle


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(status=500), Fault(cut_to=3), Fault(wait_s=0.05)],
    ids=["busy", "broken", "cut off", "slow"],
)
def test_faults_that_pass_change_nothing(
    kind: str, fault: Fault, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are made again, signed again, and each byte counts once."""
    use(cloud.google() if kind == "gs" else cloud.azure(), monkeypatch)
    cloud.proxy.meddler = at_first(fault, 2)
    url = f"{kind}://bkt/cap"
    assert graph_of([named_path(url)]).replace(url, str(TUTORIAL)) == graph_of([TUTORIAL])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=503), "no whole answer (status 503) after 5 tries, or 30 seconds"),
        (Fault(cut_to=3), "no answer after 5 tries"),
        (Fault(wait_s=6), "no answer after 5 tries, or 4 seconds"),
        (Fault(status=403), "may not be read; set "),
        (Fault(status=404), "another file than the one that was listed"),
        (Fault(status=412), "another file than the one that was listed"),
        (Fault(headers={"etag": '"another"'}), "another file than the one that was listed"),
        (Fault(status=200, headers=OF_OBJECT), "the server sends no parts of a file"),
    ],
    ids=["busy", "cut off", "silent", "refused", "gone", "refused by ETag", "ETag", "no parts"],
)
def test_an_object_that_cannot_be_read_ends_it(
    kind: str, fault: Fault, reason: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with s3://: nothing is made of the rest, and nothing waits for ever."""
    use(cloud.google() if kind == "gs" else cloud.azure(), monkeypatch)
    if EARLY in reason:
        monkeypatch.setattr(object_store, "PATIENCE_S", 4.0)
        object_store.open_store.cache_clear()
    cloud.proxy.meddler = lambda asked: fault if unquote(asked.path).endswith(OTHER) else None
    url = f"{kind}://bkt/cap"
    with pytest.raises(StoreError) as raised:
        open_captures([url])
    assert str(raised.value).startswith(f"{url}/{OTHER}: {reason}")
