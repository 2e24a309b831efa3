"""A month of log lines and a page about the last hour: only that is read, and nobody prints into it."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.analytics import build, lines, table
from observability.analytics.digest import Digest
from observability.coverage import behind, segments
from observability.panels import PANELS
from tests import traffic
from tests.field.house import up

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
LONG = "x" * 300


def write(path: Path, begin: dt.datetime, count: int, seconds: float, action: str = "http.request") -> None:
    """Lines in the order of time, one each some seconds."""
    with path.open("ab") as file:
        for number in range(count):
            at = begin + dt.timedelta(seconds=number * seconds)
            line = {"@timestamp": at, "event": {"action": action, "id": f"{begin}-{number}"}, "message": LONG}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))


def test_of_a_month_only_the_last_hour_is_read(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl"
    write(path, NOW - dt.timedelta(days=30), 43_200, 60)
    part = lines.part(path, NOW - dt.timedelta(hours=1))
    assert part is not None
    assert part.size < 0.01 * path.stat().st_size
    assert lines.part(path, NOW + dt.timedelta(hours=1)) is None


@given(st.integers(0, 400), st.integers(1, 900), st.integers(-2000, 400_000), st.booleans())
def test_no_line_of_the_time_asked_for_is_left_out(count: int, every: int, ago: int, torn: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "web.jsonl")
        path.touch()
        begin = NOW - dt.timedelta(seconds=count * every)
        write(path, begin, count, every, "job.accepted")
        if torn:
            path.write_bytes(path.read_bytes() + b'{"@timestamp":"2026-11-27T12:')
        since = NOW - dt.timedelta(seconds=ago)
        part = lines.part(path, since)
        found = b"".join(part.wanted()).splitlines() if part else []
        times = [dt.datetime.fromisoformat(orjson.loads(line)["@timestamp"]) for line in found]
        wanted = [at for n in range(count) if (at := begin + dt.timedelta(seconds=n * every)) >= since]
        assert times[len(times) - len(wanted) :] == wanted


def test_the_digest_says_what_the_lines_say_and_grows_with_them(tmp_path: Path) -> None:
    paths = traffic.day().write(tmp_path)
    plain = {one.panel.id: _sorted(one.rows) for one in build(paths)}
    digest = Digest(tmp_path / "digest")
    digest.update(paths[:1])
    digest.update(paths)
    assert behind(digest.folder, paths) == 0
    again = {one.panel.id: _sorted(one.rows) for one in build(paths, digest=digest.folder)}
    assert again == plain
    before = segments(digest.folder)
    renamed = paths[0].with_name("web.20261122T110452-0.jsonl")
    paths[0].rename(renamed)
    digest.update([renamed, *paths[1:]])
    assert segments(digest.folder) == before
    before[0].path.write_bytes(b"torn")
    digest.update([renamed, *paths[1:]])
    mended = {one.panel.id: _sorted(one.rows) for one in build([renamed, *paths[1:]], digest=digest.folder)}
    assert mended == plain


def _sorted(rows: list[dict]) -> list[str]:
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode() for row in rows)


def test_pieces_of_a_file_become_one(tmp_path: Path) -> None:
    path, digest = tmp_path / "worker.jsonl", Digest(tmp_path / "digest")
    for number in range(9):
        write(path, NOW + dt.timedelta(hours=number), 50, 60, "job.accepted")
        digest.update([path])
    assert len(segments(digest.folder)) < 4
    database, _ = table.open_lines([path], None, None, digest.folder)
    with database:
        assert table.rows(database, "select count(*) as n from lines") == [{"n": 450}]


def test_too_much_to_read_is_said_rather_than_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "AT_ONCE", 1000)
    write(tmp_path / "web.jsonl", NOW, 100, 60)
    with pytest.raises(table.TooMuch):
        table.open_lines([tmp_path / "web.jsonl"], None, None, tmp_path / "digest")


def test_what_a_library_prints_is_not_in_the_answer() -> None:
    code = (
        "import os; from observability.analytics.__main__ import own_output; out = own_output()\n"
        "print('a bar'); os.write(1, b'100% done'); out.write(b'{}'); out.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"{}"
    assert b"100% done" in done.stderr


def test_the_page_in_a_folder_of_odd_letters(tmp_path: Path) -> None:
    data = tmp_path / "music [prod] *"
    log = data / "log"
    log.mkdir(parents=True)
    beat = {"gpu": {"id": "stage-1-0", "busy": 0.5}}
    now = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    line = {"@timestamp": now, "event": {"action": "worker.heartbeat"}, "tutti": beat}
    (log / "worker.jsonl").write_bytes(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    write(log / "web.20261101T000000-0.jsonl", NOW - dt.timedelta(days=30), 20_000, 60)
    with up(tmp_path, data, gateway="off") as running:
        picture = httpx.get(f"{running.url}/analytics/load-busy.svg?hours=1", timeout=120)
        assert picture.status_code == 200, picture.text
        assert "stage-1-0" in picture.text
        assert (
            httpx.get(f"{running.url}/analytics/{PANELS[0].id}.svg?hours=720", timeout=120).status_code == 200
        )
