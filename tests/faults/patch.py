"""Take a safeguard out of this very process, and put it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.ledger import accept
from tests.faults import sabotage
from tests.faults.faults import Fault


@contextmanager
def patched(fault: Fault) -> Iterator[None]:
    """For the faults whose part is this process."""
    if fault.part != "here":
        yield
        return
    kept = accept.settle_keys
    getattr(sabotage, fault.safeguard)()
    try:
        yield
    finally:
        accept.settle_keys = kept
