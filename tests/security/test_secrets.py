"""What may be seen of whom: callbacks, logins, uploads, and what the log leaves unsaid."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest

from tasks.ledger import Ledger
from tasks.security.keys import Keyring, Login
from tests.security.people import finish
from tests.security.test_callers import bearer, key
from tests.servers.player import tone
from tests.servers.web import GOOD, Web, in_app

CALLBACK = "https://93.184.215.14/done?token=geheim"
STRANGER = ("198.51.100.7", 4000)
HTML = {"accept": "text/html"}
KEY = "tutti_key_8000"  # a cookie's name at the port of the tests' client


def test_a_callbacks_address_is_shown_to_nobody_and_taken_over_by_nobody(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        job_id = await web.submit(callback_url=CALLBACK)
        async with web.another(STRANGER) as stranger:
            for caller in (web.client, stranger):
                for path in (f"/v1/jobs/{job_id}", "/v1/jobs", f"/songs/{job_id}", f"/?from={job_id}"):
                    assert "geheim" not in (await caller.get(path, headers=HTML)).text, path
            web.ledger.submissions.cancel(job_id)
            assert "geheim" not in (await stranger.get(f"/v1/jobs/{job_id}/events")).text
            page = await stranger.get(f"/songs/{job_id}", headers=HTML)
            token = re.search(r'name="token" value="([^"]+)"', page.text)
            assert token is not None
            again = await stranger.post(f"/songs/{job_id}/again", data={"token": token[1]})
            made = web.ledger.views.get(again.headers["location"].removeprefix("/songs/"))
            assert made is not None
            assert made.request.callback_url is None, (
                "a stranger's song is not told to the first one's server"
            )
        assert web.ledger.views.get(job_id).request.callback_url == CALLBACK, "it is kept"
        retried = (await web.client.post(f"/v1/jobs/{job_id}/retry")).json()["id"]
        assert web.ledger.views.get(retried).request.callback_url == CALLBACK

    in_app(tmp_path, scenario)


async def log_in(web: Web, token: str) -> str:
    """A login in this client; the cookie that it got."""
    page = await web.client.get("/login", headers=HTML)
    hidden = re.search(r'name="token" value="([^"]+)"', page.text)
    assert hidden is not None
    answer = await web.client.post("/login", data={"token": hidden[1], "key": token, "next": "/"})
    assert answer.status_code == 303
    return str(web.client.cookies[KEY])


async def log_out(web: Web) -> None:
    page = await web.client.get("/login", headers=HTML)
    hidden = re.search(r'name="token" value="([^"]+)"', page.text)
    assert hidden is not None
    assert (await web.client.post("/logout", data={"token": hidden[1]})).status_code == 303


def test_a_cookie_that_was_copied_is_of_no_use_after_logout(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        token = key(web, "jobs")
        copied, other = await log_in(web, token), ""
        async with web.another(cookie=f"{KEY}={copied}") as thief:
            assert (await thief.get("/v1/jobs")).status_code == 200
            web.client.cookies.delete(KEY)
            other = await log_in(web, token)  # the same key in another browser
            web.client.cookies.delete(KEY)
            web.client.cookies.set(KEY, copied)
            await log_out(web)
            assert (await thief.get("/v1/jobs")).status_code == 401
        async with web.another(cookie=f"{KEY}={other}") as elsewhere:
            assert (await elsewhere.get("/v1/jobs")).status_code == 200, "one logout ends one login"

    in_app(tmp_path / "1", scenario, keys="on")


def test_another_process_learns_of_a_logout_from_the_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Ledger(url) as one, Ledger(url) as another:
        here, there = Keyring(one.keys), Keyring(another.keys)
        made, _ = one.keys.add("Ada")
        login = Login(id="1", key_id=made.id, until=time.time() + 60)
        assert here.of_login(login) == made
        here.end(login)
        assert here.of_login(login) is there.of_login(login) is None


@pytest.mark.parametrize(
    "cookie", ["", "x", "²-²-²", "a-1-b", "a" * 4_000, "id-99999999999-x.AAAA", "\xff.\xff"]
)
def test_no_odd_cookie_passes_for_a_login(cookie: str, tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        for value in (cookie, web.state.signer.sign("key", cookie), web.state.signer.sign("session", cookie)):
            raw = f"{KEY}={value}".encode("utf-8", "replace")
            async with web.another() as caller:
                answer = await caller.get("/v1/jobs", headers=[(b"cookie", raw)])
                assert answer.status_code == 401

    in_app(tmp_path, scenario, keys="on")


def test_an_upload_is_its_senders_and_nobody_learns_that_it_is_here(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        sound, audio = tone(6), {"content-type": "audio/wav"}
        digest = hashlib.sha256(sound).hexdigest()
        cover = {name: value for name, value in GOOD.items() if name != "duration"} | {"task_type": "cover"}
        async with (
            web.another(**bearer(key(web, "jobs"))) as ada,
            web.another(**bearer(key(web, "jobs"))) as bob,
        ):
            never = await bob.post("/v1/jobs", json=cover | {"source_audio": "0" * 64})
            mine = await ada.post("/v1/uploads", content=sound, headers=audio)
            assert mine.json().get("id") == digest, mine.text
            for name in ("source_audio", "reference_audio"):
                body = (cover if name == "source_audio" else GOOD) | {name: digest}
                assert (await ada.post("/v1/jobs", json=body)).status_code == 202
                theirs = await bob.post("/v1/jobs", json=body)
                assert theirs.status_code == never.status_code == 422
            assert _but_id(theirs.json(), "reference") == _but_id(never.json(), "source"), (
                "the same words for both"
            )
            twice = await bob.post("/v1/uploads", content=sound, headers=audio)
            assert (twice.status_code, twice.json()) == (mine.status_code, mine.json())
            assert (await bob.post("/v1/jobs", json=cover | {"source_audio": digest})).status_code == 202
        async with web.another(**bearer(key(web, "admin"))) as admin:
            assert (await admin.post("/v1/jobs", json=cover | {"source_audio": digest})).status_code == 202

    in_app(tmp_path, scenario, keys="on", engine="acestep")


def _but_id(document: dict[str, object], field: str) -> str:
    return re.sub(r"[0-9a-f]{32}", "", str(document)).replace(field, "")


def test_marks_of_uploads_go_with_them(tmp_path: Path) -> None:
    import os

    from tasks.storage.uploads import OWNERS, Uploads

    uploads = Uploads(tmp_path)
    (received := tmp_path / ".in.tmp").write_bytes(b"sound")
    uploads.keep(received, "a" * 64, "key:1")
    assert uploads.use("a" * 64, {"key:1"})
    assert not uploads.use("a" * 64, {"key:2"})
    for path in (tmp_path / ("a" * 64), *tmp_path.glob(f"{OWNERS}/*/*")):
        os.utime(path, (1, 1))
    uploads.expire(1.0, ())
    assert list((tmp_path / OWNERS).iterdir()) == []


def test_the_log_is_silent_about_what_was_said(tmp_path: Path) -> None:
    from observability.logging import configure

    async def scenario(web: Web) -> None:
        token = key(web, "jobs")
        async with web.another(**bearer(token)) as ada:
            job_id = (
                await ada.post("/v1/jobs", json=GOOD | {"prompt": "hush hush prompt", "lyrics": "la geheim"})
            ).json()["id"]
            await ada.post("/v1/jobs", json=GOOD | {"callback_url": CALLBACK})
            await ada.post("/v1/jobs", json=GOOD | {"callback_url": "http://10.0.0.1/?token=geheim"})
            await ada.post(
                "/v1/jobs?token=geheim", content=b"{geheim", headers={"content-type": "application/json"}
            )
            finish(web.ledger, job_id)
            await ada.get(f"/output/{job_id}.wav?signature=geheim&expires=1")
        await log_in(web, token)
        await log_out(web)
        secret = token.rsplit("_", 1)[1]
        said = (tmp_path / "web.jsonl").read_text()
        assert "job.accepted" in said
        for words in ("hush hush", "geheim", secret, str(web.client.cookies["tutti_session_8000"])):
            assert words not in said, words

    configure("tutti-web", tmp_path / "web.jsonl", "debug")
    try:
        in_app(tmp_path / "data", scenario, keys="on")
    finally:
        configure("tutti-test", None, level="error")
