"""The songs of this browser, newest first."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import JOB_ID
from web.api import views
from web.pages.render import page
from web.request import session
from web.request.auth import identify
from web.request.problems import BAD_REQUEST, Problem
from web.request.state import app_state

PAGE = 20


async def show(request: Request) -> Response:
    """One page of the list."""
    state = app_state(request)
    session.current_or_new(request, state.signer)  # never the address's: a list belongs to one browser
    owner = await identify(request)
    cursor = request.query_params.get("cursor")
    if cursor is not None and not JOB_ID.fullmatch(cursor):
        raise Problem(BAD_REQUEST, "This page of the list does not exist; begin with the newest.")
    found = await asyncio.to_thread(state.ledger.views.page, owner=owner.id, cursor=cursor, limit=PAGE)
    files = {job.id: views.outputs(job, state.link) for job in found.jobs}
    return page(request, "library.html", found=found, files=files, first=cursor is None)
