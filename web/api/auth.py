"""Who asks: a key, a browser's session, or else an address."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from tasks.jobs import Job
from tasks.ledger import Quota
from web import client, session
from web.desk import desk_of


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose fair share a job counts to, and what they may do."""

    id: str
    address: str
    key_id: str | None = None
    quota: Quota | None = None

    def owns(self, job: Job) -> bool:
        """Whether the job is theirs; what an address asked for belongs to whoever comes from it."""
        return job.owner in {self.id, f"address:{client.bucket(self.address)}"}


async def identify(request: Request) -> Owner:
    """Who sends this request.

    Raises:
        Problem: 401 or 403 where a key is needed or does not hold.
    """
    desk = desk_of(request)
    address = client.address(request.scope, desk.trusted)
    known = session.current(request, desk.seal) or getattr(request.state, "new_session", None)
    name = f"session:{known}" if known else f"address:{client.bucket(address)}"
    return Owner(id=name, address=address)
