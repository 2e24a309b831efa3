"""The durable record of every job and worker: SQLite on one machine, PostgreSQL on many."""

from tasks.ledger.errors import (
    IdempotencyConflict,
    LedgerError,
    LedgerFull,
    LedgerUnavailable,
    QuotaExceeded,
    UnknownJob,
)
from tasks.ledger.ledger import Ledger
from tasks.ledger.records import (
    Accepted,
    Freed,
    Look,
    NewJob,
    Page,
    QueueView,
    Release,
    Renewal,
    Snapshot,
    Transition,
    Vitals,
    WebNode,
    WorkerInfo,
    WorkerView,
)
from tasks.security.keys import Quota

__all__ = [
    "Accepted",
    "Freed",
    "IdempotencyConflict",
    "Ledger",
    "LedgerError",
    "LedgerFull",
    "LedgerUnavailable",
    "Look",
    "NewJob",
    "Page",
    "QueueView",
    "Quota",
    "QuotaExceeded",
    "Release",
    "Renewal",
    "Snapshot",
    "Transition",
    "UnknownJob",
    "Vitals",
    "WebNode",
    "WorkerInfo",
    "WorkerView",
]
