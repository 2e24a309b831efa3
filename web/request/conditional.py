"""Conditions of a request (RFC 9110, 13): what the client has already, or wants unchanged."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from starlette.requests import Request

from web.request.fields import fields
from web.request.problems import PRECONDITION, Problem


def unchanged(request: Request, tag: str, modified: float | None = None) -> bool:
    """Whether the client has what this strong ETag names.

    Args:
        request: For If-None-Match; If-Modified-Since counts where that is missing.
        tag: The ETag of what there is.
        modified: When it was last changed, in seconds since the epoch.
    """
    told = fields(request.scope)
    known = told.get("if-none-match")
    if known is not None:
        return _names(known, tag, weak=True)
    since = _date(told.get("if-modified-since"))
    return since is not None and modified is not None and int(modified) <= since


def require(request: Request, tag: str, modified: float) -> None:
    """Refuse a request that is about another state than there is.

    Raises:
        Problem: 412.
    """
    told = fields(request.scope)
    wanted = told.get("if-match")
    if wanted is not None:
        holds = _names(wanted, tag, weak=False)
    else:
        since = _date(told.get("if-unmodified-since"))
        holds = since is None or int(modified) <= since
    if not holds:
        raise Problem(PRECONDITION, PRECONDITION.meaning, headers={"etag": tag})


def _names(listed: str, tag: str, *, weak: bool) -> bool:
    tags = {item.strip() for item in listed.split(",")}
    return "*" in tags or tag in tags or (weak and f"W/{tag}" in tags)


def _date(text: str | None) -> float | None:
    """Seconds since the epoch; None for what is no date, which is to be ignored."""
    if text is None or len(text) > 64:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
