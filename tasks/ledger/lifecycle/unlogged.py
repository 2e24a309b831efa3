"""Ends of jobs that leave no log line by themselves, until the dispatcher has logged them.

A worker logs how its own run ended, and the web app a song that was there already. What ends a job elsewhere
(a follower's share in its leader's fate, a cancel while it waits, a deadline, the last lost worker) is noted
here in the same transaction, so that a line is written though any process may die in between.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from tasks.ledger.sql.schema import unlogged_ends
from tasks.ledger.sql.statements import insert_given


def note(connection: sa.Connection, job_ids: Collection[str]) -> None:
    """These have ended, and nobody else logs it."""
    insert_given(connection, unlogged_ends, ("job_id",), [[job_id] for job_id in job_ids], ignore=True)
