"""Answers every panel from the log files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observability.analytics import table
from observability.panels import DASHBOARDS, Dashboard, Panel


@dataclass(frozen=True)
class FilledPanel:
    """One panel with its rows.

    Attributes:
        dashboard: Where it belongs.
        panel: What it asks.
        rows: The answer, without derived fields.
    """

    dashboard: Dashboard
    panel: Panel
    rows: list[dict[str, Any]]

    def spec(self, width: int | str = 640) -> dict[str, Any]:
        """The Vega-Lite spec with its data."""
        return self.panel.local_spec(self.rows, width=width)


def build(
    paths: Iterable[Path],
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    digest: Path | None = None,
) -> list[FilledPanel]:
    """Answer every panel from log files.

    Args:
        paths: JSON line files, such as all of `settings.log_path.glob("*.jsonl*")`; rotated ones too.
        since: First time, with a zone; None for all there is.
        until: Time after the last.
        digest: Folder of what was read before.

    Returns:
        The panels in the order of the dashboards.
    """
    lines, _ = table.open_lines(list(paths), since, until, digest)
    with lines:
        return [
            FilledPanel(dashboard, panel, table.rows(lines, panel.sql))
            for dashboard in DASHBOARDS
            for panel in dashboard.panels
        ]
