"""HTTP as players and monitors use it: HEAD, ranges, validators; and players that go away."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.field.songs import House, house, leftovers
from tests.servers.gateway import until

LONG = 400.0  # seconds of a song whose conversion takes a while


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("players")) as one:
        yield one


def address(job_id: str, extension: str) -> str:
    return f"/v1/jobs/{job_id}/songs/1.{extension}"


def test_head_is_answered_wherever_get_is(built: House) -> None:
    job = built.song()
    of_job = [
        f"/v1/jobs/{job}{rest}" for rest in ("", "/events", "/songs/1.wav", "/songs/1.flac", "/peaks/1")
    ]
    paths = ["/", "/songs", f"/songs/{job}", "/docs", "/openapi.json", "/static/tutti.css", "/favicon.ico",
             "/livez", "/readyz", "/health", "/metrics", "/v1/jobs", "/v1/models", "/v1/stats", "/login",
             "/problems/range", f"/output/{job}.wav", "/nothing", "/v1/jobs/nothing", *of_job]  # fmt: skip
    client = built.web.client
    for path in paths:
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("content-type", "content-length", "etag", "location"):
            changes = name == "content-length" and path in {"/metrics", "/v1/jobs", "/"}
            assert changes or head.headers.get(name) == got.headers.get(name), (path, name)
    refused = client.head("/generate")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert "HEAD" in client.delete("/livez").headers["allow"]


def test_every_address_says_what_it_takes(built: House) -> None:
    for path in ("/", "/livez", "/v1/jobs", "/generate", "/static/tutti.css", f"/output/{built.song()}.wav"):
        asked, refused = built.web.client.options(path), built.web.client.delete(path)
        assert (asked.status_code, asked.content) == (204, b""), path
        assert refused.status_code == 405, path
        assert asked.headers["allow"] == f"{refused.headers['allow']}, OPTIONS", path
        assert "GET" in asked.headers["allow"] or path == "/generate", path


def test_conditions_hold_for_songs_and_for_converted_ones(built: House) -> None:
    job, client = built.song(), built.web.client
    for path in (f"/output/{job}.wav", address(job, "mp3")):
        whole = client.get(path)
        tag, changed = whole.headers["etag"], whole.headers["last-modified"]
        long_ago = "Thu, 01 Jan 1970 00:00:00 GMT"
        for headers, status in (
            ({"If-None-Match": f"W/{tag}"}, 304),
            ({"If-None-Match": f'"other", {tag}'}, 304),
            ({"If-None-Match": '"other"', "If-Modified-Since": changed}, 200),
            ({"If-Modified-Since": changed}, 304),
            ({"If-Modified-Since": long_ago}, 200),
            ({"If-Modified-Since": "yesterday"}, 200),
            ({"If-Match": tag}, 200),
            ({"If-Match": f"W/{tag}"}, 412),
            ({"If-Match": '"other"'}, 412),
            ({"If-Unmodified-Since": long_ago}, 412),
            ({"If-Unmodified-Since": changed}, 200),
            ({"Range": "bytes=0-1, 4-5"}, 206),
            ({"Range": "bytes=0-1", "If-Range": f"W/{tag}"}, 200),
            ({"Range": "bytes=0-1", "If-Range": changed}, 206),
        ):
            assert client.get(path, headers=headers).status_code == status, (path, headers)


@pytest.mark.parametrize("extension", ["mp3", "flac", "opus"])
def test_a_song_is_converted_once_and_kept_with_its_hash(built: House, extension: str) -> None:
    job, client = built.song(), built.web.client
    path = address(job, extension)
    first = client.get(path, headers={"Range": "bytes=0-1"})
    kept = built.kept(f"{job}.{extension}")
    made = kept.stat()
    assert (first.status_code, len(first.content)) == (206, 2)
    whole = client.get(path)
    digest = hashlib.sha256(whole.content).hexdigest()
    assert kept.with_name(f"{kept.name}.sha256").read_text() == digest
    assert whole.headers["etag"] == first.headers["etag"] == f'"{digest}"'
    assert kept.read_bytes() == whole.content
    part = client.get(path, headers={"Range": "bytes=10-19", "If-Range": f'"{digest}"'})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    other = client.get(path, headers={"Range": "bytes=10-19", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert client.get(path, headers={"If-None-Match": f'"{digest}"'}).status_code == 304
    for wrong in ("bytes=999999999-", "bytes=9-1", "bytes=" + "9" * 5_000 + "-", "bytes=apples"):
        assert client.get(path, headers={"Range": wrong}).status_code == 416
    for ignored in ("apples", "lines=1-2", "seconds=0-1", ""):
        answer = client.get(path, headers={"Range": ignored})
        assert (answer.status_code, answer.content) == (200, whole.content), ignored
    assert client.get(path, headers={"Range": "Bytes=0-1"}).content == whole.content[:2]
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    assert leftovers(built) == []


def test_a_hash_that_was_lost_is_found_out_again(built: House) -> None:
    job, client = built.song(), built.web.client
    tag = client.get(address(job, "mp3")).headers["etag"]
    built.kept(f"{job}.mp3.sha256").write_text("torn")
    assert client.get(address(job, "mp3")).headers["etag"] == tag


def test_many_who_want_the_same_wait_for_one_conversion(built: House) -> None:
    job = built.song(60)
    with ThreadPoolExecutor(3) as people:
        answers = list(people.map(lambda _: built.web.client.get(address(job, "mp3")), range(3)))
    assert len({(answer.status_code, answer.headers["etag"]) for answer in answers}) == 1


def leave(built: House, path: str) -> None:
    """Ask, and go away before there is an answer."""
    with socket.create_connection(("127.0.0.1", built.web.port)) as one:
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: list(built.scratch.iterdir()) or _busy(built), "the conversion has begun")


def _busy(built: House) -> bool:
    return bool(built.web.client.get("/livez").status_code)


def test_a_conversion_ends_when_its_client_has_left(built: House) -> None:
    left, short = built.song(LONG), built.song()
    leave(built, address(left, "mp3"))
    # one at a time: had the first gone on, it would be there before the second
    assert built.web.client.get(address(short, "mp3")).status_code == 200
    assert not built.kept(f"{left}.mp3").exists()
    assert leftovers(built) == []


def test_who_waits_for_many_conversions_keeps_nobody_else_from_one(built: House) -> None:
    long, short = [built.song(LONG / 4) for _ in range(9)], built.song()

    def ask(job: str) -> int:
        with built.client("127.0.0.5") as greedy:
            return greedy.get(address(job, "mp3")).status_code

    with ThreadPoolExecutor(9) as people:
        waiting = [people.submit(ask, job) for job in long]
        until(lambda: any(one.done() for one in waiting), "some are refused")
        with built.client("127.0.0.6") as other:
            assert other.get(address(short, "mp3")).status_code == 200
            assert not all(one.done() for one in waiting), "they were still waiting"
        statuses = sorted(one.result() for one in waiting)
    assert statuses == [200] * 4 + [429] * 5


def test_made_up_names_make_no_series_of_metrics(built: House) -> None:
    client = built.web.client
    job = built.song()
    client.get(address(job, "ogg0"))
    client.get(f"/output/{job}.wav0")

    def series() -> int:
        return len(re.findall(r"^tutti_http", client.get("/metrics").text, re.MULTILINE))

    client.get("/metrics")
    before = series()
    for number in range(30):
        for path in (
            address(job, f"ogg{number}"),
            f"/output/x{number}.wav",
            f"/songs/a{number}",
            f"/x/{number}",
        ):
            client.get(path)
        client.get(f"/v1/jobs/{job}/peaks/{number}")
        client.request("PROPFIND", f"/v1/jobs/x{number}/events")
    assert series() - before < 100  # a histogram has about twenty a route


def test_a_song_made_as_mp3_and_one_converted_to_it_carry_their_title(built: House) -> None:
    job = built.song(prompt="古风五声音阶，古筝与竹笛")
    data = built.web.client.get(address(job, "mp3")).content
    assert "古风五声音阶，古筝与竹笛".encode("utf-16") in data[:400]
