"""How a part tells the others how it is: now and then, and at once when that changes."""

from __future__ import annotations

import contextlib
import os
import time
from importlib.metadata import version
from typing import Any, Final

from observability.logging import get_logger
from tasks.ledger import Ledger, LedgerUnavailable, PartKind, PartReport

log = get_logger()

EVERY_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 30.0
"""A part that has said nothing for so long is silent: cut off, stopped, or dead."""


class Reporter:
    """One part's voice. A ledger that is away hears nothing, which is a message too.

    Args:
        ledger: Where it is told.
        kind: Which part this is.
        node: This machine's name.
        name: The part's own name, where it has one; else its machine and process make one.
    """

    def __init__(self, ledger: Ledger, kind: PartKind, node: str, name: str | None = None) -> None:
        self._ledger, self._kind, self._node = ledger, kind, node
        self._id = name or f"{kind} {node} {os.getpid()}"
        self._version = version("tutti")
        self._told: tuple[str, str | None] | None = None
        self._due = float("-inf")
        self.cordoned = False

    def due(self, state: str, reason: str | None = None) -> bool:
        """Whether this would be told now: it is news, or it is time to."""
        return time.monotonic() >= self._due or (state, reason) != self._told

    def report(self, state: str, reason: str | None = None, facts: dict[str, Any] | None = None) -> None:
        """Say how this part is, if that has changed or it is time to."""
        if not self.due(state, reason):
            return
        said = PartReport(
            id=self._id, kind=self._kind, node=self._node, version=self._version,
            state=state, reason=reason, facts=facts or {},
        )  # fmt: skip
        now = time.monotonic()
        self._due = now + EVERY_SECONDS / 10  # where the ledger is away
        try:
            self.cordoned = self._ledger.parts.record(said, SILENT_SECONDS)
        except LedgerUnavailable as error:
            log.debug("part.unheard", message=f"the ledger does not hear how this part is: {error}")
            return
        self._told, self._due = (state, reason), now + EVERY_SECONDS

    def leave(self) -> None:
        """This part ends of its own accord: nobody need miss it."""
        with contextlib.suppress(LedgerUnavailable):
            self._ledger.parts.leave(self._id)
