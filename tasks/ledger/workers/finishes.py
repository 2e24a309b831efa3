"""From running to succeeded: many runs at once, each a compare-and-set that names whose run it was."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from tasks.jobs import JobState, Output, Timings
from tasks.ledger.lifecycle.endings import Ending, end_all
from tasks.ledger.sql.schema import live, worker_pace
from tasks.ledger.sql.statements import as_rows, given_on, insert_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.workers.runs import Mine, ended_by

PACE_WEIGHT = 0.2  # of the newest run in the running mean


class Finish(NamedTuple):
    """A run's audio is published."""

    mine: Mine
    outputs: Sequence[Output]
    timings: Timings
    details: dict[str, Any]


def finish(transaction: Transaction, finishes: Sequence[Finish]) -> list[bool]:
    """Running to succeeded; False where the job is no longer this worker's."""
    if not finishes:
        return []
    rows = _take(transaction.connection, [one.mine for one in finishes])
    ended = [(rows.pop(one.mine), one) for one in finishes if one.mine in rows]
    endings = [(row, _ending(one)) for row, one in ended]
    end_all(transaction, endings, logged=True)
    _learn_pace(transaction, [row for row, _ in ended])
    here = {id(one) for _, one in ended}
    return [id(one) in here or ended_by(transaction, one.mine, JobState.SUCCEEDED) for one in finishes]


def _ending(one: Finish) -> Ending:
    return Ending(
        state=JobState.SUCCEEDED,
        outputs=json.dumps([output.model_dump() for output in one.outputs]),
        timings=one.timings.model_dump_json(),
        details=one.details,
    )


def _take(connection: sa.Connection, runs: Sequence[Mine]) -> dict[Mine, sa.RowMapping]:
    """Remove the runs from `live`, so that nobody else can end their jobs."""
    rows = connection.execute(_take_on(connection.dialect.name), {"given": as_rows(runs)}).mappings()
    return {(row["job_id"], row["attempt"], row["worker"], row["epoch"]): row for row in rows}


@cache
def _take_on(dialect: str) -> sa.Executable:
    run = (live.c.job_id, live.c.attempt, live.c.worker, live.c.epoch)
    asked = given_on(dialect, run)
    known = live.c.job_id.in_(sa.select(asked.c.job_id))  # SQLite looks into the index for this one alone
    mine = sa.tuple_(*run).in_(sa.select(asked))
    return sa.delete(live).where(known, live.c.state == JobState.RUNNING, mine).returning(*live.c)


def _learn_pace(transaction: Transaction, rows: Sequence[sa.RowMapping]) -> None:
    """Note how long runs took, each worker in a row of its own."""
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        took[row["model_queue"], row["worker"]].append(transaction.now - row["started_at"])
    for queue, worker in sorted(took):
        known = {"queue": queue, "worker": worker, "learned_at": transaction.now}
        mean = _weighed(took[queue, worker])
        transaction.connection.execute(_mean_on(transaction.dialect), known | mean)


def _weighed(seconds: Sequence[float]) -> dict[str, float]:
    """What runs make of a running mean: `p_kept` of it and `p_added`; `seconds` where there is none yet."""
    kept, added, mean = 1.0, 0.0, seconds[0]
    for one in seconds:
        kept *= 1 - PACE_WEIGHT
        added = added * (1 - PACE_WEIGHT) + one * PACE_WEIGHT
        mean = mean * (1 - PACE_WEIGHT) + one * PACE_WEIGHT
    return {"seconds": mean, "p_kept": kept, "p_added": added}


@cache
def _mean_on(dialect: str) -> sa.Insert:
    kept, added = (sa.bindparam(name, type_=sa.Double) for name in ("p_kept", "p_added"))
    names = ("queue", "worker", "seconds", "learned_at")
    statement = insert_on(dialect, worker_pace).values({name: sa.bindparam(name) for name in names})
    mean = {"seconds": worker_pace.c.seconds * kept + added, "learned_at": statement.excluded.learned_at}
    return statement.on_conflict_do_update(index_elements=["queue", "worker"], set_=mean)
