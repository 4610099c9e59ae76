"""Object stores: what lies there and ranges of it, by obstore, which this module alone uses.

Credentials, regions and endpoints come from the environment under the names that each store's own
tools have. No text of obstore gets into a message: it holds the whole URL, which may be signed.
"""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from msgspec import Struct

from otterize_pcap.errors import StoreError, UsageError
from otterize_pcap.extras import how_to_have
from otterize_pcap.threads import ADVICE, are_to_be_had
from otterize_pcap.timestamps import SECOND_NS

T = TypeVar("T")

SCHEMES = ("s3", "gs", "az", "https")
WITH_FOLDERS = ("s3", "gs", "az")
"""Those whose objects can be listed; what lies behind https:// cannot."""
MOST_OBJECTS = 100_000
"""Objects below one prefix; more are no capture directory."""
PATIENCE_S = 30.0
"""How long one request may take, and all tries of it together."""
CONNECT_S = 5.0
PORTION = 1 << 20
"""Bytes of an answer that are held beside those wanted: a server may send any number."""
MOST_TRIES = 5

_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
"""What says that an endpoint in the environment may be without TLS."""
_STATUS = re.compile(r"status code: (\d{3})")
_REDIRECT, _PARTLESS = "redirect", "non-partial"
"""What tells failures apart that have no status; without them, the message says less."""
PARTLESS, REDIRECTED, NOT_FOUND = 200, 302, 404
_RIGHTS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}


class ObjectState(Struct, frozen=True):
    """An object as it was when it was asked for: size in bytes, when it was changed, its ETag."""

    size: int
    changed_ns: int
    etag: str | None


class ObjectPlace(Struct, frozen=True):
    """Where an object is: `bucket` is a bucket, container or host, `query` what signs a URL."""

    scheme: str
    bucket: str
    key: str
    query: str = ""

    @property
    def url(self) -> str:
        """How it is named in messages: without its query."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.key}" if self.key else "")


def find_object(place: ObjectPlace) -> ObjectState | None:
    """An object as it is now; None where there is none.

    Raises:
        StoreError: It may not be read, or nobody answers.
        UsageError: obstore is not installed.
    """
    if not place.key:
        return None
    if place.scheme in WITH_FOLDERS:
        return _asked(place, lambda obstore, store: _state(obstore.head(store, place.key)))
    # A URL that is signed for GET is refused for HEAD.
    return _asked(place, _found_by_reading(place))


def _found_by_reading(place: ObjectPlace) -> Callable[[Any, Any], ObjectState]:
    return lambda obstore, store: _state(
        obstore.get(store, place.key, options={"range": (0, 1)}).meta
    )


def list_objects(place: ObjectPlace) -> dict[str, ObjectState]:
    """All objects below a prefix, by their keys.

    Raises:
        StoreError: They may not be listed, nobody answers, or they are too many.
        UsageError: obstore is not installed.
    """

    def listed(obstore: Any, store: Any) -> dict[str, ObjectState]:  # noqa: ANN401
        found: dict[str, ObjectState] = {}
        for some in obstore.list(store, place.key or None):
            found |= {each["path"]: _state(each) for each in some}
            if len(found) > MOST_OBJECTS:
                message = f"{place.url}: more than {MOST_OBJECTS:,} objects; name a smaller prefix"
                raise StoreError(message)
        return found

    return _asked(place, listed, "listed") or {}


def read_range(place: ObjectPlace, state: ObjectState, begin: int, end: int) -> memoryview:
    """The bytes `begin` to `end` of an object, which must be as it was.

    Raises:
        StoreError: It is another one meanwhile, may not be read, or nobody answers.
        UsageError: obstore is not installed.
    """
    options: dict[str, object] = {"range": (begin, end)}
    if state.etag is not None and not state.etag.startswith("W/"):
        options["if_match"] = state.etag

    def read(obstore: Any, store: Any) -> memoryview | None:  # noqa: ANN401
        answer = obstore.get(store, place.key, options=options)
        if not _is_same(_state(answer.meta), state):
            return None
        content, held = memoryview(bytearray(end - begin)), 0
        for some in answer.stream(PORTION):
            if held + len(some) > len(content):
                raise _no_answer(place, "it sent more than it said")
            content[held : held + len(some)] = some
            held += len(some)
        return content[:held]

    content = _asked(place, read)
    if content is None:
        raise changed(place.url)
    if len(content) != end - begin:
        raise _no_answer(place, "it sent less than it said")
    return content


def _is_same(now: ObjectState, then: ObjectState) -> bool:
    """Whether an object is the one that it was: times are told to the second, or not at all."""
    if now.etag is not None and then.etag is not None:
        return (now.size, now.etag) == (then.size, then.etag)
    return (now.size, now.changed_ns) == (then.size, then.changed_ns)


def changed(name: str) -> StoreError:
    """What was listed is not what is there."""
    return StoreError(
        f"{name}: another file than the one that was listed, or changed while it was read; wait "
        "until it is whole"
    )


def _asked(place: ObjectPlace, ask: Callable[[Any, Any], T | None], what: str = "read") -> T | None:
    """What a store answers; None where it has no such object."""
    obstore = _obstore(place)
    errors = obstore.exceptions
    # Nothing is chained: a traceback would show URLs that are signed.
    try:
        return ask(obstore, open_store(place.scheme, place.bucket, place.query))
    except (FileNotFoundError, errors.NotFoundError):
        return None
    except (errors.PermissionDeniedError, errors.UnauthenticatedError):
        error = _refused(place, what)
    except (errors.PreconditionError, errors.NotModifiedError):
        error = changed(place.url)
    except errors.NotSupportedError:
        error = _partless(place)
    except (errors.BaseError, OSError, ValueError) as raised:
        status = status_said(raised)
        if status == NOT_FOUND:
            # To list a bucket that is not there is none of the errors above.
            return None
        error = _failed(place, status, what)
    raise error from None


def _refused(place: ObjectPlace, what: str) -> StoreError:
    if place.scheme not in _RIGHTS:
        return StoreError(
            f"{place.url}: may not be {what}; give a URL that is signed and still valid"
        )
    return StoreError(
        f"{place.url}: may not be {what}; set {_RIGHTS[place.scheme]} to an account that has the "
        "right to"
    )


def status_said(error: BaseException) -> int:
    """The HTTP status that an error of obstore's tells in its text alone; 0 where it has none.

    What it says of redirects has no number.
    """
    said = str(error)
    if status := _STATUS.search(said):
        return int(status[1])
    return REDIRECTED if _REDIRECT in said else PARTLESS if _PARTLESS in said else 0


def _failed(place: ObjectPlace, status: int, what: str) -> StoreError:
    if status == PARTLESS:
        return _partless(place)
    if 300 <= status < 400:
        return StoreError(
            f"{place.url}: the server sends us elsewhere, where nothing is read; set the region "
            "of the bucket (AWS_REGION), or give the URL that it leads to"
        )
    if status in (401, 403):
        return _refused(place, what)
    return _no_answer(place, f"status {status}" if status else "")


def _partless(place: ObjectPlace) -> StoreError:
    return StoreError(
        f"{place.url}: the server sends no parts of a file, which reading needs; download it"
    )


def _no_answer(place: ObjectPlace, why: str) -> StoreError:
    told = f"no whole answer ({why})" if why else "no answer"
    return StoreError(
        f"{place.url}: {told} after {MOST_TRIES} tries, or {PATIENCE_S:.0f} seconds; is the store "
        "there, and is the environment as its own tools need it?"
    )


def _state(meta: Any) -> ObjectState:  # noqa: ANN401 - obstore's mappings
    changed_at: datetime = meta["last_modified"]
    changed_ns = int(changed_at.timestamp()) * SECOND_NS
    return ObjectState(meta["size"], changed_ns, meta["e_tag"])


def _obstore(place: ObjectPlace) -> Any:  # noqa: ANN401 - imported where it is used
    try:
        # An optional extra, and 50 ms of a start.
        obstore = import_module("obstore")
    except ImportError as error:
        message = f"{place.url}: URLs need obstore; {how_to_have('obstore')}"
        raise UsageError(message) from error
    if not has_its_thread():
        message = f"{place.url}: reading of URLs takes a thread, and none can be begun; {ADVICE}"
        raise StoreError(message)
    return obstore


@cache
def has_its_thread() -> bool:
    """Whether obstore can begin the thread that it keeps: it panics without."""
    return are_to_be_had(1)


@cache
def open_store(scheme: str, bucket: str, query: str) -> Any:  # noqa: ANN401 - one class a store
    """Where requests go to; nothing is asked yet."""
    stores = import_module("obstore.store")
    patience = timedelta(seconds=PATIENCE_S)
    ways: dict[str, Any] = {
        "client_options": {
            "timeout": patience,
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "allow_http": os.environ.get(_ALLOW_HTTP.get(scheme, ""), "").lower() in ("1", "true"),
        },
        "retry_config": {"max_retries": MOST_TRIES, "retry_timeout": patience},
    }
    if scheme == "https":
        return stores.HTTPStore.from_url(
            f"https://{bucket}/" + (f"?{query}" if query else ""), **ways
        )
    known = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}
    return known[scheme](bucket, **ways)
