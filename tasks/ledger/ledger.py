"""The ledger: the durable record of every job and worker. Every method is safe from many threads.

Its methods stand by whom they serve: `desk`, `reading`, `shifts` (workers), `dispatching`, `housekeeping`.
"""

from __future__ import annotations

from tasks.ledger.desk import Desk
from tasks.ledger.dispatching import Dispatching
from tasks.ledger.housekeeping import Housekeeping
from tasks.ledger.reading import Reading
from tasks.ledger.shifts import Shifts


class Ledger(Desk, Reading, Shifts, Dispatching, Housekeeping):
    """All that can be done with an open ledger; see `Opened` for how it is opened."""
