"""What a key's owner may use: jobs at once, jobs a day, seconds of audio a day.

Nothing is lost of what was used, and nothing counted twice. Each writer adds to a row of its own and sums all
rows that are committed, so none waits for another. What is being accepted by other web nodes in that very
moment is not seen: a quota may be passed by what one transaction of each of them takes in, once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from tasks.ledger.sql.schema import live, usage, usage_shards
from tasks.ledger.sql.statements import as_rows, given_on, insert_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.submissions.draft import Draft
from tasks.ledger.values.errors import QuotaExceeded
from tasks.security.keys import Quota

DAY = 86_400


def charge(transaction: Transaction, drafts: Sequence[Draft]) -> None:
    """Refuse the drafts that go beyond their owner's quota; write the use of the others down."""
    by_owner: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.new.quota:
            by_owner[draft.new.owner].append(draft)
    rows: list[tuple[object, ...]] = []
    day = int(transaction.now // DAY)
    for owner in sorted(by_owner):
        used = _charge_owner(transaction.connection, owner, day, by_owner[owner])
        if used["jobs"]:
            rows.append((owner, day, transaction.shard, used["jobs"], used["seconds"]))
    if rows:
        transaction.connection.execute(_add_on(transaction.dialect), {"given": as_rows(rows)})


def _charge_owner(connection: sa.Connection, owner: str, day: int, drafts: Sequence[Draft]) -> Counter[str]:
    """What an owner's drafts use that are not refused."""
    used = _used(connection, owner, day)
    before = Counter(used)
    for draft in drafts:
        cost = Counter(concurrent=1, jobs=1, seconds=draft.request.duration * draft.request.variations)  # type: ignore[call-overload]
        refusal = _beyond(draft.new.quota or Quota(), used + cost)
        if refusal:
            draft.answer = QuotaExceeded(refusal)
        else:
            used += cost
    return used - before


def _used(connection: sa.Connection, owner: str, day: int) -> Counter[str]:
    at_once, number, seconds = connection.execute(_USED, {"p_owner": owner, "p_day": day}).one()
    return Counter(concurrent=at_once, jobs=int(number or 0), seconds=seconds or 0)


def _used_by() -> sa.Select[Any]:
    owner, day = sa.bindparam("p_owner", type_=sa.Text), sa.bindparam("p_day", type_=sa.Integer)
    today = sa.union_all(
        *(
            sa.select(table.c.jobs, table.c.seconds).where(table.c.owner == owner, table.c.day == day)
            for table in (usage_shards, usage)
        )
    ).subquery()
    at_once = sa.select(sa.func.count()).where(live.c.owner == owner).scalar_subquery()
    return sa.select(at_once, sa.func.sum(today.c.jobs), sa.func.sum(today.c.seconds))


_USED = _used_by()


@cache
def _add_on(dialect: str) -> sa.Insert:
    source = given_on(dialect, [*usage_shards.c])
    statement = insert_on(dialect, usage_shards).from_select(
        [column.name for column in usage_shards.c], sa.select(source).where(sa.true())
    )
    new, old = statement.excluded, usage_shards.c
    added = {"jobs": old.jobs + new.jobs, "seconds": old.seconds + new.seconds}
    return statement.on_conflict_do_update(index_elements=["owner", "day", "shard"], set_=added)


def _beyond(quota: Quota, used: Counter[str]) -> str | None:
    if quota.concurrent is not None and used["concurrent"] > quota.concurrent:
        return f"this key may have {quota.concurrent} unfinished jobs at once; wait until one has ended"
    if quota.jobs_a_day is not None and used["jobs"] > quota.jobs_a_day:
        return f"this key may ask for {quota.jobs_a_day} jobs a day (UTC); try again tomorrow"
    if quota.seconds_a_day is not None and used["seconds"] > quota.seconds_a_day:
        return f"this key may ask for {quota.seconds_a_day:g} s of audio a day (UTC); try again tomorrow"
    return None
