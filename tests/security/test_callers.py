"""Every route for every kind of caller: what is open, what a reader may not do, what is another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.security.people import NO_JOB, Route, finish, routes
from tests.servers.web import GOOD, Web, in_app

# What needs no key, by pattern; all else has to be refused. What is inside (KEPT) has a rule of its own.
OPEN = {
    "/livez", "/readyz", "/health", "/metrics", "/flower", "/flower/{path:path}", "/output/{name}",
    "/-/shared/{name}", "/login", "/logout", "/problems/{slug}", "/favicon.ico", "/static", "/auth/key_valid",
    "/auth/keeper",
}  # fmt: skip
KEPT = {"/metrics", "/flower", "/flower/{path:path}", "/analytics", "/analytics/{panel}.svg", "/auth/keeper"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def key(web: Web, *scopes: str) -> str:
    return web.ledger.keys.add("somebody", scopes)[1]  # type: ignore[arg-type]


def test_without_a_key_nothing_opens_but_what_is_listed(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        for token in ("", "tutti_00000000_" + "0" * 32, "x" * 5_000):
            for route in routes(web.app):
                async with web.another(**bearer(token)) as caller:
                    answer = await caller.request(route.method, route.path)
                if route.pattern in OPEN:
                    assert answer.status_code != 401 or route.pattern == "/auth/key_valid", str(route)
                else:
                    assert answer.status_code == 401, str(route)
                    assert answer.headers["www-authenticate"] == "Bearer"

    in_app(tmp_path, scenario, keys="on")


def test_a_readers_key_asks_for_nothing(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        async with web.another(**bearer(key(web, "read"))) as reader:
            for route in routes(web.app):
                if route.pattern in OPEN:
                    continue
                answer = await reader.request(route.method, route.path)
                expected = {403} if route.method in {"POST", "PUT"} else set(range(200, 500)) - {401, 403}
                if route.pattern in KEPT and route.method == "GET":
                    expected = {200}
                assert answer.status_code in expected or route.pattern == "/analytics/{panel}.svg", str(route)

    in_app(tmp_path, scenario, keys="on")


def test_what_is_inside_is_for_keepers_alone(tmp_path: Path) -> None:
    """They come from an address of theirs, or show a key of the scope admin; others' keys are of no use."""

    async def scenario(web: Web) -> None:
        for scopes in ((), ("read",), ("jobs",), ("admin",)):
            shown = bearer(key(web, *scopes)) if scopes else {}
            async with web.another(("203.0.113.9", 1), **shown) as away:
                for route in routes(web.app):
                    if route.pattern in KEPT and (scopes or route.pattern in OPEN):
                        answer = await away.request(route.method, route.path)
                        assert (answer.status_code == 403) == (scopes != ("admin",)), (scopes, str(route))

    in_app(tmp_path, scenario, keys="on")


@pytest.mark.parametrize("ended", [False, True])
def test_another_persons_job_is_looked_at_and_no_more(tmp_path: Path, ended: bool) -> None:
    async def scenario(web: Web) -> None:
        async with web.another(**bearer(key(web, "jobs"))) as ada:
            job_id = (await ada.post("/v1/jobs", json=GOOD)).json()["id"]
            if ended:
                web.ledger.submissions.cancel(job_id)
            async with web.another(**bearer(key(web, "jobs"))) as bob:
                assert (await bob.get(f"/v1/jobs/{job_id}")).status_code == 200
                for action in ("cancel", "retry"):
                    assert (await bob.post(f"/v1/jobs/{job_id}/{action}")).status_code == 403
                assert (await bob.get("/v1/jobs")).json()["jobs"] == []
            assert len((await ada.get("/v1/jobs")).json()["jobs"]) == 1
            async with web.another(**bearer(key(web, "admin"))) as admin:
                assert (await admin.post(f"/v1/jobs/{job_id}/cancel")).status_code == 200

    in_app(tmp_path, scenario, keys="on")


def test_answers_to_a_key_or_a_signature_are_kept_by_nobody_else(tmp_path: Path) -> None:
    """`public` lets a cache between give one person's answer to the next."""

    async def scenario(web: Web) -> None:
        async with web.another(**bearer(key(web, "jobs"))) as ada:
            job_id = (await ada.post("/v1/jobs", json=GOOD)).json()["id"]
            finish(web.ledger, job_id, web.settings.storage_path, _wav())
            for path in (
                f"/v1/jobs/{job_id}/peaks/1", f"/v1/jobs/{job_id}/songs/1.wav",
                f"/v1/jobs/{job_id}/songs/1.flac", f"/output/{job_id}.wav", "/v1/models",
            ):  # fmt: skip
                answer = await ada.get(path)
                assert answer.status_code == 200, path
                assert "public" not in answer.headers.get("cache-control", ""), path

    in_app(tmp_path, scenario, keys="on")


def _wav() -> bytes:
    import io

    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros((48_000, 2), np.int16), 48_000, format="WAV")
    return file.getvalue()


FOREIGN = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "nonsense"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://tutti.test.evil.example"},
    {"origin": "http://tutti.test@evil.example"},
)


def test_another_sites_page_makes_nothing_happen(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        job_id = await web.submit(prompt="its own job, to be left alone")
        posts = [route for route in routes(web.app) if route.method == "POST"]
        assert len(posts) > 10
        for route in posts:
            for headers in FOREIGN:
                assert await _forged(web, route, job_id, headers) == 403, (str(route), headers)
        assert [(job.id, job.state) for job in web.ledger.views.page().jobs] == [(job_id, "queued")]

    in_app(tmp_path, scenario)


async def _forged(web: Web, route: Route, job_id: str, headers: dict[str, str]) -> int:
    form = route.pattern.startswith(("/songs", "/login", "/logout"))
    kind = {"content-type": "audio/wav"} if "upload" in route.path else {}
    body: dict[str, Any] = {"data": {"prompt": "a calm song"}} if form else {"json": GOOD}
    answer = await web.client.post(route.path.replace(NO_JOB, job_id), headers=headers | kind, **body)
    return answer.status_code
