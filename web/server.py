"""The web process: uvicorn with the application, on the socket behind nginx or on the port itself."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import FastAPI

from observability.logging import configure, get_logger
from tasks.cluster import open_ledger
from tasks.security.folders import claim
from tasks.settings import LOCAL, Settings, listening
from tasks.settings.listening import CannotListen
from web.app import create_app
from web.asgi.connection import Door, guarded
from web.request.client import networks
from web.request.state import AppState

log = get_logger()

BACKLOG = 2048
FILES_MAX = 65_536  # descriptors
KEEP_ALIVE = 75  # seconds; longer than nginx keeps its connections, so that nginx closes them first


def run(settings: Settings, *, uds: Path | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: All settings.
        uds: The socket to listen on, where nginx stands in front; else HOST:PORT.

    Returns:
        The exit code.
    """
    claim(settings)
    configure(service="tutti-web", path=settings.log_file("web.jsonl"), level=settings.log_level)
    if uds is None:
        _warn_if_alone(settings)
    open_ledger(settings).close()  # waits until it is there; the application opens its own
    try:
        sockets = _listen(settings, uds)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 1
    server = _Server(_configuration(settings, uds))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again when it has ended well
    try:
        server.run(sockets)
    finally:
        if uds is not None:
            uds.unlink(missing_ok=True)
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """A server whose streams of progress end when it is to end; uvicorn would wait for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state: AppState = cast("FastAPI", self.config.app).state.tutti
        state.watcher.end_streams()
        await super().shutdown(sockets)


def _listen(settings: Settings, uds: Path | None) -> list[socket.socket] | None:
    """The sockets to serve, made here so that a refusal has its reason; uvicorn makes the one at a path.

    Raises:
        CannotListen: They cannot be had; the text says why.
    """
    if uds is None:
        return listening.bind(settings.host, settings.port)
    listening.try_sockets(uds.parent)
    uds.unlink(missing_ok=True)
    return None


def _warn_if_alone(settings: Settings) -> None:
    """Say it where a ledger is shared with machines that cannot reach this process."""
    if settings.advertised.startswith(LOCAL) and settings.ledger.get_backend_name() != "sqlite":
        log.warning(
            "web.unreachable",
            message=f"listening on {settings.host}, which gateways on other machines cannot reach: they send "
            "nothing here. Set TUTTI_HOST, or TUTTI_ADVERTISE to where they find this process",
        )


def _door(settings: Settings) -> Door:
    """As many connections as the system allows, which is often more than it grants at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if most == resource.RLIM_INFINITY else min(most, FILES_MAX)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return Door(
        patience=settings.client_timeout,
        each=settings.connection_limit,
        trusted=networks(settings.trusted_proxies),
    )


def _configuration(settings: Settings, uds: Path | None) -> uvicorn.Config:
    address = f"unix:{uds}" if uds else settings.advertised
    return uvicorn.Config(
        create_app(settings, address=address),
        uds=os.fspath(uds) if uds else None,
        loop="uvloop",
        http=guarded(_door(settings)),
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.drain_seconds) or None,
        proxy_headers=False,  # web.request.client decides whom to believe
        server_header=False,
        date_header=True,
        access_log=False,  # web.asgi.edge writes a line of ours for each request
        log_config=None,
    )
