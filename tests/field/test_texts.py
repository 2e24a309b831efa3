"""Text as the world writes it, sent to a real process."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.servers.gateway import free_port
from tests.servers.web import Process, process

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
