"""The log files as a table: the digest of old lines, and what has been written since."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from observability.analytics import lines
from observability.analytics.columns import connect, load
from observability.analytics.digest import Digest

STEPS = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800)
BUCKETS = 60
AT_ONCE = 768 << 20  # bytes of lines that a page may wait for


class TooMuch(Exception):
    """So many bytes of lines have to be read first."""


def view(
    database: duckdb.DuckDBPyConnection,
    segments: Sequence[Path],
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> int:
    """Make the view `lines` over the table `kept` and segments: `COLUMNS`, and `time` in steps.

    Args:
        database: With the table `kept`.
        segments: Parquet files, of names of ours.
        since: First time; None for the first line's.
        until: Time after the last; None for the last line's.

    Returns:
        The step of `time` in seconds.
    """
    both = "from kept"
    if segments:
        listed = ", ".join(f"'{path}'" for path in segments)
        both = f"from kept union all by name select * from read_parquet([{listed}])"  # noqa: S608 - our own names
    bounds = [f"stamp >= '{since.isoformat()}'::timestamptz"] if since else []
    bounds += [f"stamp < '{until.isoformat()}'::timestamptz"] if until else []
    within = " and ".join(bounds) or "true"
    database.execute(f"create temp view chosen as select * from ({both}) where {within}")  # noqa: S608
    step = _step(database, since, until)
    database.execute(
        f"""create temp view lines as select *,
        (epoch_ms(stamp) // {step * 1000} * {step * 1000})::bigint as time from chosen"""  # noqa: S608
    )
    return step


def _step(database: duckdb.DuckDBPyConnection, since: dt.datetime | None, until: dt.datetime | None) -> int:
    """The step that cuts the time asked for into some sixty."""
    first, last = since, until
    if first is None or last is None:
        found = database.execute("select min(stamp), max(stamp) from chosen").fetchone() or (None, None)
        first, last = first or found[0], last or found[1]
    seconds = (last - first).total_seconds() if first and last else 0
    return next((step for step in STEPS if seconds / step <= BUCKETS), STEPS[-1])


def open_lines(
    paths: Sequence[Path],
    since: dt.datetime | None,
    until: dt.datetime | None,
    digest: Path | None = None,
) -> tuple[duckdb.DuckDBPyConnection, int]:
    """Make the view `lines` over log files: a row a line, its columns those of `COLUMNS` and `time`.

    Args:
        paths: The files; none is needed.
        since: First time; None for the first line's.
        until: Time after the last; None for the last line's.
        digest: Folder of what was read before, and is not read again.

    Returns:
        The connection, and the step of `time` in seconds.

    Raises:
        TooMuch: So much has to be read first that nobody would wait for it.
    """
    kept = Digest(digest) if digest else None
    segments: list[Path] = []
    if kept is not None:
        low = since.timestamp() * 1000 if since else 0
        segments = [one.path for one in kept.segments() if one.last >= low and one.last]
        parts = kept.missing(paths, since)
        if sum(part.size for part in parts) > AT_ONCE:
            raise TooMuch(sum(part.size for part in parts))
    else:
        parts = [part for path in paths if (part := lines.part(path, since, until=until))]
    database = connect()
    with tempfile.TemporaryDirectory(prefix="tutti-analytics-") as folder:
        fresh = Path(folder, "lines.jsonl")
        with fresh.open("wb") as file:
            for part in parts:
                for block in part.wanted():
                    file.write(block)
        load(database, [fresh], None)
    return database, view(database, segments, since, until)


def rows(table: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Ask; gives each row by the names of its columns."""
    answer = table.execute(sql)
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
