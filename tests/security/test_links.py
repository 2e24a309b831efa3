"""Signed links: for their file, for their time, and given anew to the owner alone."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tasks.security.links import signed
from tests.security.people import finish
from tests.security.test_callers import _wav
from tests.servers.web import GOOD, Web, in_app

STRANGER = ("198.51.100.7", 4000)
LATER = 2_000_000_000 * 2


async def song(web: Web, **fields: object) -> str:
    job_id = await web.submit(**fields)
    finish(web.ledger, job_id, web.settings.storage_path, _wav())
    return job_id


def test_an_expired_link_is_not_renewed_by_who_knows_the_id(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        job_id = await song(web)
        mine = (await web.client.get(f"/v1/jobs/{job_id}")).json()["outputs"][0]["url"]
        assert "signature=" in mine
        async with web.another(STRANGER) as stranger:
            assert (await stranger.get(mine)).status_code == 200, "a link may be passed on"
            seen = [
                (await stranger.get(f"/v1/jobs/{job_id}")).text,
                (await stranger.get(f"/v1/jobs/{job_id}/events")).text,
                (await stranger.post("/query_result", json={"task_id_list": [job_id]})).text,
                (await stranger.get(f"/songs/{job_id}", headers={"accept": "text/html"})).text,
                (await stranger.get("/v1/jobs")).text,
            ]
            assert [text for text in seen if "signature=" in text or "/output/" in text] == []
            assert (await stranger.get(f"/v1/jobs/{job_id}")).json()["outputs"][0]["url"] is None
        again = (await web.client.get(f"/v1/jobs/{job_id}")).json()["outputs"][0]["url"]
        assert "signature=" in again, "what a stranger was shown is not what the owner is shown"
        theirs = await web.client.post("/query_result", json={"task_id_list": [job_id]})
        assert "signature" in orjson.loads(theirs.json()["data"][0]["result"])[0]["file"]

    in_app(tmp_path, scenario, sign_output=True)


def test_every_form_of_a_song_needs_the_signature_that_the_song_needs(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        job_id = await song(web)
        forms = [f"/output/{job_id}.wav"]
        forms += [f"/v1/jobs/{job_id}/songs/1.{kind}" for kind in ("wav", "flac", "mp3", "opus")]
        async with web.another(STRANGER) as stranger:
            for path in (*forms, f"/v1/jobs/{job_id}/peaks/1"):
                assert (await stranger.get(path)).status_code == 403, path
                gone = await stranger.get(signed(path, web.state.links.key, 1_000))
                assert (gone.status_code, gone.json()["type"]) == (410, "/problems/link_expired"), path
                assert (await stranger.get(signed(path, web.state.links.key, LATER))).status_code == 200, path
        for path in forms[1:]:
            assert (await web.client.get(path)).status_code == 200, "it is its owner's"

    in_app(tmp_path, scenario, sign_output=True)


def test_a_signature_is_of_one_path_whatever_the_host_header_says(tmp_path: Path) -> None:
    """The path was once taken out of the whole address, which begins with what the client calls us."""

    async def scenario(web: Web) -> None:
        mine, theirs = await song(web), await song(web)
        path, _, query = signed(f"/output/{mine}.wav", web.state.links.key, LATER).partition("?")
        async with web.another(STRANGER) as stranger:
            for host in (
                f"tutti.test{path}?",
                f"tutti.test{path}#",
                f"x@tutti.test{path}?",
                f"tutti.test/../{path}?",
            ):
                answer = await stranger.get(f"/output/{theirs}.wav?{query}", headers={"host": host})
                assert answer.status_code in {400, 403, 421}, host

    in_app(tmp_path, scenario, sign_output=True)


@pytest.mark.parametrize(
    "query",
    [
        "", "signature=", "expires=99999999999", "signature=x&expires=²", "signature=%ff&expires=1e9",
        "signature=x&expires=" + "9" * 5_000, "signature=x&expires=-1", "expires=9&signature=%00",
    ],
)  # fmt: skip
def test_no_odd_query_passes_for_a_signature(query: str, tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        job_id = await song(web)
        for path in (f"/output/{job_id}.wav", f"/v1/audio?path=/output/{job_id}.wav%3F"):
            joint = "" if path.endswith("%3F") else "?"
            assert (await web.client.get(f"{path}{joint}{query}")).status_code == 403
        async with web.another(STRANGER) as stranger:
            assert (await stranger.get(f"/v1/jobs/{job_id}/songs/1.mp3?{query}")).status_code == 403

    in_app(tmp_path, scenario, sign_output=True)


def test_a_song_that_two_owners_share_names_neither_to_the_other(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        first = await song(web, seed=7, callback_url="https://93.184.215.14/done?token=first")
        async with web.another(STRANGER) as other:
            second = (await other.post("/v1/jobs", json=GOOD | {"seed": 7})).json()["id"]
            look = await other.get(f"/v1/jobs/{second}")
            assert look.json()["cache_hit"] is True
            assert first not in look.text
            (output,) = look.json()["outputs"]
            assert (output["name"], output["url"]) == (f"{second}.wav", f"/output/{second}.wav")
            sound = await other.get(output["url"])
            assert sound.content == (await web.client.get(f"/output/{first}.wav")).content
            assert sound.headers["content-disposition"] == f'inline; filename="{second}.wav"'
            for path in (f"/v1/jobs/{second}/songs/1.mp3", f"/v1/jobs/{second}/peaks/1"):
                assert (await other.get(path)).status_code == 200, path
            page = await other.get(f"/songs/{second}", headers={"accept": "text/html"})
            assert f"/output/{second}.wav" in page.text
            assert first not in page.text
            unlike = f"/output/{second[:-1]}{'0' if second[-1] != '0' else '1'}.wav"
            assert (await other.get(unlike)).status_code == 404
            told = await other.get(f"/-/shared/{second}.wav")
            assert (told.status_code, "x-accel-redirect" in told.headers) == (404, False), (
                "for the gateway alone"
            )

    in_app(tmp_path, scenario)
