"""One job for one key: the first submit with a key makes the job, the others are given the same."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql import queries
from tasks.ledger.sql.schema import idempotency
from tasks.ledger.sql.statements import as_rows, given, insert_given
from tasks.ledger.submissions.draft import Draft
from tasks.ledger.values.errors import IdempotencyConflict
from tasks.ledger.values.records import Accepted

COLUMNS = ("owner", "key", "body_hash", "job_id")


def settle_keys(connection: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Answer those drafts whose key belongs to an earlier job, or to an earlier draft of this batch."""
    keyed = [draft for draft in drafts if draft.new.idempotency_key]
    if not keyed:
        return
    rows = [(d.new.owner, d.new.idempotency_key, d.new.body_hash or "", d.new.id) for d in keyed]
    insert_given(connection, idempotency, COLUMNS, rows, ignore=True)
    holders = _holders(connection, rows)
    here = {draft.new.id: draft for draft in keyed}
    for draft in keyed:
        job_id, body_hash = holders[draft.new.owner, draft.new.idempotency_key or ""]
        if body_hash != (draft.new.body_hash or ""):
            draft.answer = IdempotencyConflict("this key was used with another request; take a new key")
        elif job_id in here:
            draft.same_as = None if job_id == draft.new.id else here[job_id]
        else:
            draft.answer = Accepted(job=queries.get_one(connection, job_id), created=False)


def free_keys(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    """Forget the keys of jobs that were not accepted after all, or are no more."""
    for job_id in job_ids:
        connection.execute(sa.delete(idempotency).where(idempotency.c.job_id == job_id))


def _holders(
    connection: sa.Connection, rows: Sequence[tuple[object, ...]]
) -> dict[tuple[str, str], tuple[str, str]]:
    table = idempotency.c
    asked = given(connection, [table.owner, table.key])
    statement = sa.select(table.owner, table.key, table.job_id, table.body_hash).join(
        asked, (asked.c.owner == table.owner) & (asked.c.key == table.key)
    )
    pairs = as_rows([row[:2] for row in rows])
    found = connection.execute(statement, {"given": pairs})
    return {(owner, key): (job_id, body_hash) for owner, key, job_id, body_hash in found}
