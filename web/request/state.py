"""What every handler needs at hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from starlette.requests import Request

from tasks.engines import Model
from tasks.ledger import Accepted, JobStatus, Ledger, NewJob
from tasks.security.keys import Keyring
from tasks.security.links import SongLinks
from tasks.security.signer import Signer
from tasks.settings import Settings
from web.process.batcher import Batcher
from web.process.conversions import Conversions
from web.process.digesting import Digesting
from web.process.ended import EndedAnswers
from web.process.queue_router import QueueRouter
from web.process.watcher import Watcher
from web.request.client import Networks, Proxies
from web.request.fields import state_of
from web.request.limits import RateLimiter
from web.request.public import Public

if TYPE_CHECKING:  # it brings numpy, which starting need not wait for
    from tasks.storage.songs import Storage

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
class AppState:
    """One web process's settings, ledger, watcher of jobs, rate limits and signatures."""

    settings: Settings
    ledger: Ledger
    intake: Batcher[NewJob, Accepted]
    looks: Batcher[str, JobStatus | None]
    ended: EndedAnswers = field(default_factory=EndedAnswers)
    conversions: Conversions = field(default_factory=Conversions)
    storage: Storage
    watcher: Watcher
    route: QueueRouter
    digesting: Digesting
    keyring: Keyring
    gate: RateLimiter
    logins: RateLimiter
    signer: Signer
    links: SongLinks
    proxies: Proxies
    public: Public
    admins: Networks
    model: Model
    """What this process itself would serve: the engine that its settings name."""
    pulse: Pulse = field(default_factory=Pulse)

    def link(self, name: str) -> str:
        """The address of a song, signed where that is wanted, below the public URL's prefix."""
        return self.public.path(self.links.to(name))


def app_state(request: Request) -> AppState:
    """The state of the application that answers this request."""
    known = state_of(request.scope)
    state: AppState | None = known.get("app")
    if state is None:
        state = known["app"] = request.app.state.tutti
    return state
