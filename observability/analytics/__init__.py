"""The same panels without any server: from the log files, by DuckDB, drawn by Vega-Lite."""

from observability.analytics.build import FilledPanel, build
from observability.analytics.page import report, script

__all__ = ["FilledPanel", "build", "report", "script"]
