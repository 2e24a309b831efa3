"""Draws all panels as SVG in a process of its own, so that the one that serves keeps its memory and its time.

python -m observability.analytics HOURS WIDTH day|night FILE... writes a JSON object, panel id -> SVG.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

import orjson
import vl_convert

from observability.analytics.build import Built, build
from observability.panels.panel import NIGHT
from observability.panels.query import Json

NICE = 10
NONE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="60"><text x="12" y="34" '
    'font-family="sans-serif" font-size="14" fill="#889">No such lines in this time.</text></svg>'
)


def _svg(one: Built, width: int, config: Json) -> str:
    if not one.rows:
        return NONE
    drawn: str = vl_convert.vegalite_to_svg(one.spec(width), config=config)
    return drawn


def main() -> None:
    """Draw them."""
    os.nice(NICE)
    hours, width, light, *files = sys.argv[1:]
    config = NIGHT if light == "night" else {"background": "white"}
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=float(hours))
    drawn = {one.panel.id: _svg(one, int(width), config) for one in build(map(Path, files), since=since)}
    sys.stdout.buffer.write(orjson.dumps(drawn))


if __name__ == "__main__":
    main()
