"""One run for identical requests: followers wait for their leader's audio, later ones get it at once."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.draft import Draft
from tasks.ledger.lifecycle import untold
from tasks.ledger.records import Transition
from tasks.ledger.sql import history
from tasks.ledger.sql.database import as_rows, given, insert_given
from tasks.ledger.sql.schema import jobs, live, outbox, songs


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
    """The makers' ids, locked, so that none ends before these drafts follow it."""
    asked = given(connection, [songs.c.fingerprint])
    statement = (
        sa.select(songs.c.fingerprint, songs.c.job_id, songs.c.finished)
        .where(songs.c.fingerprint.in_(sa.select(asked.c.fingerprint)))
        .order_by(songs.c.fingerprint)
        .with_for_update(of=songs)
    )
    parameter = as_rows([(draft.fingerprint,) for draft in drafts])
    found = connection.execute(statement, {"given": parameter})
    return {fingerprint: (job_id, finished) for fingerprint, job_id, finished in found}


def _point(draft: Draft, maker: tuple[str, bool] | None) -> None:
    if maker is None or maker[0] == draft.new.id:
        return
    job_id, finished = maker
    draft.source, draft.leader = (job_id, None) if finished else (None, job_id)


def hand_out(connection: sa.Connection, now: float, pairs: Sequence[tuple[str, str]]) -> None:
    """Let each (job, source) of `pairs` succeed with the source's audio."""
    if not pairs:
        return
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
    used = {source_id for _, source_id in pairs}
    connection.execute(sa.update(jobs).where(jobs.c.id.in_(used)).values(used_at=now))
    history.record(
        connection,
        [
            Transition(
                job_id=job, at=now, state=JobState.SUCCEEDED, attempt=0, reason=f"audio of {source_id}"
            )
            for job, source_id in pairs
        ],
    )


def hold_song(connection: sa.Connection, leader: str) -> None:
    """Lock the song a leader makes: whoever accepts a follower now has either committed or waits for us."""
    connection.execute(sa.select(songs.c.job_id).where(songs.c.job_id == leader).with_for_update()).all()


def followers(connection: sa.Connection, leader: str) -> list[str]:
    """The jobs that wait for a leader's audio, oldest first."""
    statement = sa.select(live.c.job_id).where(live.c.leader == leader).order_by(live.c.job_id)
    return list(connection.scalars(statement))


def finished(connection: sa.Connection, now: float, leader: str) -> int:
    """The leader succeeded: so do its followers, whose number comes back; later ones get it at once."""
    connection.execute(sa.update(songs).where(songs.c.job_id == leader).values(finished=True))
    waiting = followers(connection, leader)
    if waiting:
        connection.execute(sa.delete(live).where(live.c.leader == leader))
        hand_out(connection, now, [(job, leader) for job in waiting])
        untold.note(connection, waiting)
    return len(waiting)


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


def find_finished(connection: sa.Connection, fingerprint: str) -> str | None:
    """The id of the job whose finished audio has this fingerprint."""
    statement = sa.select(songs.c.job_id).where(songs.c.fingerprint == fingerprint, songs.c.finished)
    return connection.scalar(statement)


def release_orphans(connection: sa.Connection) -> int:
    """Let those run whose leader is gone (it never should be); their number comes back."""
    leader = live.alias()
    orphan = live.c.leader.isnot(None) & ~sa.exists().where(leader.c.job_id == live.c.leader)
    leaders = set(connection.scalars(sa.select(live.c.leader).where(orphan)))
    for gone in leaders:
        abandoned(connection, gone)
    return len(leaders)
