"""What comes in requests: prompts, ranges, headers, cookies, signatures, callbacks."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from tests.security.fuzz.target import HEADER, TEXT, Target, says

WORDS = st.sampled_from(
    [
        "calm",
        "piano",
        "80",
        "bpm",
        "3/4",
        "A",
        "minor",
        "no",
        "drums",
        "没有",
        "鼓",
        "古筝",
        "120-140",
        "bpm",
        "rock",
        "then",
        "jazz",
        "slower",
        "and",
        "in",
        "F#",
        "with",
        "out",
        "verse",
    ]
)
PROMPT = st.one_of(st.lists(WORDS, max_size=30).map(" ".join), st.text(max_size=300))


def _prompt(text: str) -> None:
    from tasks.engines.sketch.reading import read
    from tasks.jobs import JobRequest

    try:
        request = JobRequest(prompt=text, lyrics=text)
    except ValidationError:
        return
    read(request)


def _range(text: str) -> None:
    from starlette.requests import Request

    from web.api.output import _check_range
    from web.request.problems import Problem

    scope = {"type": "http", "headers": [(b"range", text.encode("latin-1", "replace"))]}
    try:
        _check_range(Request(scope), 1_000)
    except Problem as problem:
        says(str(problem.kind.status), "416")


def _headers(text: str) -> None:
    from observability.tracing import accept_or_new
    from web.request.client import address, bucket, networks
    from web.request.hosts import Hosts
    from web.request.lane import node_of
    from web.request.neighbour import stranger
    from web.request.problems import Problem

    raw = text.encode("latin-1", "replace")
    names = (b"host", b"x-real-ip", b"x-forwarded-for", b"x-tutti-connection", b"cookie", b"forwarded")
    scope = {
        "type": "http",
        "path": "/",
        "client": None,
        "server": ("a", 1),
        "headers": [(n, raw) for n in names],
    }
    assert address(scope, networks("10.0.0.0/8"))
    bucket(text)
    stranger(scope, ())
    accept_or_new(text, "0" * 32)
    node_of(text, _signer())
    try:
        Hosts(frozenset({"localhost"})).check(scope)
    except Problem as problem:
        says("400 421", str(problem.kind.status))


def _signer() -> Any:
    from tasks.security.signer import Signer

    return Signer(b"s" * 32)


def _cookie(text: str) -> None:
    from web.request.auth import remembered

    signer = _signer()
    remembered(text, signer)
    login = remembered(signer.sign("key", text), signer)
    assert login is None or login.until > time.time()


def _signature(query: dict[str, str]) -> None:
    from tasks.security.links import expired, holds

    if holds("/output/x.wav", query, "k"):
        expired(query)


def _callback(text: str) -> None:
    from tasks.security.addresses import CallbackRefused, check_url

    for url in (text, f"http://{text}/", f"http://[{text}]/", f"http://8.8.8.8:{text}/"):
        try:
            check_url(url, resolve=False, at="80, 443")
        except CallbackRefused as refused:
            says(str(refused), "callback_url: ")


TARGETS = (
    Target("prompts", PROMPT, _prompt),
    Target("Range", HEADER, _range),
    Target("headers", HEADER, _headers),
    Target("cookies of keys", HEADER, _cookie),
    Target("signatures", st.dictionaries(st.sampled_from(["signature", "expires"]), HEADER), _signature),
    Target("callbacks", TEXT, _callback),
)
