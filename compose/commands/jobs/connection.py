"""Which server a command asks, with which key, and how it ends when that goes wrong.

Exit codes, for scripts: 0 all is well; 1 a job made no song; 2 the command is wrong; 3 another key is needed;
4 there is no such job; 5 the server refused the request; 6 the server is away or busy; 7 the wait is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tasks.settings import settings

if TYPE_CHECKING:
    from tutti_client import AsyncTutti, TuttiError

Server = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="Tutti to ask; default: TUTTI_SERVER, or here.")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="API key; others can see it in the process list, not in TUTTI_API_KEY."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line a job, for programs.")]
RETRIES = 12  # about two minutes of a server that is away, and any rate limit


class Exit(IntEnum):
    """What a command ends with; of several the highest."""

    DONE = 0
    NO_SONG = 1
    WRONG_COMMAND = 2
    NOT_ALLOWED = 3
    UNKNOWN = 4
    REFUSED = 5
    AWAY = 6
    TIME_OVER = 7


def asking(
    server: str | None, key: str | None, what: Callable[[AsyncTutti], Awaitable[Exit]], *, as_json: bool
) -> None:
    """Run a command's work against the server, and end the process with its code where that is not 0.

    Raises:
        typer.Exit: With the code, after the reason is printed.
    """
    from tutti_client import TuttiError

    try:
        code = asyncio.run(_ask(server, key, what))
    except TuttiError as error:
        complain(error, as_json=as_json)
        raise typer.Exit(code_of(error)) from error
    if code:
        raise typer.Exit(code)


async def _ask(server: str | None, key: str | None, what: Callable[[AsyncTutti], Awaitable[Exit]]) -> Exit:
    async with client_of(server, key) as tutti:
        return await what(tutti)


def client_of(server: str | None, key: str | None) -> AsyncTutti:
    """The client of the server that is named, here or by the settings."""
    import httpx

    from tutti_client import AsyncTutti

    known = settings()
    url = server or known.server_url
    try:
        parsed = httpx.URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise httpx.InvalidURL("no scheme or no host")
    except httpx.InvalidURL as error:
        raise typer.BadParameter(
            f"{url!r} is not an address such as https://music.example.com", param_hint="--server"
        ) from error
    shown = key or (known.api_key.get_secret_value() if known.api_key else None)
    return AsyncTutti(url, shown, retries=RETRIES)


def code_of(error: TuttiError) -> Exit:
    """The exit code of an exception."""
    import tutti_client as tc

    kinds: dict[type[TuttiError], Exit] = {
        tc.JobEnded: Exit.NO_SONG,
        tc.NotAllowed: Exit.NOT_ALLOWED,
        tc.NotFound: Exit.UNKNOWN,
        tc.InvalidRequest: Exit.REFUSED,
        tc.Conflict: Exit.REFUSED,
        tc.StillRunning: Exit.TIME_OVER,
    }
    return next((code for kind, code in kinds.items() if isinstance(error, kind)), Exit.AWAY)


def complain(error: TuttiError, *, as_json: bool, about: str = "") -> None:
    """Say what went wrong, on standard error."""
    if as_json:
        typer.echo(json.dumps(_document(error, about)), err=True)
        return
    trace = getattr(error, "trace_id", None)
    words = f"{about}: {error}" if about else str(error)
    typer.echo(words + (f" (trace {trace})" if trace else ""), err=True)


def _document(error: TuttiError, about: str) -> dict[str, object]:
    from tutti_client import Refused

    known: dict[str, object] = {"error": type(error).__name__, "detail": str(error)}
    if isinstance(error, Refused):
        known["problem"] = error.problem.model_dump(mode="json", exclude_none=True)
    return known | ({"about": about} if about else {})
