"""A web node that takes requests and says nothing: nobody waits for it longer than for any answer."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.gateway import House, standing, until

SILENCE = 2  # seconds that nginx waits for a node here, in place of 15
LONG = 60  # and where an answer takes work


@contextmanager
def half_silent(folder: Path, **options: object) -> Iterator[House]:
    """Two nodes, of which one is stopped: the kernel goes on taking connections for it."""
    limits = {"rate_limit": "off", "balance": "round_robin", "answer_timeout": SILENCE}
    with standing(folder, nodes=2, **limits | {"upstream_timeout": LONG} | options) as house:
        house.nodes["n1"].process.send_signal(signal.SIGSTOP)
        try:
            yield house
        finally:
            house.nodes["n1"].process.send_signal(signal.SIGCONT)


def answers(house: House, number: int, method: str = "POST", path: str = "/v1/jobs", **more) -> list[int]:
    """The statuses of so many requests at once, each on a connection of its own."""

    def ask(count: int) -> int:
        headers = {name: value.format(count) for name, value in more.items()}
        with house.client() as client:
            return client.request(method, path, headers=headers, timeout=LONG / 2).status_code

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(ask, range(number)))


def made(house: House) -> dict[str, int]:
    """How many nodes have taken each key's POST."""
    return {file.name: len(file.read_text().splitlines()) for file in house.folder.glob("job-*")}


def test_a_post_with_a_key_goes_to_the_next_node_and_makes_one_job(tmp_path: Path) -> None:
    with half_silent(tmp_path) as house:
        assert answers(house, 6, **{"Idempotency-Key": "k{}"}) == [202] * 6
        assert made(house) == {f"job-k{number}": 1 for number in range(6)}


def test_a_post_without_a_key_is_not_sent_twice_but_told_in_time(tmp_path: Path) -> None:
    with half_silent(tmp_path) as house:
        statuses = answers(house, 6)
        assert set(statuses) == {202, 504}
        refused = house.line(http__response__status_code=504)
        assert "," not in refused["tutti"]["upstream"]["address"], "no second node has heard of it"


def test_what_only_reads_goes_to_the_next_node(tmp_path: Path) -> None:
    with half_silent(tmp_path) as house:
        assert answers(house, 6, "GET", "/v1/jobs") == [200] * 6


def test_whether_a_key_is_valid_is_asked_of_the_next_node_too(tmp_path: Path) -> None:
    with half_silent(tmp_path, keys="on") as house:
        (tmp_path / "keys").write_text("good")
        headers = {"Authorization": "Bearer good", "Idempotency-Key": "k{}"}
        assert answers(house, 4, **headers) == [202] * 4


FORM = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "k{}"}
FIELDS = {"Content-Type": "application/json", "Idempotency-Key": "k{}"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/uploads", {}, 202),
        ("POST", "/release_task", FIELDS, 200),
        ("POST", "/release_task", FORM, 200),
        ("GET", "/v1/jobs/j/songs/j.mp3", {}, 200),
        ("GET", "/analytics", {}, 200),
    ],
)
def test_what_takes_work_goes_to_the_next_node_too(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """What may be sent twice: a reading, a POST with a key, an upload, which its bytes name."""
    with half_silent(tmp_path, upstream_timeout=5 * SILENCE) as house:
        assert answers(house, 4, method, path, **headers) == [status] * 4
        silent = house.line(tutti__upstream__status="504, " + str(status))
        assert silent["event"]["duration"] >= SILENCE * 10**9, "the silent node was asked first"


def test_fields_are_answered_at_once_and_only_audio_is_waited_for(tmp_path: Path) -> None:
    with half_silent(tmp_path) as house:
        assert set(answers(house, 4, path="/release_task")) == {200, 504}
        refused = house.line(http__response__status_code=504)
        assert "," not in refused["tutti"]["upstream"]["address"], "no second node has heard of it"
        assert refused["event"]["duration"] < 3 * SILENCE * 10**9


@pytest.mark.parametrize("path", ["/generate", "/v1/uploads"])
def test_where_an_answer_takes_work_it_is_waited_for(tmp_path: Path, path: str) -> None:
    """The control: the same silence, longer than any quick answer may take, is no failure there."""
    with half_silent(tmp_path) as house, ThreadPoolExecutor(1) as pool:

        def ask() -> list[httpx.Response]:
            with house.client() as client:
                return [client.post(path, timeout=LONG) for _ in range(2)]

        began, asking = time.monotonic(), pool.submit(ask)
        until(lambda: asking.done() or time.monotonic() > began + 3 * SILENCE, "the silence lasts")
        assert not asking.done()
        house.nodes["n1"].process.send_signal(signal.SIGCONT)
        assert [answer.status_code for answer in asking.result(LONG)] == [202, 202]
