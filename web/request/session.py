"""The anonymous session of a browser: a signed cookie to which its recent songs belong."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from tasks.security.signer import Signer
from web.request.fields import cookie, cookie_name, cookies, fields
from web.request.problems import FORBIDDEN, Problem
from web.request.state import app_state

COOKIE = "tutti_session"
YEAR = 365 * 86_400


def current(request: Request, signer: Signer) -> str | None:
    """The session's id, where the browser has a cookie that was signed here."""
    before_ports_counted = cookies(request).get(COOKIE, "")
    return signer.open("session", cookie(request, COOKIE) or before_ports_counted)


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
    set_cookie(request, response, COOKIE, signer.sign("session", new), YEAR)


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie of ours: for our paths alone, for no script, for HTTPS where it is there."""
    public = app_state(request).public
    response.set_cookie(
        cookie_name(name, request.scope),
        value,
        max_age=seconds,
        path=public.cookie_path,
        httponly=True,
        samesite="lax",
        secure=public.is_secure(request.scope),
    )


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie of ours away again."""
    set_cookie(request, response, name, "", 0)


def form_token(session: str, signer: Signer) -> str:
    """The hidden field of every form."""
    return signer.token("form", session)


def refuse_foreign_site(request: Request) -> None:
    """Refuse a request that another site's page makes a browser send.

    Origins of TUTTI_CORS_ORIGINS may. Browsers state where a request comes from (Fetch Metadata,
    https://www.w3.org/TR/fetch-metadata/); older ones send Origin with every POST. Programs send neither.

    Raises:
        Problem: 403.
    """
    headers = fields(request.scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin is not None and origin in app_state(request).settings.cors_allowed:
        return
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and not app_state(request).public.is_ours(origin, request)
    if foreign:
        raise Problem(FORBIDDEN, "This was sent by another site's page. Open the form here and try again.")


def require_token(session: str | None, token: str, signer: Signer) -> None:
    """Refuse a form that was not made for this session.

    Raises:
        Problem: 403.
    """
    if session is None or not signer.holds("form", session, token):
        raise Problem(FORBIDDEN, "This form is out of date. Go back, reload the page and send it again.")
