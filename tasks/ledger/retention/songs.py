"""Old audio: what may be deleted, and what is written down about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import sqlalchemy as sa

from tasks.jobs import AudioFormat
from tasks.ledger.accepting.idempotency import free_keys
from tasks.ledger.sql.schema import jobs, songs

SUFFIXES = (*get_args(AudioFormat), "mid")  # a song may have been converted on demand


@dataclass(frozen=True)
class Old:
    """A job whose audio may go, with the names of all files it can have."""

    job_id: str
    names: list[str]


def choose(connection: sa.Connection, before: float, limit: int) -> list[Old]:
    """The jobs with the longest unused audio; from now on nobody is given it any more."""
    kept = jobs.c.outputs.isnot(None) & jobs.c.expired_at.is_(None) & jobs.c.cache_of.is_(None)
    oldest = sa.select(jobs.c.id, jobs.c.outputs).where(kept, jobs.c.used_at <= before)
    rows = connection.execute(oldest.order_by(jobs.c.used_at).limit(limit)).all()
    chosen = [Old(job_id, _names(outputs)) for job_id, outputs in rows]
    connection.execute(sa.delete(songs).where(songs.c.job_id.in_([job.job_id for job in chosen])))
    return chosen


def forget(connection: sa.Connection, now: float, job_ids: Sequence[str]) -> None:
    """Their files are deleted: say so of them and of all that shared them."""
    theirs = jobs.c.id.in_(job_ids) | jobs.c.cache_of.in_(job_ids)
    ended = sa.update(jobs).where(theirs).values(expired_at=now).returning(jobs.c.id)
    free_keys(connection, list(connection.scalars(ended)))


def _names(outputs: str) -> list[str]:
    stems = {output["name"].rsplit(".", 1)[0] for output in json.loads(outputs)}
    return [f"{stem}.{suffix}" for stem in sorted(stems) for suffix in SUFFIXES]
