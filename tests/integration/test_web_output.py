"""Finished files where no nginx stands in front."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.jobs import new_job_id
from tasks.storage.folders import folder_of
from tests.servers.web import Web, in_app

CONTENT = bytes(range(256)) * 40


def put(web: Web, extension: str = "wav", suffix: str = "", *, before: bool = False) -> str:
    """A song in its folder, or in the storage's own as they were `before`."""
    name = f"{new_job_id('a')}{suffix}.{extension}"
    folder = web.settings.storage_path / (Path() if before else folder_of(name))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(CONTENT)
    return name


def test_a_song_from_before_there_were_folders_is_found(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.get(f"/output/{put(web, before=True)}")
        assert (answer.status_code, answer.content) == (200, CONTENT)

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("extension", "kind"),
    [
        ("wav", "audio/wav"),
        ("flac", "audio/flac"),
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg; codecs=opus"),
        ("mid", "audio/midi"),
    ],
)
def test_a_file_comes_with_its_type_for_ever(extension, kind, tmp_path):
    async def scenario(web: Web) -> None:
        name = put(web, extension, "-2")
        answer = await web.client.get(f"/output/{name}")
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
        saved = await web.client.get(f"/output/{name}?download")
        assert saved.headers["content-disposition"] == f'attachment; filename="{name}"'
        head = await web.client.head(f"/output/{name}")
        assert (head.headers["content-length"], head.content) == (str(len(CONTENT)), b"")

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [("bytes=0-9", 206, 0, 10), ("bytes=10230-", 206, 10_230, 10_240), ("bytes=-7", 206, 10_233, 10_240)],
)
def test_ranges_are_served(asked, status, start, end, tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.get(f"/output/{put(web)}", headers={"range": asked})
        assert (answer.status_code, answer.content) == (status, CONTENT[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"

    in_app(tmp_path, scenario)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=9-1", "bytes=a-b", "bytes=-", "bytes=-0"])
def test_a_range_that_is_not_there_is_a_problem(asked, tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.get(f"/output/{put(web)}", headers={"range": asked})
        assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range")
        assert answer.headers["content-range"] == "bytes */10240"

    in_app(tmp_path, scenario)


@pytest.mark.parametrize("asked", ["lines=1-2", "seconds=0-1", "apples", "", "bytes", "bytes 0-1"])
@pytest.mark.parametrize("more", [{}, {"if-range": "ETAG"}], ids=["alone", "if-range"])
def test_a_range_in_a_unit_that_nobody_knows_is_ignored(asked, more, tmp_path):
    async def scenario(web: Web) -> None:
        path = f"/output/{put(web)}"
        tag = (await web.client.get(path)).headers["etag"]
        headers = {"range": asked} | dict.fromkeys(more, tag)
        answer = await web.client.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert "content-range" not in answer.headers

    in_app(tmp_path, scenario)


def test_a_copy_that_is_still_good_is_not_sent_again(tmp_path):
    async def scenario(web: Web) -> None:
        path = f"/output/{put(web)}"
        tag = (await web.client.get(path)).headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = await web.client.get(path, headers={"if-none-match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert (await web.client.get(path, headers={"if-none-match": '"other"'})).status_code == 200
        resumed = await web.client.get(path, headers={"if-range": '"other"', "range": "bytes=5-"})
        assert resumed.status_code == 200

    in_app(tmp_path, scenario)


def test_path_tricks_find_nothing(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"secret")

    async def scenario(web: Web) -> None:
        good = put(web)
        for name in (
            "..%2fsecret.wav",
            "../secret",
            "%2e%2e/secret",
            "..%5csecret.wav",
            ".tutti",
            f"{good}%00.wav",
            f"{good}/",
            f"./{good}%0a",
            good.upper(),
            good.replace(".wav", "-1.wav"),
            good.replace(".wav", "-9.wav"),
            good.replace(".wav", ".exe"),
            f"{new_job_id('a')}.wav",
            f"{good}.1-1.tmp",
        ):
            answer = await web.client.get(f"/output/{name}")
            assert answer.status_code == 404, name
            assert answer.headers["content-type"] == "application/problem+json"

    in_app(tmp_path, scenario)


def test_symlinks_and_folders_are_not_files(tmp_path):
    async def scenario(web: Web) -> None:
        link, folder = f"{new_job_id('a')}.wav", f"{new_job_id('a')}.wav"
        os.symlink("/etc/passwd", web.settings.storage_path / link)  # noqa: PTH211
        os.mkdir(web.settings.storage_path / folder)  # noqa: PTH102
        for name in (link, folder):
            assert (await web.client.get(f"/output/{name}")).status_code == 404

    in_app(tmp_path, scenario)


def test_only_reading_works(tmp_path):
    async def scenario(web: Web) -> None:
        name = put(web)
        for method in ("PUT", "POST", "DELETE"):
            answer = await web.client.request(method, f"/output/{name}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")

    in_app(tmp_path, scenario)


def test_a_storage_that_vanished_makes_the_process_not_ready(tmp_path):
    async def scenario(web: Web) -> None:
        assert (await web.client.get("/readyz")).status_code == 200
        (web.settings.storage_path / ".tutti").unlink()
        web.state.pulse.at = float("-inf")
        answer = await web.client.get("/readyz")
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not_ready")
        assert "storage" in answer.json()["detail"]
        assert (await web.client.get("/livez")).status_code == 200

    in_app(tmp_path, scenario)
