"""The process that draws /analytics: kept while somebody looks, begun anew when it has gone."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import orjson
import psutil
import pytest

from observability.analytics import table
from tests.field.house import until
from web.process import drawing
from web.process.drawing import Drawing, NotDrawn


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "worker.jsonl"
    beat = {"gpu": {"id": "stage-1-0", "busy": 0.5}}
    line = {"@timestamp": dt.datetime.now(dt.UTC), "event": {"action": "worker.heartbeat"}, "tutti": beat}
    path.write_bytes(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return path


def process_of(one: Drawing) -> psutil.Process:
    assert one._process is not None
    return psutil.Process(one._process.pid)


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_one_process_draws_again_and_a_killed_one_is_begun_anew(lines: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        one = Drawing(tmp_path / "digest")
        words = ["1", "640", "day", str(lines)]
        try:
            first = await one.draw(words)
            assert first is not None
            assert "stage-1-0" in first["load-busy"]
            kept = process_of(one)
            painters = kept.children()
            assert await one.draw(words) == first
            assert process_of(one) == kept
            kept.kill()
            assert await one.draw(words) == first
            assert process_of(one) != kept
            until(lambda: not any(map(_runs, painters)))
        finally:
            await one.close()

    asyncio.run(scenario())


def test_one_that_hangs_is_ended_and_said(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SECONDS", 0.001)

    async def scenario() -> None:
        one = Drawing(tmp_path / "digest")
        with pytest.raises(NotDrawn, match="shorter time"):
            await one.draw(["1", "640", "day", str(lines)])
        assert one._process is None

    asyncio.run(scenario())


def test_too_much_to_read_is_none_and_the_process_stays(lines: Path, tmp_path: Path) -> None:
    large = tmp_path / "web.jsonl"
    with large.open("wb") as file:
        file.write(lines.read_bytes())
        file.truncate(table.AT_ONCE + (1 << 20))

    async def scenario() -> None:
        one = Drawing(tmp_path / "digest")
        try:
            assert await one.draw(["24", "640", "day", str(large)]) is None
            assert await one.draw(["24", "640", "day", str(lines)])
        finally:
            await one.close()

    asyncio.run(scenario())
