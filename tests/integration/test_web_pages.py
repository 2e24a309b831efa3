"""The pages as a browser without JavaScript meets them."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.servers.web import Web, in_app
from web.request.http import CONTENT_SECURITY_POLICY, SECURITY_HEADERS

HTML = {"accept": "text/html,application/xhtml+xml"}


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


async def fill(web: Web, **fields: str) -> httpx.Response:
    form = await web.client.get("/", headers=HTML)
    given = {"token": token_of(form), "prompt": "a calm piano song", "duration": "10"} | fields
    return await web.client.post("/songs", data=given, headers=HTML)


def test_the_form_leads_to_the_songs_page(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await fill(web, prompt="  a calm <b>piano</b> song  ", bpm="", seed="", key_scale="A minor")
        assert answer.status_code == 303
        job_id = answer.headers["location"].removeprefix("/songs/")
        job = web.ledger.views.get(job_id)
        assert job is not None
        assert job.request.prompt == "a calm <b>piano</b> song"
        assert (job.request.bpm, job.request.key_scale) == (None, "A minor")
        again = await web.client.get(f"/?from={job_id}", headers=HTML)
        assert str(job.request.seed) not in again.text
        page = await web.client.get(answer.headers["location"], headers=HTML)
        assert page.status_code == 200
        assert "a calm &lt;b&gt;piano&lt;/b&gt; song" in page.text
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page.text

    in_app(tmp_path, scenario)


def test_a_wrong_form_comes_back_as_it_was_filled_with_the_field_named(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await fill(web, prompt="abc", duration="5000", bpm="quick", lyrics="la la")
        assert answer.status_code == 422
        for words in (
            "The description needs at least 5 characters",
            "The length has to be 600 or less",
            "The tempo has to be a whole number",
        ):
            assert words in answer.text
        assert ">abc</textarea>" in answer.text
        assert 'value="5000"' in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert web.ledger.views.page().jobs == []

    in_app(tmp_path, scenario)


def test_a_form_without_its_token_or_session_is_refused(tmp_path):
    async def scenario(web: Web) -> None:
        assert (await fill(web, token="forged")).status_code == 403
        form = await web.client.get("/", headers=HTML)
        async with web.another() as stranger:
            given = {"token": token_of(form), "prompt": "a calm piano song"}
            assert (await stranger.post("/songs", data=given)).status_code == 403
        assert web.ledger.views.page().jobs == []

    in_app(tmp_path, scenario)


def test_the_session_cookie_is_http_only_and_lax_and_secure_over_tls(tmp_path):
    async def scenario(web: Web) -> None:
        cookie = (await web.client.get("/")).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert "set-cookie" not in (await web.client.get("/")).headers
        async with web.another(None, **{"x-forwarded-proto": "https"}) as gateway:
            assert "Secure" in (await gateway.get("/")).headers["set-cookie"]

    in_app(tmp_path, scenario)


def test_songs_belong_to_the_browser_that_asked_for_them(tmp_path):
    async def scenario(web: Web) -> None:
        job_id = (await fill(web)).headers["location"].removeprefix("/songs/")
        assert job_id in (await web.client.get("/songs", headers=HTML)).text
        assert [job["id"] for job in (await web.client.get("/v1/jobs")).json()["jobs"]] == [job_id]
        async with web.another(("198.51.100.9", 1)) as stranger:
            assert "Nothing here yet" in (await stranger.get("/songs", headers=HTML)).text
            page = await stranger.get(f"/songs/{job_id}", headers=HTML)
            assert page.status_code == 200
            assert "Cancel" not in page.text
            given = {"token": token_of(await stranger.get("/"))}
            assert (await stranger.post(f"/songs/{job_id}/cancel", data=given)).status_code == 403
            assert (await stranger.post(f"/v1/jobs/{job_id}/cancel")).status_code == 403

    in_app(tmp_path, scenario)


def test_a_waiting_song_is_cancelled_and_made_again_by_plain_forms(tmp_path):
    async def scenario(web: Web) -> None:
        page = await fill(web, seed="7")
        song = page.headers["location"]
        given = {"token": token_of(await web.client.get(song))}
        assert (await web.client.post(f"{song}/cancel", data=given)).headers["location"] == song
        text = (await web.client.get(song, headers=HTML)).text
        assert "Cancelled." in text
        assert "Try again" in text
        again = await web.client.post(f"{song}/again", data=given)
        assert again.status_code == 303
        assert again.headers["location"] != song

    in_app(tmp_path, scenario)


def test_settings_of_a_song_fill_the_form(tmp_path):
    async def scenario(web: Web) -> None:
        job_id = await web.submit(
            bpm=97, key_scale="f# minor", seed=5, variations=2, format="mp3", lyrics="[verse]"
        )
        text = (await web.client.get(f"/?from={job_id}", headers=HTML)).text
        for part in (
            'value="97"',
            "<option selected>F# minor",
            'value="mp3" selected',
            ">[verse]</textarea>",
        ):
            assert part in text
        assert (await web.client.get("/?prompt=%3Cscript%3E")).text.count("<script>") == 0

    in_app(tmp_path, scenario)


def test_the_list_goes_on_to_older_songs(tmp_path):
    async def scenario(web: Web) -> None:
        await web.client.get("/")
        ids = [await web.submit(prompt=f"song number {number}") for number in range(25)]
        first = (await web.client.get("/songs", headers=HTML)).text
        older = re.search(r'href="(/songs\?cursor=[^"]+)"', first)
        assert older
        second = (await web.client.get(older[1], headers=HTML)).text
        seen = re.findall(r'href="/songs/([a-z0-9_]+)"', first + second)
        assert seen == ids[::-1]
        assert (await web.client.get("/songs?cursor=nonsense", headers=HTML)).status_code == 400

    in_app(tmp_path, scenario)


def test_people_get_friendly_error_pages(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.get("/nothing", headers=HTML)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "There is nothing here" in answer.text
        assert answer.headers["x-trace-id"] in answer.text

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    "path", ["/", "/songs", "/docs", "/static/tutti.css", "/nothing", "/v1/jobs", "/v1/nothing"]
)
def test_every_answer_carries_the_security_headers(path, tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.get(path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert "'unsafe" not in answer.headers["content-security-policy"]

    in_app(tmp_path, scenario)


def test_pages_hold_no_inline_script_or_style_and_nothing_from_elsewhere(tmp_path):
    async def scenario(web: Web) -> None:
        song = (await fill(web)).headers["location"]
        for path in ("/", "/songs", song, "/docs", "/nothing"):
            text = (await web.client.get(path, headers=HTML)).text
            assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", text)
            assert not re.search(r"\sstyle=|<style|\son\w+=|(?:src|href)=\"(?:https?:)?//", text), path

    in_app(tmp_path, scenario)


def test_static_files_are_revalidated_and_cannot_lead_out(tmp_path):
    async def scenario(web: Web) -> None:
        first = await web.client.get("/static/form.js")
        assert first.headers["cache-control"] == "no-cache"
        assert "javascript" in first.headers["content-type"]
        again = await web.client.get("/static/form.js", headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304
        for path in (
            "/static/../render.py",
            "/static/%2e%2e/render.py",
            "/static/..%2frender.py",
            "/static/",
        ):
            assert (await web.client.get(path)).status_code == 404

    in_app(tmp_path, scenario)
