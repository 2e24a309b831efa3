"""Odd requests of any route, the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.security.people import NO_JOB, Route

ODD = (
    "", " ", "\0", "²", "-1", "1e999", "NaN", "9" * 5_000, "[" * 5_000, "{" * 500, "../../etc/passwd",
    "%00", "%ff%fe", "\ud7ff\ue000", "\u202e", "' OR 1=1 --", "{{7*7}}", "${jndi:x}", "<script>",
    "\r\nX: y", "a" * 9_000, "null", "true", "[]", "{}", '["\\ud800"]', NO_JOB, f"{NO_JOB}\n",
    "http://[", "\x7f", "\x85", "🎵", "bytes=0-", "W/\"x\"",
)  # fmt: skip
NAMES = (
    "range", "if-range", "if-none-match", "cookie", "origin", "x-forwarded-for", "x-real-ip",
    "x-request-id", "traceparent", "idempotency-key", "x-preferred-node", "x-session-token",
    "x-tutti-lane", "x-tutti-connection", "last-event-id", "accept", "authorization", "x-api-key",
    "content-type", "sec-fetch-site", "user-agent", "referer",
)  # fmt: skip
FIELDS = (
    "prompt", "lyrics", "duration", "bpm", "key_scale", "seed", "variations", "format", "callback_url",
    "source_audio", "track", "lora", "task_id_list", "use_random_seed", "metas", "token", "key", "next",
    "caption", "batch_size",
)  # fmt: skip


QUERY = ("cursor", "state", "limit", "hours", "width", "path", "from", "prompt", "next", "download")


def requests(route: Route, *, seed: int, number: int) -> Iterator[dict[str, Any]]:
    """Odd requests of one route, the same for the same seed: the arguments of `httpx.AsyncClient.request`."""
    chance = random.Random(f"{seed}{route}")
    for _ in range(number):
        path = route.path
        if chance.random() < 0.3:
            words = [part for part in path.split("/") if part] or [""]
            words[chance.randrange(len(words))] = _quoted(chance.choice(ODD))
            path = "/" + "/".join(words)
        names = chance.sample(
            ("cursor", "state", "limit", "hours", "width", "path", "from", "prompt", "next", "x"), 3
        )
        query = "&".join(f"{name}={_quoted(chance.choice(ODD))}" for name in names)
        headers = [(name.encode(), _header(chance.choice(ODD))) for name in chance.sample(NAMES, 4)]
        request: dict[str, Any] = {"url": f"{path}?{query}"[:60_000], "headers": headers}
        if route.method == "POST":
            kind, request["content"] = _body(chance)
            headers[:] = [pair for pair in headers if pair[0] not in {b"origin", b"sec-fetch-site"}]
            headers.append((b"content-type", kind))
        yield request


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass")[:3_000], safe="[]{}%")


def _header(text: str) -> bytes:
    return bytes(byte for byte in text.encode("utf-8", "surrogatepass") if byte >= 32 and byte != 127)[:8_000]


def _body(chance: random.Random) -> tuple[bytes, bytes]:
    given: dict[str, Any] = {name: chance.choice(ODD) for name in chance.sample(FIELDS, 5)}
    given[chance.choice(FIELDS)] = chance.choice([None, 1, -1, 2**70, 1.5, [], {}, [[1]], {"a": {}}, True])
    if chance.random() < 0.5:
        given["prompt"] = "a calm piano song"
    text = json.dumps(given).encode()
    form = "&".join(f"{name}={_quoted(str(value))}" for name, value in given.items())
    return chance.choice(
        [
            (b"application/json", text),
            (b"application/json", text[: chance.randrange(len(text))]),
            (b"application/json", b"[" * 2_000),
            (b"application/x-www-form-urlencoded", form.encode()),
            (b"audio/wav", chance.randbytes(500)),
            (b"audio/flac", b"fLaC" + chance.randbytes(500)),
            (b"text/plain", text),
        ]
    )
