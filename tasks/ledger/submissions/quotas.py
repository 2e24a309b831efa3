"""What a key's owner may use: jobs at once, jobs a day, seconds of audio a day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql.database import insert
from tasks.ledger.sql.schema import live, usage
from tasks.ledger.submissions.draft import Draft
from tasks.ledger.values.errors import QuotaExceeded
from tasks.security.keys import Quota

DAY = 86_400


def charge(connection: sa.Connection, now: float, drafts: Sequence[Draft]) -> None:
    """Refuse the drafts that go beyond their owner's quota; write the use of the others down."""
    by_owner: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.new.quota:
            by_owner[draft.new.owner].append(draft)
    for owner in sorted(by_owner):
        _charge_owner(connection, owner, int(now // DAY), by_owner[owner])


def _charge_owner(connection: sa.Connection, owner: str, day: int, drafts: Sequence[Draft]) -> None:
    used = _used(connection, owner, day)
    before = Counter(used)
    for draft in drafts:
        cost = Counter(concurrent=1, jobs=1, seconds=draft.request.duration * draft.request.variations)  # type: ignore[call-overload]
        refusal = _beyond(draft.new.quota or Quota(), used + cost)
        if refusal:
            draft.answer = QuotaExceeded(refusal)
        else:
            used += cost
    statement = insert(connection, usage).values(
        owner=owner, day=day, jobs=used["jobs"] - before["jobs"], seconds=used["seconds"] - before["seconds"]
    )
    new = statement.excluded
    added = {"jobs": usage.c.jobs + new.jobs, "seconds": usage.c.seconds + new.seconds}
    connection.execute(statement.on_conflict_do_update(index_elements=["owner", "day"], set_=added))


def _used(connection: sa.Connection, owner: str, day: int) -> Counter[str]:
    at_once = connection.scalar(sa.select(sa.func.count()).where(live.c.owner == owner)) or 0
    today = sa.select(usage.c.jobs, usage.c.seconds).where(usage.c.owner == owner, usage.c.day == day)
    row = connection.execute(today.with_for_update()).first()
    return Counter(concurrent=at_once, jobs=row.jobs if row else 0, seconds=row.seconds if row else 0)


def _beyond(quota: Quota, used: Counter[str]) -> str | None:
    if quota.concurrent is not None and used["concurrent"] > quota.concurrent:
        return f"this key may have {quota.concurrent} unfinished jobs at once; wait until one has ended"
    if quota.jobs_a_day is not None and used["jobs"] > quota.jobs_a_day:
        return f"this key may ask for {quota.jobs_a_day} jobs a day (UTC); try again tomorrow"
    if quota.seconds_a_day is not None and used["seconds"] > quota.seconds_a_day:
        return f"this key may ask for {quota.seconds_a_day:g} s of audio a day (UTC); try again tomorrow"
    return None
