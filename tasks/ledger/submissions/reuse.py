"""Who makes the audio of a new job: itself, a job in flight that asks for the same, or one that finished."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql.schema import songs
from tasks.ledger.sql.statements import as_rows, given, insert_given
from tasks.ledger.submissions.draft import Draft


def settle_songs(connection: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Find for each fingerprint who makes its audio: this draft, a job in flight, or a finished one."""
    open_drafts = [draft for draft in drafts if draft.fingerprint]
    while open_drafts:
        rows = [(draft.fingerprint, draft.new.id) for draft in open_drafts]
        insert_given(connection, songs, ("fingerprint", "job_id"), rows, ignore=True)
        makers = _makers(connection, open_drafts)
        for draft in open_drafts:
            _point(draft, makers.get(draft.fingerprint or ""))
        # A maker may have failed between the two statements (PostgreSQL): then its song is free again.
        open_drafts = [draft for draft in open_drafts if draft.fingerprint not in makers]


def _makers(connection: sa.Connection, drafts: Sequence[Draft]) -> dict[str, tuple[str, bool]]:
    """The makers' ids, locked, so that none ends before these drafts follow it.

    Others may follow it at the same time.
    """
    asked = given(connection, [songs.c.fingerprint])
    statement = (
        sa.select(songs.c.fingerprint, songs.c.job_id, songs.c.finished)
        .where(songs.c.fingerprint.in_(sa.select(asked.c.fingerprint)))
        .order_by(songs.c.fingerprint)
        .with_for_update(of=songs, read=True)
    )
    parameter = as_rows([(draft.fingerprint,) for draft in drafts])
    found = connection.execute(statement, {"given": parameter})
    return {fingerprint: (job_id, finished) for fingerprint, job_id, finished in found}


def _point(draft: Draft, maker: tuple[str, bool] | None) -> None:
    if maker is None or maker[0] == draft.new.id:
        return
    job_id, finished = maker
    draft.source, draft.leader = (job_id, None) if finished else (None, job_id)
