"""What bad input gets: a clear error, a log line, and nothing in the ledger."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.servers.web import GOOD, Web, in_app


def body(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


DEEP = b'{"prompt": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
HUGE = body(lyrics="a" * 200_000)
BAD = {
    "a prompt too short": (body(prompt=" abc "), 422, "prompt", "at least 5"),
    "a prompt too long": (body(prompt="a" * 2_001), 422, "prompt", "2,000 are allowed"),
    "no prompt": (b"{}", 422, "prompt", "missing"),
    "a control character": (body(prompt="ring the \x07 bell"), 422, "prompt", "U+0007"),
    "a wrong type": (body(prompt=["a", "b"]), 422, "prompt", "text"),
    "a number as text": (body(duration="60"), 422, "duration", "number"),
    "a truth as number": (body(variations=True), 422, "variations", "whole number"),
    "an unknown field": (body(tempo=120), 422, "tempo", "spelling"),
    "a negative duration": (body(duration=-5), 422, "duration", "5 or more"),
    "NaN": (b'{"prompt": "a calm song", "duration": NaN}', 422, "duration", "finite"),
    "infinity": (b'{"prompt": "a calm song", "duration": 1e999}', 422, "duration", "finite"),
    "an unknown format": (body(format="ogg"), 422, "format", "'wav'"),
    "a path as format": (body(format="../../etc/passwd"), 422, "format", "'wav'"),
    "a path as upload": (
        body(task_type="cover", source_audio="../../etc/passwd"),
        422,
        "source_audio",
        "form",
    ),
    "a field that the engine does not honour": (body(steps=8), 422, "steps", "not honoured"),
    "too many variations": (body(variations=9), 422, "variations", "8 or less"),
    "a seed beyond 32 bits": (body(seed=2**32), 422, "seed", "4294967295"),
    "a callback into this machine": (body(callback_url="http://127.0.0.1/x"), 422, "callback_url", "private"),
    "a callback into a private network": (
        body(callback_url="http://10.0.0.1/x"),
        422,
        "callback_url",
        "private",
    ),
    "a callback to metadata": (body(callback_url="http://169.254.169.254/"), 422, "callback_url", "private"),
    "a callback by another scheme": (body(callback_url="file:///etc/passwd"), 422, "callback_url", "http"),
    "broken JSON": (b'{"prompt": "a calm', 400, None, "line 1"),
    "no JSON at all": (b"", 400, None, "JSON"),
    "invalid UTF-8": (b'{"prompt": "a calm \xff\xfe song"}', 400, None, "not UTF-8"),
    "half a surrogate": (b'{"prompt": "a calm \\ud800 song"}', 400, None, "JSON"),
    "deep JSON": (DEEP, 400, None, "recursion"),
    "huge JSON": (HUGE, 413, None, "184,384"),
    "a list": (b"[]", 422, "body", "object"),
    "null": (b"null", 422, "body", "object"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_get_a_clear_problem(name, tmp_path):
    content, status, field, words = BAD[name]

    async def scenario(web: Web) -> None:
        headers = {"content-type": "application/json"}
        answer = await web.client.post("/v1/jobs", content=content, headers=headers)
        problem = answer.json()
        assert answer.status_code == status, problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["type"].startswith("/problems/")
        assert words in problem["detail"]
        assert problem["trace_id"] == answer.headers["x-trace-id"]
        if field:
            assert [item["field"] for item in problem["errors"]] == [field]
        assert (await web.client.get(problem["type"], headers={"accept": "text/html"})).status_code == 200
        assert (await asyncio.to_thread(web.ledger.views.page)).jobs == []

    in_app(tmp_path, scenario)


def test_other_content_types_get_415(tmp_path):
    async def scenario(web: Web) -> None:
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
        ):
            answer = await web.client.post("/v1/jobs", content=body(), headers={"content-type": kind})
            assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported_media_type")

    in_app(tmp_path, scenario)


def test_a_body_that_lies_about_its_length_is_cut_at_the_limit(tmp_path):
    async def scenario(web: Web) -> None:
        async def chunks():
            for _ in range(100):
                yield b" " * 4_096

        answer = await web.client.post(
            "/v1/jobs", content=chunks(), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413

    in_app(tmp_path, scenario)


def test_unknown_things_are_not_found_as_problems(tmp_path):
    async def scenario(web: Web) -> None:
        unknown = "a_" + "0" * 26
        for path, kind in (
            ("/nothing", "not_found"),
            ("/v1/nothing", "not_found"),
            (f"/v1/jobs/{unknown}", "unknown_job"),
            ("/v1/jobs/..%2f..%2fetc%2fpasswd", "not_found"),
            ("/v1/jobs/nonsense", "unknown_job"),
            (f"/v1/jobs/{unknown}/events", "unknown_job"),
            (f"/songs/{unknown}", "unknown_job"),
            ("/problems/nothing", "not_found"),
        ):
            answer = await web.client.get(path)
            assert (answer.status_code, answer.json()["type"]) == (404, f"/problems/{kind}"), path

    in_app(tmp_path, scenario)


def test_a_wrong_method_is_told_the_right_ones(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.delete("/v1/jobs")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.json()["type"] == "/problems/method_not_allowed"

    in_app(tmp_path, scenario)


def test_wrong_parameters_are_named(tmp_path):
    async def scenario(web: Web) -> None:
        for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("state=lost", "state")):
            answer = await web.client.get(f"/v1/jobs?{query}")
            assert answer.status_code == 422
            assert [item["field"] for item in answer.json()["errors"]] == [field]
        assert (await web.client.get("/v1/jobs?cursor=nonsense")).status_code == 422

    in_app(tmp_path, scenario)


@pytest.mark.parametrize("key", ["", "a" * 256, "with space", "ümlaut".encode()], ids=repr)
def test_an_idempotency_key_has_to_be_visible_ascii(key, tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/v1/jobs", json=GOOD, headers={"idempotency-key": key})
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad_request")

    in_app(tmp_path, scenario)


def test_too_many_requests_get_429_and_the_pages_too(tmp_path):
    async def scenario(web: Web) -> None:
        codes = [(await web.client.post("/v1/jobs", json=GOOD)).status_code for _ in range(6)]
        assert codes == [202] * 4 + [429] * 2
        answer = await web.client.post("/generate", json=GOOD)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["type"] == "/problems/rate_limited"
        async with web.another(("198.51.100.1", 1)) as other:
            assert (await other.post("/v1/jobs", json=GOOD)).status_code == 202

    in_app(tmp_path, scenario, rate_limit="2r/m burst=3")


def test_behind_nginx_the_limit_is_nginxs(tmp_path):
    async def scenario(web: Web) -> None:
        async with web.another(None) as gateway:
            codes = {(await gateway.post("/v1/jobs", json=GOOD)).status_code for _ in range(10)}
        assert codes == {202}

    in_app(tmp_path, scenario, rate_limit="1r/m")


def test_a_full_queue_gets_503_with_retry_after(tmp_path):
    async def scenario(web: Web) -> None:
        await web.submit()
        await web.submit(prompt="another calm song")
        answer = await web.client.post("/v1/jobs", json=GOOD | {"prompt": "one too many"})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        async with asyncio.timeout(30):  # readiness is looked at once a second
            while (await web.client.get("/readyz")).status_code != 503:
                await asyncio.sleep(0.1)

    in_app(tmp_path, scenario, max_queued=2)


def test_another_sites_page_cannot_ask_for_songs(tmp_path):
    async def scenario(web: Web) -> None:
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            answer = await web.client.post("/v1/jobs", json=GOOD, headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden"), headers
        own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
        assert (await web.client.post("/v1/jobs", json=GOOD, headers=own)).status_code == 202

    in_app(tmp_path, scenario)
