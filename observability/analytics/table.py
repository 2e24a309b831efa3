"""The log files as a table: DuckDB reads the lines with the types that Elasticsearch's mappings give them."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from observability.analytics import lines
from observability.elastic.templates import PROPERTIES

TYPES = {
    "keyword": "VARCHAR",
    "text": "VARCHAR",
    "ip": "VARCHAR",
    "date": "TIMESTAMPTZ",
    "long": "BIGINT",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}
STEPS = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800)
BUCKETS = 60
MEMORY = "256MB"
AT_ONCE = 768 << 20  # bytes of lines that a page may wait for
COLUMNS = {
    "action": "event.action",
    "outcome": "event.outcome",
    "duration": "event.duration",
    "host": "host.name",
    "ip": "source.ip",
    "job": "tutti.job.id",
    "key_id": "tutti.key.id",
    "chars": "tutti.prompt.chars",
    "hmac": "tutti.prompt.hmac",
    "audio": "tutti.audio.seconds",
    "engine": "tutti.engine",
    "lane": "tutti.lane",
    "gpu": "tutti.gpu.id",
    "busy": "tutti.gpu.busy",
    "memory": "tutti.gpu.memory",
    "temperature": "tutti.gpu.temperature",
    "cause": 'tutti.error."class"',
    "ours": "tutti.error.ours",
    "reason": "tutti.reason",
    "hit": "tutti.cache.hit",
    "saved": "tutti.cache.saved_seconds",
    "queue": "tutti.queue",
    "oldest": "tutti.queued.oldest_seconds",
    **{
        f"in_{stage}": f"tutti.timings.{stage}"
        for stage in PROPERTIES["tutti"]["properties"]["timings"]["properties"]
    },
}


class TooMuch(Exception):
    """So many bytes of lines have to be read first."""


def _type(mapping: dict[str, Any]) -> str:
    if "properties" in mapping:
        inside = ", ".join(f'"{name}" {_type(below)}' for name, below in mapping["properties"].items())
        return f"STRUCT({inside})"
    return TYPES[mapping["type"]]


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory that prints nothing: its progress bar would come between what we print."""
    database = duckdb.connect()
    database.execute("set enable_progress_bar = false; set timezone = 'UTC'; set threads = 2")
    database.execute(f"set memory_limit = '{MEMORY}'; set preserve_insertion_order = false")
    return database


def load(database: duckdb.DuckDBPyConnection, files: Sequence[Path], target: str | None) -> None:
    """Read lines into the table `kept`, or with `target` into a Parquet file, as the columns of `COLUMNS`.

    Lines that are no JSON, and values that do not fit their type, are passed over as Elasticsearch does it.
    The files have names of ours, without letters that DuckDB takes for a pattern.
    """
    columns = {
        name: _type(mapping)
        for name, mapping in PROPERTIES.items()
        if name in {"@timestamp", "event", "host", "source", "tutti"}
    }
    chosen = ", ".join(f'{path} as "{name}"' for name, path in COLUMNS.items())
    read = (
        "read_json(?, format='newline_delimited', ignore_errors=true, columns=?, maximum_object_size=4194304)"
    )
    there = [str(path) for path in files if path.stat().st_size]
    if there:
        query = f'select "@timestamp" as stamp, {chosen} from {read}'  # noqa: S608 - names of this module
        values: list[Any] = [there, columns]
    else:
        described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        database.execute(f"create temp table raw ({described})")
        query, values = f'select "@timestamp" as stamp, {chosen} from raw', []  # noqa: S608
    if target is None:
        database.execute(f"create temp table kept as {query}", values)
    else:
        database.execute(f"copy ({query}) to '{target}' (format parquet, compression zstd)", values)


def span(database: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """First and last time in a Parquet file, in milliseconds; zeros where it holds nothing."""
    query = "select epoch_ms(min(stamp)), epoch_ms(max(stamp)) from read_parquet(?)"
    first, last = database.execute(query, [[str(path)]]).fetchone() or (None, None)
    return int(first or 0), int(last or 0)


def merge(database: duckdb.DuckDBPyConnection, paths: Sequence[Path], target: Path) -> None:
    """Make one Parquet file of several."""
    query = f"copy (from read_parquet(?)) to '{target}' (format parquet, compression zstd)"
    database.execute(query, [[str(path) for path in paths]])


def view(
    database: duckdb.DuckDBPyConnection,
    segments: Sequence[Path],
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> int:
    """Make the view `lines` over the table `kept` and segments: `COLUMNS`, and `time` in steps.

    Args:
        database: with the table `kept`.
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
    from observability.analytics.digest import Digest

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
