"""Accepting jobs: all that wait are written by one statement a table."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from tasks.jobs import SEED_MAX, Job, JobState
from tasks.ledger.lifecycle.sharing import hand_out
from tasks.ledger.sql import history, queries
from tasks.ledger.sql.schema import callbacks, jobs, live, outbox
from tasks.ledger.sql.statements import insert_all, insert_given
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.submissions import quotas
from tasks.ledger.submissions.draft import Draft
from tasks.ledger.submissions.fingerprint import fingerprint
from tasks.ledger.submissions.idempotency import free_keys, settle_keys
from tasks.ledger.submissions.reuse import settle_songs
from tasks.ledger.values.errors import LedgerFull, QuotaExceeded
from tasks.ledger.values.records import Accepted, NewJob

SEED_BITS = SEED_MAX.bit_length()
RANKS = {"high": 0, "normal": 1, "low": 2}
JOB_COLUMNS = (
    "id", "owner", "lane", "request", "model_queue", "preferred_queue", "traceparent", "fingerprint",
    "source_ip_hash", "created_at",
)  # fmt: skip
LIVE_COLUMNS = (
    "job_id", "state", "owner", "rank", "queue", "model_queue", "fingerprint", "traceparent", "leader",
    "accepted_at", "expires_at",
)  # fmt: skip
OUTBOX_COLUMNS = ("job_id", "queue", "owner", "rank")
PROMISE_COLUMNS = ("job_id", "owner", "due_at")


def accept_all(
    transaction: Transaction, new: Sequence[NewJob], max_queued: int
) -> list[Accepted | Exception]:
    """Write new jobs down; the answers come in the order of `new`, a refusal as its exception."""
    connection, now = transaction.connection, transaction.now
    drafts = [_draft(one) for one in new]
    settle_keys(connection, drafts)
    waiting = history.count(connection, JobState.QUEUED)
    _refuse_overflow(_open(drafts), max_queued - waiting)
    quotas.charge(transaction, _open(drafts))
    free_keys(connection, [d.new.id for d in drafts if _refused(d) and d.new.idempotency_key])
    settle_songs(connection, _open(drafts))
    _insert(connection, now, _open(drafts))
    _count(transaction, _open(drafts))
    hand_out(transaction, [(d.new.id, d.source) for d in _open(drafts) if d.source])
    for place, draft in enumerate(_open(drafts), start=waiting + 1):
        draft.answer = _accepted(connection, now, draft, place)
    return [_answer(draft) for draft in drafts]


def _answer(draft: Draft) -> Accepted | Exception:
    if draft.same_as:
        first = _answer(draft.same_as)
        return replace(first, created=False) if isinstance(first, Accepted) else first
    if draft.answer is None:
        raise AssertionError("every draft is answered")
    return draft.answer


def _refused(draft: Draft) -> bool:
    return isinstance(draft.answer, LedgerFull | QuotaExceeded)


def _draft(new: NewJob) -> Draft:
    """Choose a seed where none is given; only a seed that was asked for can make two requests equal."""
    request = new.request
    seed = request.seeds[0] if request.seeds else request.seed
    if seed is None:
        chosen = request.model_copy(update={"seed": secrets.randbits(SEED_BITS)})
        return Draft(new=new, request=chosen, fingerprint=None)
    engine, _, version = new.model_queue.partition("@")
    known = fingerprint(request, seed, engine, version, new.sound)
    return Draft(new=new, request=request, fingerprint=known)


def _open(drafts: Sequence[Draft]) -> list[Draft]:
    return [draft for draft in drafts if draft.answer is None and draft.same_as is None]


def _refuse_overflow(drafts: Sequence[Draft], room: int) -> None:
    for draft in drafts[max(room, 0) :]:
        draft.answer = LedgerFull("as many jobs wait as may wait; try again later")


def _insert(connection: sa.Connection, now: float, drafts: Sequence[Draft]) -> None:
    in_flight = [draft for draft in drafts if not draft.source]
    waiting = [(d.new.id, d.queue, d.new.owner, _rank(d)) for d in in_flight if not d.leader]
    insert_all(
        connection,
        (
            (jobs, JOB_COLUMNS, [_job_row(draft, now) for draft in drafts]),
            (live, LIVE_COLUMNS, [_live_row(draft, now) for draft in in_flight]),
            (outbox, OUTBOX_COLUMNS, waiting),
        ),
    )
    # a job whose row of `live` is gone has ended: then the promise is due, whatever ended it
    promised = [(d.new.id, d.new.owner, now) for d in drafts if d.request.callback_url is not None]
    insert_given(connection, callbacks, PROMISE_COLUMNS, promised)


def _job_row(draft: Draft, now: float) -> tuple[object, ...]:
    new = draft.new
    return (
        new.id, new.owner, new.lane, draft.request.model_dump_json(exclude_none=True), new.model_queue,
        new.preferred_queue, new.traceparent, draft.fingerprint, new.source_ip_hash, now,
    )  # fmt: skip


def _live_row(draft: Draft, now: float) -> tuple[object, ...]:
    new = draft.new
    expires_at = None if new.start_within is None else now + new.start_within
    return (
        new.id, JobState.QUEUED, new.owner, _rank(draft), draft.queue, new.model_queue, draft.fingerprint,
        new.traceparent, draft.leader, now, expires_at,
    )  # fmt: skip


def _rank(draft: Draft) -> int:
    return RANKS[draft.request.priority]


def _count(transaction: Transaction, drafts: Sequence[Draft]) -> None:
    reused = sum(bool(draft.source) for draft in drafts)
    joined = sum(bool(draft.leader) for draft in drafts)
    changes = {
        "accepted": len(drafts), "reused": reused, "joined": joined, JobState.QUEUED: len(drafts) - reused,
    }  # fmt: skip
    changes[JobState.SUCCEEDED] = reused
    transaction.count(changes)


def _accepted(connection: sa.Connection, now: float, draft: Draft, place: int) -> Accepted:
    if draft.source:
        return Accepted(job=queries.get_one(connection, draft.new.id), created=True)
    new = draft.new
    job = Job(
        id=new.id,
        state=JobState.QUEUED,
        request=draft.request,
        owner=new.owner,
        lane=new.lane,
        queue=draft.queue,
        traceparent=new.traceparent,
        fingerprint=draft.fingerprint,
        created_at=dt.datetime.fromtimestamp(now, dt.UTC),
        extra={"model_queue": new.model_queue},
    )
    return Accepted(job=job, created=True, position=place)
