import datetime as dt
import json
import re
import subprocess
import sys
import time

import pytest

from observability import analytics
from observability.analytics import table
from observability.analytics.__main__ import NONE
from observability.panels import PANELS
from tests import traffic


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return traffic.day().write(tmp_path_factory.mktemp("log"))


def test_without_any_line_every_panel_is_there_and_empty(tmp_path):
    (tmp_path / "web.jsonl").write_bytes(b"")
    built = analytics.build([tmp_path / "web.jsonl"])

    assert [one.panel for one in built] == list(PANELS)
    assert all(not [row for row in one.rows if row.get("n") != 0] for one in built)
    assert analytics.report(built).count("No such lines yet.") >= len(PANELS) - 1


def test_broken_lines_and_values_are_passed_over(tmp_path):
    path = tmp_path / "worker.jsonl"
    event = b'"event":{"action":"worker.heartbeat"}'
    good = b'{"@timestamp":"2026-11-22T10:00:00Z",%b,"tutti":{"gpu":{"id":"g","busy":0.5}}}\n' % event
    path.write_bytes(good + b"torn {\n\n\xff\xfe\n[1]\n" + good.replace(b"0.5", b'"much"') + good)

    busy = next(one for one in analytics.build([path]) if one.panel.id == "load-busy")
    assert busy.rows[0]["busy"] == 0.5
    assert busy.rows[0]["beats"] >= 2


def test_only_the_time_asked_for_is_shown(paths):
    noon = traffic.DAY + dt.timedelta(hours=12)
    built = analytics.build(paths, since=noon, until=noon + dt.timedelta(hours=1))
    jobs = next(one for one in built if one.panel.id == "load-jobs")

    assert jobs.rows
    assert {row["time"] // 3_600_000 for row in jobs.rows} == {int(noon.timestamp()) // 3600}


def test_steps_of_time_grow_with_the_span(paths):
    lines, day = table.open_lines(paths, None, None)
    lines.close()
    lines, hour = table.open_lines(paths, traffic.DAY, traffic.DAY + dt.timedelta(hours=1))
    lines.close()
    assert (day, hour) == (1800, 60)


def test_the_report_is_one_file_that_needs_no_network(paths):
    text = analytics.report(analytics.build(paths), title="A </title> day")

    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert "A &lt;/title&gt; day" in text
    specs = re.findall(r'<script type="application/json" id="([a-z-]+)">(.*?)</script>', text, re.DOTALL)
    assert [name for name, _ in specs] == [panel.id for panel in PANELS]
    assert all(json.loads(spec)["data"]["values"] for _, spec in specs)


def test_drawing_happens_in_a_process_of_its_own(paths):
    hours = (time.time() - traffic.DAY.timestamp()) / 3600 + 1
    command = [sys.executable, "-m", "observability.analytics", str(hours), "640", "night", *map(str, paths)]
    drawn = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    assert set(drawn) == {panel.id for panel in PANELS}
    assert all(svg.startswith("<svg") and svg != NONE for svg in drawn.values())
