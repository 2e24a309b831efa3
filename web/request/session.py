"""The anonymous session of a browser: a signed cookie to which its recent songs belong."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from web.request.fields import cookie_name, cookies, fields
from web.request.problems import FORBIDDEN, Problem
from web.request.signer import Signer

COOKIE = "tutti_session"
YEAR = 365 * 86_400


def current(request: Request, signer: Signer) -> str | None:
    """The session's id, where the browser has a cookie that was signed here."""
    shown = cookies(request)
    named = shown.get(cookie_name(COOKIE, request.scope)) or shown.get(COOKIE, "")  # of before ports counted
    return signer.open("session", named)


def current_or_new(request: Request, signer: Signer) -> str:
    """The session's id; a new one is kept for the rest of this request."""
    known = current(request, signer)
    if known is None:
        known = getattr(request.state, "new_session", None) or secrets.token_urlsafe(12)
        request.state.new_session = known
    return known


def keep(request: Request, response: Response, signer: Signer) -> None:
    """Give the browser its cookie, where this request made a new session."""
    new = getattr(request.state, "new_session", None)
    if new is None:
        return
    signed, secure = signer.sign("session", new), is_secure(request)
    name = cookie_name(COOKIE, request.scope)
    response.set_cookie(name, signed, max_age=YEAR, httponly=True, samesite="lax", secure=secure)


def is_secure(request: Request) -> bool:
    """Whether the browser came by HTTPS, so that its cookies may be bound to that."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"


def form_token(session: str, signer: Signer) -> str:
    """The hidden field of every form."""
    return signer.token("form", session)


def refuse_foreign_site(request: Request) -> None:
    """Refuse a request that another site's page makes a browser send.

    Browsers state where a request comes from (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/);
    older ones send Origin with every POST. Programs send neither.

    Raises:
        Problem: 403.
    """
    headers = fields(request.scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
    if foreign:
        raise Problem(FORBIDDEN, "This was sent by another site's page. Open the form here and try again.")


def require_token(session: str | None, token: str, signer: Signer) -> None:
    """Refuse a form that was not made for this session.

    Raises:
        Problem: 403.
    """
    if session is None or not signer.holds("form", session, token):
        raise Problem(FORBIDDEN, "This form is out of date. Go back, reload the page and send it again.")
