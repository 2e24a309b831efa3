"""A server that stands where Kibana's HTTP API would: Kibana itself is no package and cannot run here.

It enforces what was read in Kibana's sources (the modules beside this one name file and version). Schemas
refuse unknown names, and missing ones get Kibana's defaults. An update resets what its body leaves out,
artifacts too
(x-pack/platform/plugins/shared/alerting/server/application/rule/methods/update/update_rule.ts, 027ff216:
main). The id of a rule has to be a UUID before 8.17 (elastic/kibana pull request 199119). Artifacts come
with 9.1 (216292) and are told by the internal route alone (219462) until they are told by the public one
too (247279). Saved objects conflict unless they may be overwritten.

It cannot know: whether Kibana's pages draw what was imported, what migrations make of it, whether a
rule's query runs, what a user may do (only who is signed in), and anything of a Kibana newer than was
read.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import http.server
import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

from tests.servers.kibana import schemas
from tests.servers.kibana.importing import check_object
from tests.servers.kibana.schemas import Refused

Json = dict[str, Any]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Kibana:
    """Its state, and what a test may say of it."""

    def __init__(self, version: str = "9.0.0", *, tells_artifacts: bool = False) -> None:
        self.version = version
        self.tells_artifacts = tells_artifacts
        self.encryption_key = True
        self.credentials: set[str] = set()  # values of `authorization` that are let in; none: everybody is
        self.rules: dict[str, Json] = {}
        self.objects: dict[tuple[str, str], Json] = {}
        self.requests: list[tuple[str, str]] = []
        self.url = ""

    def let_in(self, user: str, password: str) -> None:
        self.credentials.add("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")[:2]))

    @property
    def has_artifacts(self) -> bool:
        return self.number >= (9, 1)

    def answer(self, method: str, path: str, query: Json, headers: Any, body: bytes) -> tuple[int, Json]:
        self.requests.append((method, path))
        signed_in = not self.credentials or headers.get("authorization") in self.credentials
        if path == "/api/status":
            return 200, {"version": {"number": self.version}} if signed_in else {"status": {}}
        if not signed_in:
            return 401, {"statusCode": 401, "error": "Unauthorized"}
        if method != "GET" and "kbn-xsrf" not in headers:
            return 400, {"message": "Request must contain a kbn-xsrf header."}
        if (
            path.startswith("/internal/")
            and "x-elastic-internal-origin" not in headers
            and self.number >= (9, 0)
        ):
            return 400, {
                "message": f"uri [{path}] exists but is not available with the current configuration"
            }
        try:
            return self._route(method, path, query, headers, body)
        except Refused as refused:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": str(refused)}

    def _route(self, method: str, path: str, query: Json, headers: Any, body: bytes) -> tuple[int, Json]:
        if path == "/api/alerting/_health":
            return 200, {"is_sufficiently_secure": True, "has_permanent_encryption_key": self.encryption_key}
        if (method, path) == ("POST", "/api/saved_objects/_import"):
            return 200, self._import(_file(headers, body), overwrite=query.get("overwrite") == ["true"])
        rule = re.fullmatch(r"/(api|internal)/alerting/rule/([^/]+)", path)
        if rule and method == "GET":
            return self._get(rule[2], internal=rule[1] == "internal")
        if rule and rule[1] == "api":
            change = {"POST": self._create, "PUT": self._update}[method]
            return change(rule[2], json.loads(body))
        return 404, {"message": "Not Found"}

    def _get(self, name: str, *, internal: bool) -> tuple[int, Json]:
        if name not in self.rules:
            return 404, {"message": f"Saved object [alert/{name}] not found"}
        told = copy.deepcopy(self.rules[name])
        if not (internal or self.tells_artifacts) or not told.get("artifacts"):
            told.pop("artifacts", None)
        for action in told["actions"]:
            action["connector_type_id"] = ".email"
        return 200, told

    def _create(self, name: str, body: Json) -> tuple[int, Json]:
        schemas.check(body, schemas.create(self.has_artifacts))
        schemas.check_params(body["params"])
        if self.number < (8, 17) and not UUID.fullmatch(name):
            raise Refused("Predefined IDs are not allowed for saved objects with encrypted attributes")
        if name in self.rules:
            return 409, {"message": f"Saved object [alert/{name}] conflict"}
        defaults: Json = {"enabled": True, "tags": [], "actions": [], "throttle": None, "notify_when": None}
        self.rules[name] = self._kept(name, defaults | body)
        return 200, self.rules[name]

    def _update(self, name: str, body: Json) -> tuple[int, Json]:
        schemas.check(body, schemas.update(self.has_artifacts))
        schemas.check_params(body["params"])
        before = self.rules[name]
        stays = {
            key: before[key] for key in ("rule_type_id", "consumer", "enabled", "alert_delay", "flapping")
        }
        reset: Json = {"tags": [], "actions": [], "throttle": None, "notify_when": None, "artifacts": {}}
        self.rules[name] = self._kept(name, stays | reset | body)
        return 200, self.rules[name]

    def _kept(self, name: str, rule: Json) -> Json:
        """A rule as it is kept; Kibana adds these."""
        made = {"id": name, "alert_delay": None, "flapping": None, "revision": 0, "running": False} | rule
        if not self.has_artifacts:
            made.pop("artifacts", None)
        for action in made["actions"]:
            action.setdefault("uuid", str(uuid.uuid4()))
        return made

    def _import(self, text: bytes, *, overwrite: bool) -> Json:
        sent = [json.loads(line) for line in text.splitlines() if line.strip()]
        for found in sent:
            check_object(found)
        there = {(found["type"], found["id"]) for found in sent} | set(self.objects)
        errors = []
        for found in sent:
            key = (found["type"], found["id"])
            missing = [one for one in found["references"] if (one["type"], one["id"]) not in there]
            if missing:
                errors.append(
                    {"id": found["id"], "error": {"type": "missing_references", "references": missing}}
                )
            elif key in self.objects and not overwrite:
                errors.append({"id": found["id"], "type": found["type"], "error": {"type": "conflict"}})
            else:
                self.objects[key] = found
        told: Json = {"success": not errors, "successCount": len(sent) - len(errors)}
        return told | ({"errors": errors} if errors else {})


def _file(headers: Any, body: bytes) -> bytes:
    boundary = re.search(r"boundary=(\S+)", headers.get("content-type", ""))
    if not boundary:
        raise Refused("[request body.file]: expected value of type [Stream]")
    part = body.split(b"--" + boundary[1].encode())[1]
    head, _, text = part.partition(b"\r\n\r\n")
    if b'filename="' not in head or b".ndjson" not in head:
        raise Refused("Invalid file extension")
    return text


class _Handler(http.server.BaseHTTPRequestHandler):
    kibana: Kibana

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(asked.query)
        status, told = self.kibana.answer(self.command, asked.path, query, self.headers, body)
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def running(version: str = "9.0.0", **more: Any) -> Iterator[Kibana]:
    """The server on a free port of loopback."""
    kibana = Kibana(version, **more)
    handler = type("Handler", (_Handler,), {"kibana": kibana})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    kibana.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kibana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
