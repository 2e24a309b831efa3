"""One run for identical requests: followers wait for their leader's audio, later ones get it at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.lifecycle import unlogged
from tasks.ledger.sql.schema import jobs, live, outbox, songs
from tasks.ledger.sql.statements import as_rows, given_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Transition


def hand_out(transaction: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Let each (job, source) of `pairs` succeed with the source's audio."""
    if not pairs:
        return
    connection, now = transaction.connection, transaction.now
    source = jobs.alias()
    theirs = sa.select(source.c.outputs).where(source.c.id == sa.bindparam("source")).scalar_subquery()
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == sa.bindparam("job"))
        .values(
            state=JobState.SUCCEEDED, attempt=0, outputs=theirs, cache_of=sa.bindparam("source"),
            finished_at=now, used_at=now,
        ),
        [{"job": job, "source": source_id} for job, source_id in pairs],
    )  # fmt: skip
    _note_use(connection, now, {source_id for _, source_id in pairs})
    transaction.record(
        Transition(job_id=job, at=now, state=JobState.SUCCEEDED, attempt=0, reason=f"audio of {source_id}")
        for job, source_id in pairs
    )


def _note_use(connection: sa.Connection, now: float, job_ids: Collection[str]) -> None:
    """A song that others ask for, too, may be noted by one of them: nobody waits for that."""
    free = sa.select(jobs.c.id).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    free = free.with_for_update(key_share=True, skip_locked=True)
    connection.execute(sa.update(jobs).where(jobs.c.id.in_(free)).values(used_at=now))


def hold_song(connection: sa.Connection, leader: str) -> None:
    """Lock the song a leader makes: whoever accepts a follower now has either committed or waits for us."""
    connection.execute(sa.select(songs.c.job_id).where(songs.c.job_id == leader).with_for_update()).all()


def finished(transaction: Transaction, leaders: Sequence[str]) -> None:
    """These succeeded: so do their followers, and later ones get their audio at once."""
    connection = transaction.connection
    known = {"given": as_rows([[leader] for leader in leaders])}
    finish, select = _finished_on(transaction.dialect)
    connection.execute(finish, known)  # whoever accepts a follower now has either committed or waits for us
    pairs = [(job_id, leader) for job_id, leader in connection.execute(select, known)]
    if pairs:
        waiting = [job_id for job_id, _ in pairs]
        connection.execute(sa.delete(live).where(live.c.job_id.in_(waiting)))
        hand_out(transaction, pairs)
        unlogged.note(connection, waiting)
        transaction.moved(JobState.QUEUED, JobState.SUCCEEDED, len(waiting))


@cache
def _finished_on(dialect: str) -> tuple[sa.Executable, sa.Executable]:
    asked = sa.select(given_on(dialect, [songs.c.job_id]).c.job_id)
    followers = sa.select(live.c.job_id, live.c.leader).where(live.c.leader.in_(asked))
    finish = sa.update(songs).where(songs.c.job_id.in_(asked)).values(finished=True)
    return finish, followers.order_by(live.c.job_id)


def followers(connection: sa.Connection, leader: str) -> list[str]:
    """The jobs that wait for a leader's audio, oldest first."""
    statement = sa.select(live.c.job_id).where(live.c.leader == leader).order_by(live.c.job_id)
    return list(connection.scalars(statement))


def abandoned(connection: sa.Connection, leader: str) -> None:
    """The leader was cancelled: the oldest follower takes its place, the others follow that one."""
    waiting = followers(connection, leader)
    if not waiting:
        connection.execute(sa.delete(songs).where(songs.c.job_id == leader))
        return
    heir = waiting[0]
    connection.execute(sa.update(songs).where(songs.c.job_id == leader).values(job_id=heir))
    connection.execute(sa.update(live).where(live.c.leader == leader).values(leader=heir))
    connection.execute(sa.update(live).where(live.c.job_id == heir).values(leader=None))
    columns = [live.c.job_id, live.c.queue, live.c.owner, live.c.rank]
    source = sa.select(*columns).where(live.c.job_id == heir)
    connection.execute(sa.insert(outbox).from_select(["job_id", "queue", "owner", "rank"], source))


def release_orphans(connection: sa.Connection) -> int:
    """Let those run whose leader is gone (it never should be); their number comes back."""
    leader = live.alias()
    orphan = live.c.leader.isnot(None) & ~sa.exists().where(leader.c.job_id == live.c.leader)
    leaders = set(connection.scalars(sa.select(live.c.leader).where(orphan)))
    for gone in leaders:
        abandoned(connection, gone)
    return len(leaders)
