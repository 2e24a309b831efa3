"""The durable record of every job and worker: SQLite on one machine, PostgreSQL on many."""

from tasks.ledger.callbacks import Owed
from tasks.ledger.ledger import Ledger
from tasks.ledger.values.errors import (
    IdempotencyConflict,
    LedgerError,
    LedgerFull,
    LedgerUnavailable,
    QuotaExceeded,
    UnknownJob,
    UnknownKey,
)
from tasks.ledger.values.records import (
    Accepted,
    Canary,
    Choice,
    Freed,
    JobStatus,
    NewJob,
    Page,
    QueueView,
    Release,
    Renewal,
    Sample,
    Snapshot,
    Transition,
    Vitals,
    WebhookSecret,
    WebNode,
    WorkerInfo,
    WorkerView,
)
from tasks.ledger.views.recent import EndedJob
from tasks.security.keys import Quota

__all__ = [
    "Accepted",
    "Canary",
    "Choice",
    "EndedJob",
    "Freed",
    "IdempotencyConflict",
    "JobStatus",
    "Ledger",
    "LedgerError",
    "LedgerFull",
    "LedgerUnavailable",
    "NewJob",
    "Owed",
    "Page",
    "QueueView",
    "Quota",
    "QuotaExceeded",
    "Release",
    "Renewal",
    "Sample",
    "Snapshot",
    "Transition",
    "UnknownJob",
    "UnknownKey",
    "Vitals",
    "WebNode",
    "WebhookSecret",
    "WorkerInfo",
    "WorkerView",
]
