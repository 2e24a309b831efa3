"""Pages that explain: the API in words, and each type of problem."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.pages.render import page
from web.request.problems import KINDS, NOT_FOUND, Problem
from web.request.state import app_state


async def api(request: Request) -> Response:
    """How programs ask for music."""
    return page(
        request,
        "docs.html",
        base=app_state(request).public.url,
        kinds=sorted(KINDS.values(), key=lambda kind: kind.status),
    )


async def problem(request: Request) -> Response:
    """What one type of problem means; its address is the `type` of the documents."""
    kind = KINDS.get(request.path_params["slug"])
    if kind is None:
        raise Problem(NOT_FOUND, "There is no problem of this name.")
    return page(request, "problem.html", kind=kind)


async def icon(request: Request) -> Response:
    """Browsers ask here whatever the page says."""
    return RedirectResponse(app_state(request).public.path("/static/icon.svg"), 308)
