"""Which uploads the jobs that have not ended refer to."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tasks.ledger.sql.database import Database
from tasks.ledger.sql.schema import jobs, live

FIELDS = ("source_audio", "reference_audio")


def needed(database: Database) -> set[str]:
    """The ids of the uploads that an open job may still read."""
    refers = sa.or_(*(jobs.c.request.contains(f'"{name}"', autoescape=True) for name in FIELDS))
    statement = sa.select(jobs.c.request).join(live, live.c.job_id == jobs.c.id).where(refers)
    with database.read() as connection:
        requests = [json.loads(request) for request in connection.scalars(statement)]
    return {request[name] for request in requests for name in FIELDS if request.get(name)}
