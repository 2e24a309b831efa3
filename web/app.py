"""The web application: the API, the pages, and what is around them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from observability.logging import get_logger
from tasks.jobs import JobError
from tasks.ledger import Ledger
from tasks.queue.names import model_queue
from tasks.security.keys import Keyring
from tasks.security.links import SongLinks, gateway_token, key_of
from tasks.security.secret import secret_of
from tasks.security.signer import Signer
from tasks.settings import Settings
from web import pages
from web.api import (
    admin,
    convert,
    generate,
    health,
    jobs,
    metrics,
    output,
    peaks,
    presence,
    schema,
    uploads,
)
from web.api.acestep import ROUTERS as ACESTEP
from web.asgi import guard
from web.asgi.edge import Edge
from web.asgi.short_way import ShortWay
from web.pages import errors, flower
from web.process.batcher import Batcher
from web.process.digesting import Digesting
from web.process.drawing import Drawing
from web.process.queue_router import QueueRouter
from web.process.watcher import Watcher
from web.request import keeper
from web.request.client import Proxies, networks
from web.request.hosts import Hosts
from web.request.limits import RateLimiter
from web.request.public import Public
from web.request.state import AppState

if TYPE_CHECKING:
    from tasks.storage.songs import Storage

DESCRIPTION = "Ask for music in words; get songs. Every error is a problem document (RFC 9457)."

log = get_logger()

COLLECT_AFTER = 20_000  # new objects; about as many as a few hundred requests hold at once
THREADS = 16  # that wait for the ledger; asyncio's default is too few for two cores


def create_app(settings: Settings, *, address: str | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: All settings.
        address: Where a gateway reaches this process (`unix:/path` or `host:port`); None for no gateway.
    """
    app = Application(
        title="Tutti",
        version=version("tutti"),
        description=DESCRIPTION,
        lifespan=_lifespan(settings, address),
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in (
        jobs.router,
        uploads.router,
        peaks.router,
        convert.router,
        generate.router,
        *ACESTEP,
        health.router,
        metrics.router,
        admin.router,
    ):
        app.include_router(router)
    app.add_route("/output/{name}", output.serve, methods=["GET"], include_in_schema=False)
    app.add_route("/-/shared/{name}", output.hand_over, methods=["GET"], include_in_schema=False)
    app.add_route("/flower", flower.proxy, methods=flower.METHODS, include_in_schema=False)
    app.add_route("/flower/{path:path}", flower.proxy, methods=flower.METHODS, include_in_schema=False)
    pages.install(app)
    errors.install(app)
    schema.install(app, settings.public_prefix)
    app.add_route("/auth/key_valid", guard.key_valid, methods=["GET"], include_in_schema=False)
    app.add_route("/auth/keeper", keeper.answer, methods=["GET"], include_in_schema=False)
    app.layers = _layers(app, settings)
    return app


class Application(FastAPI):
    """FastAPI behind our own layers: most requests are answered before its own are gone through."""

    layers: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and the end."""
        if scope["type"] == "http":
            scope["app"] = self
            await self.layers(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _layers(app: Application, settings: Settings) -> ASGIApp:
    """What a request goes through before FastAPI, from the innermost to the outermost."""
    layers: ASGIApp = ShortWay(partial(FastAPI.__call__, app))
    if settings.keys_required:
        layers = guard.Guard(layers)
    if settings.cors_allowed:  # outside the guard: a browser asks without a key first
        layers = CORSMiddleware(
            layers,
            allow_origins=settings.cors_allowed,
            allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
            allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id", "x-api-key"],
            expose_headers=["etag", "idempotency-replayed", "location", "retry-after", "x-trace-id"],
        )
    return Edge(layers, hosts=Hosts(settings.host_names), prefix=settings.public_prefix)


def _calm_the_collector() -> None:
    """Leave what the start has made out of every later search for garbage, and search seldom.

    A request leaves hardly any cycles, and at the interpreter's own thresholds a tenth of the time
    went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


def _state(settings: Settings, threads: Executor) -> AppState:
    from tasks.engines import model_of

    ledger, model = Ledger.of(settings), model_of(settings)
    signer = Signer(secret_of(settings))
    return AppState(
        settings=settings,
        ledger=ledger,
        intake=Batcher(
            ledger.submissions.accept_many, at_once=64
        ),  # the ledger's writer gathers them once more
        looks=Batcher(lambda ids: threads.submit(ledger.views.statuses, ids), at_once=2),
        storage=_storage(settings),
        watcher=Watcher(ledger),
        route=QueueRouter(ledger, default=model_queue(model.name, model.version)),
        keyring=Keyring(ledger.keys),
        digesting=Digesting(settings.log_path, settings.data.absolute() / "analytics"),
        drawing=Drawing(settings.data.absolute() / "analytics"),
        gate=RateLimiter(settings.rate_limit),
        logins=RateLimiter(settings.login_limit, "Keys may be tried"),
        signer=signer,
        links=SongLinks(signer.secret, settings.link_seconds if settings.sign_output else None),
        proxies=_proxies(settings),
        public=Public(settings),
        admins=networks(settings.admins),
        model=model,
    )


def _proxies(settings: Settings) -> Proxies:
    token = gateway_token(key_of(secret_of(settings)))
    return Proxies(trusted=networks(settings.trusted_proxies), header=settings.proxy_header, token=token)


def _storage(settings: Settings) -> Storage:
    """The storage, prepared by whoever comes first; a NAS that is away is looked at again (`/readyz`)."""
    from tasks.storage.songs import Storage

    storage = Storage(settings.storage_path, timeout=health.PATIENCE, seen=settings.storage_seen)
    try:
        storage.prepare()
    except JobError as error:
        if settings.storage is None:
            raise
        log.warning("web.storage", message=error.detail, error={"class": error.error_class})
    return storage


def _lifespan(
    settings: Settings, address: str | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threads = ThreadPoolExecutor(THREADS, "ledger")
        asyncio.get_running_loop().set_default_executor(threads)
        try:
            state = app.state.tutti = await asyncio.to_thread(_state, settings, threads)
        except Exception as error:
            log.error("web.not_started", message=f"the web app cannot start: {error}", exc_info=error)
            raise
        with suppress(Exception):
            await state.route.refresh()
        _calm_the_collector()
        chores = [asyncio.create_task(chore.run()) for chore in (state.watcher, state.route, state.digesting)]
        chores.append(asyncio.create_task(presence.report(state)))
        if address is not None:
            chores.append(asyncio.create_task(presence.run(state, address)))
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await state.drawing.close()
            await asyncio.to_thread(state.ledger.close)

    return lifespan
