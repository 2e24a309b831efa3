"""Uploads as people send them: decoded at the door, bounded for each owner, and nothing left over."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.field.songs import House, house
from tests.servers.gateway import free_port, until
from tests.servers.web import process
from tests.unit.tasks.audio.sounds import mp3, tone, without_first_frame, written

WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {"upload_quota_megabytes": "3", "max_body_megabytes": "40", "engine": "acestep"}
    with house(tmp_path_factory.mktemp("uploads"), **settings) as one:
        yield one


def send(built: House, data: bytes, source: str = "127.0.0.1", **headers: str) -> httpx.Response:
    with built.client(source) as client:
        return client.post("/v1/uploads", content=data, headers=WAV | headers)


def kept(built: House) -> list[Path]:
    return [path for path in (built.web.data / "upload").glob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Dear sirs, " * 500, "no audio that is known"),
        (written(tone(6))[:44], "no sound"),
        (written(tone(2)), "lasts 2.0 s"),
        (os.urandom(2_900_000), "no "),
        (b"#EXTM3U\n/etc/passwd\n", "no audio that is known"),
    ],
    ids=["a text", "44 bytes of a wav", "two seconds", "random bytes", "a playlist"],
)
def test_what_no_job_could_use_is_refused_at_the_door(built: House, data: bytes, words: str) -> None:
    answer = send(built, data, "127.0.0.2")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid_request")
    assert words in answer.json()["detail"]
    assert hashlib.sha256(data).hexdigest() not in [path.name for path in kept(built)]


def test_the_length_is_that_of_all_the_sound(built: House) -> None:
    joined = mp3(8) + without_first_frame(mp3(9))
    answer = send(built, joined, "127.0.0.3")
    assert abs(answer.json()["seconds"] - 17) < 0.2


def test_a_packed_upload_is_the_file_inside(built: House) -> None:
    data = written(tone(7, 8_000), 8_000)
    answer = send(built, gzip.compress(data), "127.0.0.4", **{"Content-Encoding": "gzip"})
    assert answer.json()["id"] == hashlib.sha256(data).hexdigest()
    bomb = gzip.compress(bytes(100_000_000))
    assert send(built, bomb, "127.0.0.4", **{"Content-Encoding": "gzip"}).status_code in {413, 429}


def test_the_uploads_of_one_owner_are_bounded_together_and_others_are_not_hurt(built: House) -> None:
    sounds = [
        written(tone(6, 44_100, 2, pitch), 44_100) for pitch in (300, 400, 500)
    ]  # about a megabyte each
    statuses = [send(built, data, "127.0.0.5").status_code for data in sounds]
    assert statuses == [201, 201, 429]
    with built.client("127.0.0.5") as another_session:
        another_session.get("/")
        assert another_session.post("/v1/uploads", content=sounds[2], headers=WAV).status_code == 429
    assert send(built, sounds[2], "127.0.0.6").status_code == 201
    assert send(built, sounds[0], "127.0.0.6").status_code == 201


def test_two_that_arrive_together_have_no_more_room_than_one_after_the_other(built: House) -> None:
    """Each of them is measured while there is room for it, and only one of them fits."""
    sounds = [written(tone(9, 44_100, 2, pitch), 44_100) for pitch in (310, 410)]  # 1.6 MB each
    for trial in range(5):
        source = f"127.0.0.{20 + trial}"
        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(lambda data: send(built, data, source).status_code, sounds))  # noqa: B023
        assert sorted(statuses) == [201, 429]


def test_a_restart_forgets_no_upload_of_an_owner(tmp_path: Path) -> None:
    sounds = [written(tone(6, 44_100, 2, pitch), 44_100) for pitch in (300, 400, 500)]
    settings = {"upload_quota_megabytes": "3", "engine": "acestep"}
    for sound, wanted in zip(sounds, (201, 201, 429), strict=True):
        with process(tmp_path / "var", port=free_port(), **settings) as web:
            assert web.client.post("/v1/uploads", content=sound, headers=WAV).status_code == wanted


def test_nothing_is_left_of_what_breaks_off_or_is_refused(built: House) -> None:
    before = sorted(path.name for path in kept(built))
    with socket.create_connection(("127.0.0.1", built.web.port)) as one:
        head = "POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\n"
        one.sendall(f"{head}Content-Length: 2000000\r\n\r\n".encode() + bytes(500_000))
        until(lambda: len(kept(built)) > len(before), "the upload has begun")
    until(lambda: sorted(path.name for path in kept(built)) == before, "its file has gone")
    assert list(built.scratch.iterdir()) == []


def test_an_owner_sends_two_at_once_and_no_more(built: House) -> None:
    head = (
        "POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\nContent-Length: 9\r\n\r\n"
    )
    begun = []
    number = len(kept(built))
    try:
        for count in (1, 2):
            one = socket.create_connection(("127.0.0.1", built.web.port), source_address=("127.0.0.9", 0))
            one.sendall(head.encode() + b"a")
            begun.append(one)
            until(lambda: len(kept(built)) == number + count, "the upload has begun")  # noqa: B023
        assert send(built, b"x", "127.0.0.9").status_code == 429
        assert send(built, b"x", "127.0.0.10").status_code == 422
    finally:
        for one in begun:
            one.close()
