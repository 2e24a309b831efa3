"""Which lane a request belongs to, and which node it would like: by headers, a cookie, a signed token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from starlette.requests import Request

from tasks.jobs import Lane
from tasks.ledger import Canary
from tasks.security.signer import Signer
from tasks.settings.checked import NODE_NAME
from web.request import auth, client
from web.request.fields import cookies, fields, whole_number
from web.request.state import app_state

COOKIE = "tutti_lane"
TOKEN = "X-Session-Token"  # noqa: S105 - a header's name
PURPOSE = "affinity"
HOUR, MINUTE = 3_600, 60


def wanted(request: Request, address: str) -> Lane:
    """The lane of this request. A gateway has chosen already and says so in X-Tutti-Lane."""
    canary = app_state(request).route.canary
    if canary is None:
        return "stable"
    headers, cookie = fields(request.scope), cookies(request).get(COOKIE, "")
    who = f"{client.bucket(address)}{auth.token_in(request)}{headers.get('user-agent', '')}"
    lane = lane_of(canary, headers.get("x-tutti-lane", ""), cookie, lambda: place(who))
    return "canary" if lane == "canary" else "stable"


def lane_of(canary: Canary | None, header: str, cookie: str, share: Callable[[], float]) -> str:
    """Choose a request's lane by the gateway's own rules: its header, then its cookie, then its share.

    Args:
        canary: The canary of the moment.
        header: X-Tutti-Lane, which a gateway sets and which a client may set.
        cookie: The cookie tutti_lane.
        share: Where the client falls, 0 to 100; the same client falls in the same place.
    """
    if canary is None or not canary.active:
        return "stable"
    for wish in (header, cookie):
        if wish in {"stable", "canary"}:
            return wish
    return "canary" if share() < canary.percent else "stable"


def place(who: str) -> float:
    """Where a client falls among all, 0 to 100."""
    return int.from_bytes(hashlib.blake2b(who.encode(), digest_size=4).digest()) / 2**32 * 100


def preferred_node(request: Request) -> str | None:
    """The node that the client names, or that its token of an earlier answer names."""
    headers = fields(request.scope)
    named = headers.get("x-preferred-node", "") or node_of(
        headers.get(TOKEN.lower(), ""), app_state(request).signer
    )
    return named if named and NODE_NAME.fullmatch(named) else None


def node_of(shown: str, signer: Signer) -> str:
    """The node that a token names; none where it does not hold, which is no reason to refuse music."""
    text = signer.open(PURPOSE, shown) if shown else None
    node, _, ends = (text or "").rpartition("-")
    expires = whole_number(ends)
    return node if expires is not None and time.time() < expires else ""


def token(node: str, signer: Signer) -> str:
    """A token that sends its bearer's next jobs to the same node, for an hour; the same one for a minute."""
    return signer.sign(PURPOSE, f"{node}-{int(time.time()) // MINUTE * MINUTE + HOUR}")
