"""Draws all panels as SVG in a process of its own, so that the one that serves keeps its memory and its time.

python -m observability.analytics HOURS FILE... writes one JSON object, panel id -> SVG, to standard output.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

import orjson
import vl_convert

from observability.analytics.build import Built, build

NICE = 10
NONE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="60"><text x="12" y="34" '
    'font-family="sans-serif" font-size="14" fill="#889">No such lines in this time.</text></svg>'
)


def _svg(one: Built) -> str:
    drawn: str = vl_convert.vegalite_to_svg(one.spec() | {"background": "white"}) if one.rows else NONE
    return drawn


def main() -> None:
    """Draw them."""
    os.nice(NICE)
    hours, *files = sys.argv[1:]
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=float(hours))
    drawn = {one.panel.id: _svg(one) for one in build(map(Path, files), since=since)}
    sys.stdout.buffer.write(orjson.dumps(drawn))


if __name__ == "__main__":
    main()
