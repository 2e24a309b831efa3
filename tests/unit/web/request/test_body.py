"""Bodies as the world sends them: packed, marked, in other charsets; and as strangers do."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from tasks.jobs import LYRICS_MAX, PROMPT_MAX, REQUEST_BYTES_MAX, JobRequest
from web.request import body
from web.request.problems import Problem

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0"))


def request(raw: bytes, kind: str = "application/json", size: int = 1_000, **headers: str) -> Request:
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)] or [b""]

    async def receive():
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    named = {"content-type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope_headers = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": "POST", "headers": scope_headers}, receive)


def read(*args, **headers) -> bytes:
    return asyncio.run(body.read_json(request(*args, **headers)))


@given(TEXT, st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_a_text_that_begins_with_a_mark_is_read_by_it(text, encoding):
    assert read(text.encode(encoding)).decode() == text


@given(st.text("äöüß éà", max_size=50), st.sampled_from(["iso-8859-1", "windows-1252", "UTF-8", '"utf-8"']))
def test_a_charset_that_is_named_is_that_of_the_text(text, named):
    raw = text.encode(named.strip('"'))
    assert read(raw, f"application/json; charset={named}").decode() == text


@given(st.binary(max_size=5_000), st.integers(1, 700), st.sampled_from(["gzip", "x-gzip", "deflate", "GZIP"]))
def test_a_packed_body_is_unpacked_however_it_arrives(raw, size, encoding):
    packed = zlib.compress(raw) if encoding == "deflate" else gzip.compress(raw)
    got = asyncio.run(body.read(request(packed, size=size, content_encoding=encoding)))
    assert got == raw


@given(st.binary(min_size=1, max_size=200))
def test_what_is_not_packed_as_it_says_is_refused_and_never_breaks(raw):
    with contextlib.suppress(Problem):
        asyncio.run(body.read(request(raw, content_encoding="gzip")))


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (gzip.compress(bytes(50_000_000)), 413),  # 50 MB in 50 kB
        (gzip.compress(b"a" * 1_000)[:-9], 400),
        (gzip.compress(b"{}") + gzip.compress(b"  "), 200),
    ],
    ids=["a bomb", "broken off", "two members"],
)
def test_packed_bodies_are_bounded_by_what_they_unpack_to(packed, status):
    try:
        assert asyncio.run(body.read(request(packed, content_encoding="gzip"))) == b"{}  "
        found = 200
    except Problem as problem:
        found = problem.kind.status
    assert found == status


def test_what_cannot_be_unpacked_or_decoded_says_what_to_do():
    with pytest.raises(Problem, match="gzip or deflate") as caught:
        read(b"x", content_encoding="br")
    assert caught.value.headers["accept-encoding"] == "gzip, deflate"
    with pytest.raises(Problem, match="send UTF-8"):
        read(b"x", "application/json; charset=klingon")
    with pytest.raises(Problem, match="not UTF-8 text"):
        read(b"\xc3\x28")
    with pytest.raises(Problem, match="not UTF-8"):
        asyncio.run(body.read_form(request(b"prompt=%E9t%E9", "application/x-www-form-urlencoded")))


@pytest.mark.parametrize("letter", ["\n", "中", "😀", "\u2028", '"'])
def test_the_longest_prompt_and_lyrics_fit_into_a_body_however_they_are_written(letter):
    fields = {"prompt": f"x{letter * (PROMPT_MAX - 2)}x", "lyrics": f"x{letter * (LYRICS_MAX - 2)}x"}
    escaped = json.dumps(fields).encode()
    form = "&".join(
        f"{key}={quote(text.replace(chr(10), chr(13) + chr(10)))}" for key, text in fields.items()
    )
    assert max(len(escaped), len(form)) <= REQUEST_BYTES_MAX
    assert JobRequest.model_validate_json(read(escaped), strict=True).lyrics
    got = asyncio.run(body.read_form(request(form.encode(), "application/x-www-form-urlencoded")))
    assert JobRequest.model_validate(got).prompt
