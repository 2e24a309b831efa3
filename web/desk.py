"""What every handler needs at hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from starlette.requests import Request

from tasks.keys import Keyring
from tasks.ledger import Accepted, Ledger, Look, NewJob
from tasks.links import Links
from tasks.settings import Settings
from web.api.ended import Ended
from web.api.limits import Gate
from web.client import Networks
from web.route import Route
from web.seal import Seal
from web.together import Together
from web.watch import Watcher

if TYPE_CHECKING:  # it brings numpy, which starting need not wait for
    from tasks.storage import Storage

FILES = anyio.CapacityLimiter(16)
"""Threads that may wait for the NAS. They are kept apart, so that a NAS that hangs stops nothing else."""


@dataclass
class Pulse:
    """The last look at whether jobs can be taken; see `web.api.health`."""

    at: float = float("-inf")
    reason: str | None = None
    queued: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One web process's settings, ledger, watcher of jobs, rate limits and signatures."""

    settings: Settings
    ledger: Ledger
    intake: Together[NewJob, Accepted]
    looks: Together[str, Look | None]
    ended: Ended = field(default_factory=Ended)
    storage: Storage
    watcher: Watcher
    route: Route
    keyring: Keyring
    gate: Gate
    logins: Gate
    seal: Seal
    links: Links
    trusted: Networks
    admins: Networks
    pulse: Pulse = field(default_factory=Pulse)


def desk_of(request: Request) -> Desk:
    """The desk of the application that answers this request."""
    desk: Desk = request.app.state.desk
    return desk
