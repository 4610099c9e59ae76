"""Which request is which, and what a fake API server does about it."""

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.cluster.fake_store import KINDS, Json
from tests.cluster.fake_streams import Streams

PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?\Z"
)


@dataclass(frozen=True)
class Call:
    """One request, as RBAC sees it."""

    verb: str
    group: str
    resource: str
    namespace: str


class Handler(Streams):
    """One connection's requests."""

    def _serve(self, method: str) -> None:
        parsed = urlsplit(self.path)
        pairs = parse_qsl(parsed.query)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            # Who asked hung up before all was said.
            raise ConnectionAbortedError
        body = json.loads(content) if length else {}
        with self.api.changed:
            self.api.serving += 1
            watching = dict(pairs).get("watch") == "true"
            self.api.most_serving = max(self.api.most_serving, self.api.serving - watching)
        try:
            self.api.faults.before(method, parsed.path)
            for wanted, pattern, status, message in self.api.faults.refusals:
                if wanted == method and re.search(pattern, parsed.path):
                    self._status(status, "Refused", message)
                    return
            if self._fails(method, parsed.path.rpartition("/")[2]):
                return
            self._route(method, parsed.path, pairs, body)
        except ConnectionError:
            self.close_connection = True
        finally:
            with self.api.changed:
                self.api.serving -= 1

    def _fails(self, verb: str, resource: str) -> bool:
        """Whether a request was made to fail, as `Faults.failing` says."""
        fault = self.api.faults.failing.get((verb, resource))
        if fault is None:
            return False
        if isinstance(fault, int):
            self._status(fault, "Refused", f"the fault {fault}")
        elif fault == "nonsense":
            self._json(200, {"kind": "Nonsense", "items": [7], "status": [], "metadata": "x"})
        else:
            server = self.api._server
            while fault == "hang" and self.api._server is server and self.api.faults.failing:
                time.sleep(0.02)
            raise ConnectionAbortedError
        return True

    def _route(self, method: str, path: str, pairs: list[tuple[str, str]], body: Json) -> None:
        if path == "/version":
            self._json(200, {"major": "1", "minor": "32", "gitVersion": "v1.32.13"})
            return
        if path.endswith("/selfsubjectaccessreviews"):
            self._review(body)
            return
        if path == "/apis/argoproj.io/v1alpha1":
            self._json(200, {"resources": [{"name": "rollouts", "kind": "Rollout"}]})
            return
        if path == "/apis/serving.knative.dev/v1":
            self._json(200, {"resources": [{"name": "kservices", "kind": "Service"}]})
            return
        found = PATH.match(path)
        if found is None or found["plural"] not in KINDS:
            self._status(404, "NotFound", "the server could not find the requested resource")
            return
        query = dict(pairs)
        where = {key: value or "" for key, value in found.groupdict().items()}
        verb = _verb(method, where, query)
        resource = where["plural"] + (f"/{where['sub']}" if where["sub"] else "")
        call = Call(verb, where["group"], resource, where["namespace"])
        self.api.calls.append(call)
        if self._fails(verb, resource) or self._is_forbidden(call):
            return
        handler = {
            ("GET", "exec"): self._exec,
            ("GET", "log"): self._log,
        }.get((method, where["sub"]))
        if handler is not None:
            handler(where, pairs)
        elif method == "GET" and where["name"]:
            self._get(where)
        elif method == "GET" and query.get("watch") == "true":
            self._watch(where, query)
        elif method == "GET":
            self._list(where, query)
        elif method == "POST":
            self._create(where, query, body)
        else:
            self._delete(where)

    def _is_forbidden(self, call: Call) -> bool:
        """Refuse a request that RBAC does not allow."""
        if self.api.allows(call):
            return False
        self.api.refused.append(call)
        said = f'User "nobody" cannot {call.verb} resource "{call.resource}"'
        self._status(403, "Forbidden", f"{call.resource} is forbidden: {said}")
        return True

    def _review(self, body: Json) -> None:
        attributes = body["spec"]["resourceAttributes"]
        resource = attributes["resource"]
        if attributes.get("subresource"):
            resource += "/" + attributes["subresource"]
        asked = Call(attributes["verb"], attributes["group"], resource, attributes["namespace"])
        allowed = self.api.allows(asked)
        self._json(201, body | {"status": {"allowed": allowed}})

    def _get(self, where: Json) -> None:
        found = self.api.objects.get((where["plural"], where["namespace"], where["name"]))
        if found is None:
            self._not_found(where)
        else:
            self._json(200, found)

    def _list(self, where: Json, query: Json) -> None:
        kind, api_version, _ = KINDS[where["plural"]]
        with self.api.changed:
            items = [
                {key: value for key, value in found.items() if key not in {"kind", "apiVersion"}}
                for found in self.api.listed(where["plural"], where["namespace"])
                if _selected(found, query)
            ]
            version = str(self.api.version)
        start = 0
        if "continue" in query:
            version, start = json.loads(base64.b64decode(query["continue"]))
            if int(version) < self.api.oldest:
                self._status(410, "Expired", "The provided continue parameter is too old")
                return
        limit = int(query.get("limit", len(items) or 1))
        metadata: Json = {"resourceVersion": version}
        if start + limit < len(items):
            token = json.dumps([version, start + limit]).encode()
            metadata["continue"] = base64.b64encode(token).decode()
        self._json(
            200,
            {
                "kind": f"{kind}List",
                "apiVersion": api_version,
                "metadata": metadata,
                "items": items[start : start + limit],
            },
        )

    def _watch(self, where: Json, query: Json) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        for event in self._events(where["plural"], int(query["resourceVersion"])):
            self._chunk(json.dumps(event).encode() + b"\n")
            sent += event["type"] != "BOOKMARK"
            if event["type"] == "ERROR" or sent == self.api.faults.watch_breaks_after:
                self.api.faults.watch_breaks_after = None
                break
        else:
            return
        self.close_connection = True
        if event["type"] == "ERROR":
            self._chunk(b"")

    def _events(self, plural: str, since: int) -> Iterator[Json]:
        server = self.api._server
        kind, api_version, _ = KINDS[plural]
        if self.api.faults.expired_watches > 0:
            self.api.faults.expired_watches -= 1
            yield _gone(since, self.api.version)
            return
        while self.api._server is server:
            with self.api.changed:
                if since + 1 < self.api.oldest:
                    yield _gone(since, self.api.version)
                    return
                news = [event for event in self.api.history if event[0] > since]
                bookmark = self.api.version
            for _version, event, of, found in news:
                if of == plural:
                    yield {"type": event, "object": found}
            if news:
                since = bookmark
                metadata = {"resourceVersion": str(bookmark)}
                named = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
                yield {"type": "BOOKMARK", "object": named}
            with self.api.changed:
                if self.api.version == bookmark:
                    self.api.changed.wait(0.5)

    def _create(self, where: Json, query: Json, body: Json) -> None:
        body["metadata"].setdefault("namespace", where["namespace"])
        key = (where["plural"], where["namespace"], body["metadata"].get("name", ""))
        if key in self.api.objects:
            self._status(409, "AlreadyExists", f'{where["plural"]} "{key[2]}" already exists')
        elif where["plural"] == "jobs":
            self._json(201, self.api.create_job(body))
        elif query.get("dryRun") == "All":
            refusal = self.api.pod_refusal(body)
            if refusal is None:
                self._json(201, body)
            else:
                self._status(403, "Forbidden", refusal)
        else:
            self._status(405, "MethodNotAllowed", "the fake creates Jobs only")

    def _delete(self, where: Json) -> None:
        if (where["plural"], where["namespace"], where["name"]) not in self.api.objects:
            self._not_found(where)
            return
        self.api.delete_job(where["namespace"], where["name"])
        self._json(200, {"kind": "Status", "status": "Success"})


def _verb(method: str, where: Json, query: Json) -> str:
    if method == "GET" and not where["name"]:
        return "watch" if query.get("watch") == "true" else "list"
    return {"GET": "get", "POST": "create", "DELETE": "delete"}[method]


def _selected(found: Json, query: Json) -> bool:
    labels = found["metadata"].get("labels") or {}
    wanted = [part.split("=") for part in query.get("labelSelector", "").split(",") if part]
    path, _, value = query.get("fieldSelector", "").partition("=")
    field: Any = found
    for name in path.split(".") if path else ():
        field = field.get(name) or {}
    return all(labels.get(key) == wish for key, wish in wanted) and (not path or field == value)


def _gone(since: int, version: int) -> Json:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"too old resource version: {since} ({version})",
        "reason": "Expired",
        "code": 410,
    }
    return {"type": "ERROR", "object": status}
