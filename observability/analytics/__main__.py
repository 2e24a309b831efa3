"""Draws all panels as SVG in a process of its own, so that the one that serves keeps its memory and its time.

    python -m observability.analytics HOURS WIDTH day|night FILE... [--digest FOLDER]
    python -m observability.analytics --stay [--digest FOLDER]
    python -m observability.analytics --update --digest FOLDER FILE...

writes a JSON object, panel id -> SVG; or brings the digest of old lines up to date. With `--stay` it answers
each line of standard input, the words above as a JSON array, with one line, until none has come for ten
minutes: loading the scripts that draw costs more than drawing all panels once they are loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import datetime as dt
import itertools
import json
import os
import select
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO, cast

import orjson
import vl_convert

from observability.analytics.build import build
from observability.analytics.digest import Digest
from observability.analytics.table import TooMuch
from observability.panels.panel import NIGHT
from observability.panels.query import Json

PAINTERS = 2
BLANK: Json = {"data": {"values": [{}]}, "mark": "point"}
NICE, NICEST = 10, 19
TOO_MUCH = 75  # exit code, EX_TEMPFAIL
PR_SET_PDEATHSIG = 1
STAYS = 600.0  # seconds without a question
NONE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="60"><text x="12" y="34" '
    'font-family="sans-serif" font-size="14" fill="#889">No such lines in this time.</text></svg>'
)


def own_output() -> BinaryIO:
    """Standard output for us alone: what a library prints goes to standard error from now on."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


def _svg(spec: Json | None, config: Json) -> str:
    if spec is None:
        return NONE
    drawn: str = vl_convert.vegalite_to_svg(spec, config=config)
    return drawn


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m observability.analytics")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--digest", type=Path)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--stay", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Draw them, or bring the digest up to date."""
    out, options = own_output(), _options()
    how = 0 if options.update else 3  # words before the files, which are found from another folder as well
    options.words[how:] = [str(Path(word).absolute()) for word in options.words[how:]]
    if options.digest is not None:  # DuckDB takes no name that is not UTF-8; from within it needs none
        options.digest.mkdir(parents=True, exist_ok=True)
        os.chdir(options.digest)
        options.digest = Path()
    if options.update and options.digest is not None:
        os.nice(NICEST)
        Digest(options.digest).update([Path(word) for word in options.words])
        return 0
    os.nice(NICE)
    with _painters() as painters:
        if options.stay:
            _answer_each(painters, out, options.digest)
            return 0
        try:
            drawn = _drawn(painters, options.words, options.digest)
        except TooMuch as much:
            sys.stderr.write(f"{much} bytes of log lines have to be read first\n")
            return TOO_MUCH
    out.write(orjson.dumps(drawn))
    out.close()
    return 0


def _drawn(painters: ProcessPoolExecutor, words: list[str], digest: Path | None) -> dict[str, str]:
    """All panels, as the words ask: hours, width, light and the files."""
    hours, width, light, *files = words
    config = NIGHT if light == "night" else {"background": "white"}
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=float(hours))
    built = build(map(Path, files), since=since, digest=digest)
    specs = [one.spec(int(width)) if one.rows else None for one in built]
    svgs = painters.map(_svg, specs, itertools.repeat(config))
    return {one.panel.id: svg for one, svg in zip(built, svgs, strict=True)}


def _answer_each(painters: ProcessPoolExecutor, out: BinaryIO, digest: Path | None) -> None:
    """Answer a line with a line: the panels, or `null` where too much has to be read first."""
    while select.select([sys.stdin], [], [], STAYS)[0]:
        asked = sys.stdin.buffer.readline()
        if not asked:
            return
        drawn: dict[str, str] | None = None
        with contextlib.suppress(TooMuch):
            drawn = _drawn(painters, cast("list[str]", json.loads(asked)), digest)
        out.write(orjson.dumps(drawn, option=orjson.OPT_APPEND_NEWLINE))
        out.flush()


def _end_with(parent: int) -> None:
    """End when the process that asks has been killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _painters() -> ProcessPoolExecutor:
    """Two processes that draw; they load their script while the lines are read."""
    fork = get_context("fork")
    painters = ProcessPoolExecutor(PAINTERS, mp_context=fork, initializer=_end_with, initargs=(os.getpid(),))
    for _ in range(PAINTERS):
        painters.submit(_svg, BLANK, {})
    return painters


if __name__ == "__main__":
    sys.exit(main())
