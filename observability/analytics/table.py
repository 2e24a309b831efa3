"""The log files as a table: DuckDB reads the lines with the types that Elasticsearch's mappings give them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

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


def _type(mapping: dict[str, Any]) -> str:
    if "properties" in mapping:
        inside = ", ".join(f'"{name}" {_type(below)}' for name, below in mapping["properties"].items())
        return f"STRUCT({inside})"
    return TYPES[mapping["type"]]


def open_lines(
    paths: Sequence[Path], since: dt.datetime | None, until: dt.datetime | None
) -> tuple[duckdb.DuckDBPyConnection, int]:
    """Make the view `lines` over log files: a row a line, its columns those of `COLUMNS` and `time`.

    Lines that are no JSON, and values that do not fit their type, are passed over as Elasticsearch does it.

    Args:
        paths: The files; none is needed.
        since: First time; None for the first line's.
        until: Time after the last; None for the last line's.

    Returns:
        The connection, and the step of `time` in seconds.

    """
    table = duckdb.connect()
    table.execute("set timezone = 'UTC'; set threads = 2; set memory_limit = '1GB'")
    columns = {
        name: _type(mapping)
        for name, mapping in PROPERTIES.items()
        if name in {"@timestamp", "event", "host", "source", "tutti"}
    }
    files = [str(path) for path in paths if path.stat().st_size]
    if files:
        read = "read_json(?, format='newline_delimited', ignore_errors=true, columns=?)"
        table.execute(f"create temp table raw as select * from {read}", [files, columns])  # noqa: S608
    else:
        described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        table.execute(f"create temp table raw ({described})")
    step = _bound(table, since, until)
    chosen = ", ".join(f'{path} as "{name}"' for name, path in COLUMNS.items())
    table.execute(
        f"""create temp view lines as select "@timestamp" as at,
        (epoch_ms("@timestamp") // {step * 1000} * {step * 1000})::bigint as time, {chosen} from raw"""  # noqa: S608
    )
    return table, step


def _bound(table: duckdb.DuckDBPyConnection, since: dt.datetime | None, until: dt.datetime | None) -> int:
    """Leave only the lines in the time asked for; gives the step that cuts it into some sixty."""
    if since:
        table.execute('delete from raw where "@timestamp" < ?', [since])
    if until:
        table.execute('delete from raw where "@timestamp" >= ?', [until])
    first, last = table.execute('select min("@timestamp"), max("@timestamp") from raw').fetchone() or (
        None,
        None,
    )
    begin, end = since or first, until or last
    seconds = (end - begin).total_seconds() if begin and end else 0
    return next((step for step in STEPS if seconds / step <= BUCKETS), STEPS[-1])


def rows(table: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Ask; gives each row by the names of its columns."""
    answer = table.execute(sql)
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
