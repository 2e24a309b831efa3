"""Templates, their words for numbers, and the static files."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from web.request import session
from web.request.state import app_state

HERE = Path(__file__).parent


def page(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page, with the session's cookie and the token for its forms."""
    signer, public = app_state(request).signer, app_state(request).public
    token = session.form_token(session.current_or_new(request, signer), signer)
    text = _templates.get_template(name).render(
        {"path": request.scope["path"], "root": public.prefix, "token": token} | context
    )
    response = HTMLResponse(text, status, headers={"cache-control": "no-store"})
    session.keep(request, response, signer)
    return response


class Static(StaticFiles):
    """Our styles and scripts; browsers ask each time whether they have changed."""

    def __init__(self) -> None:
        super().__init__(directory=HERE / "static")

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file; it may be kept, but has to be revalidated."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def clock(seconds: float) -> str:
    """A length as 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def ago(moment: dt.datetime) -> str:
    """How long ago, roughly, for people."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    seconds = max(0.0, (dt.datetime.now(dt.UTC) - moment).total_seconds())
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


def wait(seconds: float | None) -> str:
    """A waiting time in words."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.0f} kB"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, ago=ago, wait=wait, size=size)
    return environment


_templates = _environment()
