"""The rules by promtool itself, and the dashboard by the metrics that there are."""

import re
import subprocess
from pathlib import Path

import pytest

from observability import metrics
from observability.grafana.dashboard import PANELS, dashboard
from tests import needs

FOLDER = Path(__file__).parents[3] / "observability" / "prometheus"
RULES = FOLDER / "tutti.rules.yml"
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks.md"


def promtool(*arguments):
    command = [needs.program("promtool", package="prometheus"), *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)


def test_promtool_accepts_the_rules():
    done = promtool("check", "rules", RULES.name)
    assert done.returncode == 0, done.stderr


def test_the_rules_fire_when_they_should_and_only_then():
    done = promtool("test", "rules", "tutti.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_has_a_page_in_the_runbook():
    tested = (FOLDER / "tutti.test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    pages = re.findall(r"runbook: docs/runbooks.md#([\w-]+)", RULES.read_text())

    assert alerts
    assert all(tested.count(alert) >= 2 for alert in alerts)
    assert len(pages) == len(alerts)
    assert all(f"## {page}\n" in RUNBOOK.read_text() for page in pages)


def _known() -> set[str]:
    names = set(re.findall(r"^# TYPE (\w+) ", metrics.render()[0].decode(), re.MULTILINE))
    histograms = {f"{name}{end}" for name in names for end in ("_bucket", "_sum", "_count")}
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    return names | histograms | recorded


@pytest.mark.parametrize(
    "text", [RULES.read_text(), *(query for _, _, queries in PANELS for query, _ in queries)]
)
def test_only_metrics_that_exist_are_asked_for(text):
    asked = set(re.findall(r"\btutti[_:][a-z0-9_:]*[a-z0-9]", text)) - {"tutti"}
    assert asked
    assert asked <= _known()


def test_the_dashboard_has_every_panel_in_its_place():
    panels = dashboard()["panels"]

    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(PANELS)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
