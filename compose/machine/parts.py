"""The parts of Tutti on one machine: what each runs, when it is ready, and in which order they start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from compose.machine import broker
from compose.machine.supervise import Check, Part
from nginx import gateway
from tasks.settings import Settings, environment, listening


def parts(settings: Settings) -> list[Part]:
    """The parts that these settings call for, in the order of their stages."""
    run = settings.run_path
    chosen = [
        Part(name="web", argv=_web(settings), stage=1, ready=_web_answers(settings)),
        Part(name="dispatch", argv=_tutti("dispatch"), stage=1, ready=_at_once),
        Part(name="worker", argv=_tutti("worker"), stage=1, ready=_at_once),
        Part(name="flower", argv=_tutti("flower"), stage=2, ready=_at_once),
    ]
    if settings.broker_url is None:
        argv = broker.command(settings)
        chosen.insert(
            0, Part(name="broker", argv=argv, stage=0, ready=_listens(run / "broker.sock"), hush=broker.HUSH)
        )
    if behind_nginx(settings):
        chosen.append(Part(name="gateway", argv=_tutti("gateway"), stage=2, ready=_answers(settings)))
    if settings.elasticsearch_url:
        chosen.append(Part(name="ship", argv=_tutti("ship"), stage=2, ready=_at_once))
    return chosen


def behind_nginx(settings: Settings) -> bool:
    """Whether nginx stands in front of the web app here."""
    return settings.gateway == "auto" and gateway.available() is not None


def _tutti(*words: str) -> list[str]:
    return environment.python("compose.cli", *words)


def _web(settings: Settings) -> list[str]:
    """Behind nginx the web app listens on a socket; without it, it is what people reach."""
    if behind_nginx(settings):
        return _tutti("web", "--uds", str(settings.run_path / "web.sock"))
    return _tutti("web")


def _web_answers(settings: Settings) -> Check:
    return _answers(settings, uds=settings.run_path / "web.sock" if behind_nginx(settings) else None)


async def _at_once() -> bool:
    return True


def _listens(path: Path) -> Check:
    """Ready when a Redis-protocol server on this socket says PONG, its append-only file read."""

    async def check() -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"

    return check


def _answers(settings: Settings, *, uds: Path | None = None) -> Check:
    """Ready when `/livez` answers 200 where people, or nginx, will ask."""
    scheme = "https" if settings.tls_certificate and uds is None and behind_nginx(settings) else "http"
    address = f"{listening.url(scheme, settings.own_host, settings.port)}/livez"

    async def check() -> bool:
        transport = httpx.AsyncHTTPTransport(uds=str(uds) if uds else None, verify=False)
        async with httpx.AsyncClient(transport=transport, timeout=2) as client:
            try:
                return (await client.get(address)).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

    return check


def ports(settings: Settings) -> list[int]:
    """The ports that people come to."""
    more = settings.tls_redirect_port if behind_nginx(settings) else None
    return [settings.port, *([more] if more else [])]


def try_ports(settings: Settings) -> None:
    """Listen for a moment where people will come. Ports of ended connections count as free.

    Raises:
        CannotListen: It cannot be done; the text says why.
    """
    for port in ports(settings):
        for made in listening.bind(settings.host, port):
            made.close()
