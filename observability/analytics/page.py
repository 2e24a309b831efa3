"""The panels as a page: one HTML file that needs no network."""

from __future__ import annotations

import datetime as dt
import html
import itertools
from collections.abc import Sequence
from functools import cache

import orjson
import vl_convert

from observability.analytics.build import FilledPanel
from observability.panels.panel import NIGHT

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif;
  --ink: #1d2433; --soft: #556; --page: #f6f7f9; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaf0; --soft: #aab; --page: #14161b; --card: #20242c; } }
body { margin: 0 auto; max-width: 1500px; padding: 1.5rem; color: var(--ink); background: var(--page); }
@media (max-width: 40rem) { body { padding: .75rem; } }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .2rem; }
h3 { font-size: 1rem; margin: 0; } p { margin: .2rem 0 .6rem; color: var(--soft); }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1rem; }
figure { margin: 0; padding: 1rem; background: var(--card); border-radius: .6rem; }
.plot { width: 100%; min-height: 4rem; } .none { color: var(--soft); font-style: italic; }
"""
DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const look = dark ? {config: NIGHT} : {};
for (const spot of document.querySelectorAll(".plot[data-panel]")) {
  const spec = JSON.parse(document.getElementById(spot.dataset.panel).textContent);
  vegaEmbed(spot, spec, {actions: false, renderer: "svg", ...look});
}
"""


@cache
def script() -> str:
    """Vega, Vega-Lite and vega-embed as one script that sets `window.vegaEmbed`; about 0.9 MB."""
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return bundle


def report(built: Sequence[FilledPanel], *, title: str = "Tutti") -> str:
    """Write the panels as one HTML page with everything in it."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1><p>From the log files, {now}.</p>",
    ]
    for dashboard, panels in itertools.groupby(built, key=lambda one: one.dashboard):
        parts.append(f"<h2>{html.escape(dashboard.title)}</h2><p>{html.escape(dashboard.question)}</p>")
        parts += ['<div class="panels">', *map(_figure, panels), "</div>"]
    parts.append(
        f"<script type=module>{_inert(script())}</script>"
        f"<script type=module>const NIGHT = {orjson.dumps(NIGHT).decode()};{DRAW}</script></body></html>"
    )
    return "\n".join(parts)


def _figure(one: FilledPanel) -> str:
    panel = one.panel
    head = f"<figure><h3>{html.escape(panel.title)}</h3><p>{html.escape(panel.note)}</p>"
    if not one.rows:
        return f'{head}<p class="none">No such lines yet.</p></figure>'
    spec = _inert(orjson.dumps(one.spec("container")).decode())
    data = f'<script type="application/json" id="{panel.id}">{spec}</script>'
    return f'{head}<div class="plot" data-panel="{panel.id}"></div>{data}</figure>'


def _inert(text: str) -> str:
    """Keep what is inside a script element from ending it; strings in it mean the same as before."""
    return text.replace("</script", "<\\/script").replace("<!--", "\\u003c!--")
