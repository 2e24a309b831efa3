"""What the ledger refuses, and why."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot do what was asked; the message says what to do."""


class IdempotencyConflict(LedgerError):
    """The idempotency key was used before with another body."""


class LedgerFull(LedgerError):
    """As many jobs wait as may wait, or the disk is nearly full; later there is room again."""


class LedgerUnavailable(LedgerError):
    """The ledger's database or disk cannot be reached or written now."""


class LedgerUncertain(LedgerUnavailable):
    """The ledger's database was lost while it committed: what was asked may be written or not."""


class LedgerUnmigrated(LedgerUnavailable):
    """The ledger's tables are older than this Tutti's; `tutti migrate` brings them up to date."""


class QuotaExceeded(LedgerError):
    """The owner has used up what its key allows."""


class UnknownJob(LedgerError):
    """No job has this id."""


class UnknownKey(LedgerError):
    """No key has this id."""
