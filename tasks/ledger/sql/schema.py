"""The tables. What changes often is small and apart: `live` and `outbox` hold only jobs that are not final.

`jobs` is written when a job is accepted and when it ends; `live` follows it in between; a row of `outbox`
says "to be released". `transitions` only grows.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData()

RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in INTEGER columns alone

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(31), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("model_queue", Text, nullable=False),
    Column("preferred_queue", Text),
    Column("traceparent", Text),
    Column("fingerprint", Text),
    Column("source_ip_hash", Text),
    Column("created_at", Double, nullable=False),
    # from here on NULL until the job ends
    Column("state", Text),
    Column("attempt", Integer),
    Column("worker", Text),
    Column("outputs", Text),
    Column("timings", Text),
    Column("error_class", Text),
    Column("detail", Text),
    Column("cache_of", String(31)),  # the job whose audio this one shares
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("used_at", Double),  # finished, or its audio given to another job: age counts from here
    Column("expired_at", Double),  # when its audio was deleted
    Column("details", Text),
)
Index(
    "jobs_sharing",
    jobs.c.cache_of,
    sqlite_where=jobs.c.cache_of.isnot(None),
    postgresql_where=jobs.c.cache_of.isnot(None),
)
Index("jobs_by_owner", jobs.c.owner, jobs.c.id)
Index(
    "jobs_ended",
    jobs.c.state,
    jobs.c.id,
    sqlite_where=jobs.c.state.isnot(None),
    postgresql_where=jobs.c.state.isnot(None),
)
_kept = jobs.c.outputs.isnot(None) & jobs.c.expired_at.is_(None)
Index("jobs_kept", jobs.c.used_at, sqlite_where=_kept, postgresql_where=_kept)
BYGONE = jobs.c.state.isnot(None) & (jobs.c.outputs.is_(None) | jobs.c.expired_at.isnot(None))
Index("jobs_bygone", jobs.c.finished_at, sqlite_where=BYGONE, postgresql_where=BYGONE)

live = Table(
    "live",
    metadata,
    Column("job_id", String(31), primary_key=True),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("rank", Integer, nullable=False),  # 0 high, 1 normal, 2 low
    Column("queue", Text, nullable=False),  # where it is to be released to
    Column("model_queue", Text, nullable=False),
    Column("fingerprint", Text),
    Column("traceparent", Text),
    Column("leader", String(31)),  # the job in flight whose audio it will share
    Column("accepted_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("released_at", Double),
    Column("releases", Integer, nullable=False, server_default=text("0")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("charged", Integer, nullable=False, server_default=text("0")),  # attempts lost
    Column("worker", Text),
    Column("epoch", Integer),
    Column("started_at", Double),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("stage", Text),
    Column("cancel", Boolean, nullable=False, server_default=false()),
    Column("alone", Boolean, nullable=False, server_default=false()),
)


def _where_set(name: str, column: Column[object], *columns: Column[object]) -> Index:
    """An index of the rows in which `column` is set: they are few."""
    condition = column.isnot(None)
    return Index(name, *(columns or (column,)), sqlite_where=condition, postgresql_where=condition)


_where_set("live_released", live.c.released_at, live.c.queue, live.c.owner)
_where_set("live_by_worker", live.c.worker)
_where_set("live_followers", live.c.leader)
_where_set("live_expiring", live.c.expires_at)
Index("live_by_owner", live.c.owner)

outbox = Table(
    "outbox",
    metadata,
    Column("job_id", String(31), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("rank", Integer, nullable=False),
)
Index("outbox_order", outbox.c.queue, outbox.c.owner, outbox.c.rank, outbox.c.job_id)

transitions = Table(
    "transitions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("job_id", String(31), nullable=False),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    Column("epoch", Integer),
    Column("reason", Text),
)
Index("transitions_by_job", transitions.c.job_id)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("job_id", String(31), nullable=False),
)
Index("idempotency_by_job", idempotency.c.job_id)

# Whose audio stands for a fingerprint: a job in flight, or one that succeeded.
songs = Table(
    "songs",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("job_id", String(31), nullable=False),
    Column("finished", Boolean, nullable=False, server_default=false()),
)
Index("songs_by_job", songs.c.job_id)

# What many add to is summed when it is read: each writer has rows of its own, so that one that is stopped or
# cut off amid its transaction holds up nobody else. See `Store.shard`.
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

usage_shards = Table(
    "usage_shards",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("day", Integer, primary_key=True),  # days since 1970-01-01 UTC
    Column("shard", Integer, primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
)

worker_pace = Table(
    "worker_pace",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("seconds", Double, nullable=False),  # running mean of a job's run
    Column("learned_at", Double, nullable=False),
)

# Before migration 0007 these two stood for the two above; what is in `usage` counts for its day still.
usage = Table(
    "usage",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
)

pace = Table(
    "pace",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
)

NO_QUEUES = "[]"  # of a worker that was told to end, or has left; one that was lost keeps its own

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("queues", Text, nullable=False),  # a JSON list
    Column("engine", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("lease_until", Double),  # NULL once it retired or was taken for dead
    Column("model_loaded", Boolean, nullable=False, server_default=false()),
    Column("gpu_memory_used", BigInteger),
    Column("gpu_memory_total", BigInteger),
    Column("gpu_busy", Double),
    Column("temperature", Double),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
)

unlogged_ends = Table(  # ends of jobs of which the dispatcher has yet to leave a log line
    "untold",  # its name since migration 0003
    metadata,
    Column("job_id", String(31), primary_key=True),
)

# Who is to be told of a job's end, written when it is accepted; gone when they were told, or given up.
callbacks = Table(
    "callbacks",
    metadata,
    Column("job_id", String(31), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("due_at", Double, nullable=False),  # not to be tried sooner
    Column("tries", Integer, nullable=False, server_default=text("0")),
)
Index("callbacks_due", callbacks.c.due_at)

web_nodes = Table(
    "web_nodes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("healthy", Boolean, nullable=False),
    Column("reason", Text),
    Column("seen_at", Double, nullable=False),
)

parts = Table(  # what every process of a cluster says of itself
    "parts",
    metadata,
    Column("id", Text, primary_key=True),  # a worker's name, or kind, machine and process id
    Column("kind", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("facts", Text, nullable=False),  # JSON
    Column("seen_at", Double, nullable=False),
    Column("cordoned", Boolean, nullable=False, server_default=false()),
)

# What those who run Tutti write down: it changes seldom and by hand.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the secret, which is kept nowhere
    Column("scopes", Text, nullable=False),
    Column("concurrent", Integer),
    Column("jobs_a_day", Integer),
    Column("seconds_a_day", Double),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

# Browsers that were logged out while their cookie would still hold; gone when it would not.
ended_logins = Table(
    "ended_logins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("until", Double, nullable=False),
)

canaries = Table(
    "canaries",
    metadata,
    Column("id", Integer, primary_key=True),  # the highest is the one that counts; the rest is history
    Column("version", Text, nullable=False),
    Column("percent", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("stopped_at", Double),
    Column("reason", Text),
)

adapter_choices = Table(  # whose songs to come are made with which adapter
    "adapter_choices",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("adapter", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("scale", Double, nullable=False),
    Column("chosen_at", Double, nullable=False),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key_id", String(8), nullable=False),  # empty: for all who have none of their own
    Column("secret", Text, nullable=False),  # as it is: a signature cannot be made of its hash
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),  # NULL: the newest
)
Index("webhook_secrets_key", webhook_secrets.c.key_id)
