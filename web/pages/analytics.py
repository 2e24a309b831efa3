"""`/analytics`: the dashboards from this machine's log files, drawn without a server or a script."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from web.pages.render import page
from web.process.digesting import Digesting
from web.process.drawing import Drawing, NotDrawn
from web.request.fields import whole_number
from web.request.keeper import require_keeper
from web.request.problems import NOT_FOUND, UNAVAILABLE, Problem
from web.request.state import app_state

FRESH_SECONDS = 60.0
WIDTHS = (640, 320)  # of a panel's picture, in pixels, for wide and narrow screens
DRAWN_WITH = ("duckdb", "vl_convert")  # which the web image leaves out
HOURS = {1: "hour", 24: "day", 168: "week", 720: "month"}


@dataclass
class Drawings:
    """The panels of one span of time, width and light, drawn at most once a minute, whoever asks."""

    drawing: Drawing
    digesting: Digesting
    hours: int
    width: int
    light: str  # day or night
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    drawn: dict[str, str] = field(default_factory=dict)
    until: float = 0.0

    async def get(self) -> dict[str, str]:
        """The drawings by panel."""
        async with self.lock:
            if time.monotonic() >= self.until:
                self.drawn = await self._draw()
                self.until = time.monotonic() + FRESH_SECONDS
            return self.drawn

    async def _draw(self) -> dict[str, str]:
        how = [str(self.hours), str(self.width), self.light]
        try:
            drawn = await self.drawing.draw([*how, *self.digesting.files()])
        except NotDrawn as why:
            raise Problem(UNAVAILABLE, str(why)) from None
        if drawn is None:
            self.digesting.begin()
            detail = "So many log lines are read for the first time; this goes on. Ask again in a minute."
            raise Problem(UNAVAILABLE, detail, headers={"retry-after": "30"})
        return drawn


_drawings: dict[tuple[Path, int, int, str], Drawings] = {}


async def show(request: Request) -> Response:
    """All dashboards; only TUTTI_ADMIN_NETWORKS may see them, for they show addresses."""
    from observability.panels import DASHBOARDS

    await require_keeper(request)
    _require_pictures(app_state(request).settings.log_to)
    hours, narrow = _hours(request), WIDTHS[1]
    return page(request, "analytics.html", dashboards=DASHBOARDS, hours=hours, spans=HOURS, narrow=narrow)


async def panel(request: Request) -> Response:
    """One panel as a picture."""
    from observability.panels import PANELS

    state = app_state(request)
    await require_keeper(request)
    _require_pictures(state.settings.log_to)
    if request.path_params["panel"] not in {known.id for known in PANELS}:
        raise Problem(NOT_FOUND, "There is no panel of this name.")
    light = "night" if request.query_params.get("light") == "night" else "day"
    hours, width = _hours(request), _width(request)
    key = (state.settings.log_path, hours, width, light)
    drawn = await _drawings.setdefault(
        key, Drawings(state.drawing, state.digesting, hours, width, light)
    ).get()
    svg = drawn.get(request.path_params["panel"])
    if svg is None:
        raise Problem(NOT_FOUND, "There is no panel of this name.")
    headers = {"cache-control": f"private, max-age={FRESH_SECONDS:.0f}"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _require_pictures(log_to: str) -> None:
    """Say it where no pictures can be drawn here: nothing to read, or nothing to draw with."""
    if log_to != "files":
        raise Problem(
            NOT_FOUND, "Tutti logs to standard output here (TUTTI_LOG_TO), so there are no files to read."
        )
    if any(importlib.util.find_spec(name) is None for name in DRAWN_WITH):
        raise Problem(
            NOT_FOUND, "This installation leaves out what draws these pages; see Kibana or Grafana."
        )


def _hours(request: Request) -> int:
    asked = whole_number(request.query_params.get("hours", ""))
    return asked if asked in HOURS else 24


def _width(request: Request) -> int:
    asked = whole_number(request.query_params.get("width", ""))
    return asked if asked in WIDTHS else WIDTHS[0]
