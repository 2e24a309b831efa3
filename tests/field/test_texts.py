"""Text as the world writes it, sent to a real process."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.servers.gateway import free_port
from tests.servers.web import Process, process
from web.api.jobs import parse
from web.request.problems import Problem

JSON = {"Content-Type": "application/json"}
BODY = json.dumps({"prompt": "a calm piano song", "duration": 10}).encode()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with process(tmp_path_factory.mktemp("texts"), port=free_port()) as one:
        yield one


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"\xef\xbb\xbf" + BODY, {}),
        (BODY.decode().encode("utf-16"), {}),
        (gzip.compress(BODY), {"Content-Encoding": "gzip"}),
        (
            '{"prompt": "Ein müdes Lied"}'.encode("latin-1"),
            {"Content-Type": "application/json; charset=ISO-8859-1"},
        ),
        (b'{"prompt": "a calm\\u000bpiano song"}', {}),
        (json.dumps({"prompt": "a calm song", "lyrics": "中" * 10_000}).encode(), {}),
        (json.dumps({"prompt": "a calm song", "lyrics": "a\r\n" * 5_000}).encode(), {}),
    ],
    ids=["a mark", "UTF-16", "gzip", "Latin-1", "a vertical tab", "10,000 escaped letters", "CRLF"],
)
def test_a_job_is_taken(web: Process, raw: bytes, headers: dict[str, str]) -> None:
    answer = web.client.post("/v1/jobs", content=raw, headers=JSON | headers)
    assert answer.status_code == 202, answer.text


def test_a_form_with_the_longest_chinese_lyrics_is_taken(web: Process) -> None:
    with httpx.Client(base_url=web.url, timeout=60) as browser:
        token = browser.get("/").text.partition('name="token" value="')[2].partition('"')[0]
        given = {"token": token, "prompt": "古风五声音阶", "lyrics": "中文\r\n" * 3_333}
        assert browser.post("/songs", data=given).status_code == 303


def test_a_form_with_a_field_that_nobody_knows_says_so(web: Process) -> None:
    with httpx.Client(base_url=web.url, timeout=60) as browser:
        token = browser.get("/").text.partition('name="token" value="')[2].partition('"')[0]
        given = {"token": token, "prompt": "a calm piano song"}
        for more in ({"duratoin": "30"}, {"steps": "50"}):
            answer = browser.post("/songs", data=given | more)
            assert (answer.status_code, next(iter(more)) in answer.text) == (422, True)
        twice = browser.post("/songs", content=f"token={token}&prompt=a+song&prompt=another+song",
                             headers={"content-type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert twice.status_code == 400


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"prompt": "a calm song", "prompt": "another song"}', "prompt"),
        (b'{"prompt": "a calm song", "bpm": 90, "bpm": 120}', "bpm"),
    ],
)
def test_a_name_that_stands_twice_is_refused(web: Process, raw: bytes, field: str) -> None:
    answer = web.client.post("/v1/jobs", content=raw, headers=JSON)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_a_length_beside_what_sets_it_is_refused() -> None:
    source = {"task_type": "cover", "source_audio": "0" * 64}
    for given in (source, {"audio_codes": list(range(25))}):
        body = {"prompt": "a calm song", **given}
        parse(json.dumps(body).encode())
        with pytest.raises(Problem, match="duration"):
            parse(json.dumps(body | {"duration": 60.0}).encode())


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"task_type": "cover", "source_audio": "0" * 64}, "task_type"),
        ({"task_type": "extract", "source_audio": "0" * 64, "track": "vocals"}, "track"),
        ({"lora": "jazz"}, "lora"),
        ({"steps": 50}, "steps"),
        ({"guidance_scale": 3.0}, "guidance_scale"),
        ({"shift": 2.0}, "shift"),
        ({"reference_audio": "0" * 64}, "reference_audio"),
        ({"repaint_start": 2.0}, "repaint_start"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_engine_cannot_follow_is_refused_by_name(web: Process, more: dict, field: str) -> None:
    answer = web.client.post("/v1/jobs", json={"prompt": "a calm piano song"} | more)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert "engine" in answer.json()["detail"]
