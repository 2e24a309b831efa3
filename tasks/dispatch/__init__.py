"""The dispatcher: releases the next fair jobs to the broker, and takes back what was lost.

One is active, by a lease in the ledger; others stand by. It keeps nothing that matters: when it dies, another
finds everything in the ledger.
"""

from tasks.dispatch.service import run

__all__ = ["run"]
