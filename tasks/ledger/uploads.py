"""Which uploads the jobs that have not ended refer to."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tasks.ledger.sql.schema import jobs, live
from tasks.ledger.sql.store import Store, reads

FIELDS = ("source_audio", "reference_audio")


class UploadRecords:
    """The uploads of one ledger's jobs; their files are the storage's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @reads
    def needed(self, connection: sa.Connection) -> set[str]:
        """The ids of the uploads that an open job may still read."""
        refers = sa.or_(*(jobs.c.request.contains(f'"{name}"', autoescape=True) for name in FIELDS))
        statement = sa.select(jobs.c.request).join(live, live.c.job_id == jobs.c.id).where(refers)
        requests = [json.loads(request) for request in connection.scalars(statement)]
        return {request[name] for request in requests for name in FIELDS if request.get(name)}
