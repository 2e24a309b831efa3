"""Statements of either dialect, and rows that are handed over as one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of the connection's dialect, which can say ON CONFLICT."""
    return insert_on(connection.dialect.name, table)


def insert_on(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The same for a dialect's name, for statements that are built once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def given(connection: sa.Connection, columns: Sequence[sa.Column[Any]], name: str = "given") -> sa.Subquery:
    """The same as `given_on`, for the connection's dialect."""
    return given_on(connection.dialect.name, columns, name)


def given_on(dialect: str, columns: Sequence[sa.Column[Any]], name: str = "given") -> sa.Subquery:
    """Rows handed over as one JSON parameter `name` (see `as_rows`), as a table with `columns`.

    One statement for any number of rows, so that the interpreter's lock is let go once and not per row.
    """
    parameter: sa.ColumnElement[Any] = sa.bindparam(name, type_=sa.Text)
    if dialect == "sqlite":
        table = sa.func.json_each(parameter).table_valued("value", name=f"{name}_json")
    else:
        parameter = sa.cast(parameter, postgresql.JSON)
        table = sa.func.json_array_elements(parameter).table_valued("value", name=f"{name}_json")
    picked = [
        sa.cast(table.c.value.op("->>")(sa.literal_column(str(place))), column.type).label(column.name)
        for place, column in enumerate(columns)
    ]
    return sa.select(*picked).where(sa.true()).subquery(name)


def as_rows(rows: Sequence[Sequence[object]]) -> str:
    """Rows as the JSON parameter that `given` reads."""
    return orjson.dumps(rows).decode()


def insert_given(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    ignore: bool = False,
) -> None:
    """Insert rows set-based; with `ignore` those whose key is there already are left out."""
    if not rows:
        return
    statement = _insert_given_on(connection.dialect.name, table, tuple(names), ignore)
    connection.execute(statement, {"given": as_rows(rows)})


def insert_all(
    connection: sa.Connection, wanted: Sequence[tuple[sa.Table, tuple[str, ...], Sequence[Sequence[object]]]]
) -> None:
    """Insert rows into several tables that do not refer to each other; by one statement on a server."""
    rows_of = [(table, names, rows) for table, names, rows in wanted if rows]
    if connection.dialect.name == "sqlite":
        for table, names, rows in rows_of:
            insert_given(connection, table, names, rows)
    elif rows_of:
        parameters = {
            "given" if place == 0 else f"rows_{table.name}": as_rows(rows)
            for place, (table, _, rows) in enumerate(rows_of)
        }
        connection.execute(_insert_all(tuple((table, names) for table, names, _ in rows_of)), parameters)


@cache
def _insert_all(wanted: tuple[tuple[sa.Table, tuple[str, ...]], ...]) -> sa.Insert:
    (first, names), *more = wanted
    statement = _insert_given_on("postgresql", first, names, False)
    for table, columns in more:
        beside = _insert_given_on("postgresql", table, columns, False, f"rows_{table.name}")
        statement = statement.add_cte(beside.cte(f"into_{table.name}"))
    return statement


@cache
def _insert_given_on(
    dialect: str, table: sa.Table, names: tuple[str, ...], ignore: bool, parameter: str = "given"
) -> sa.Insert:
    """Built once: SQLAlchemy spends more time on building it than SQLite on running it."""
    source = given_on(dialect, [table.c[name] for name in names], parameter)
    statement = insert_on(dialect, table).from_select(list(names), sa.select(source).where(sa.true()))
    return statement.on_conflict_do_nothing() if ignore else statement
