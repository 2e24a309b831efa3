"""`/flower`: passes requests on to Flower's socket, where no nginx stands in front to do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from web.request import body
from web.request.http import FLOWER_MAX
from web.request.keeper import require_keeper
from web.request.problems import BAD_REQUEST, UNAVAILABLE, Problem
from web.request.session import refuse_foreign_site
from web.request.state import app_state

if TYPE_CHECKING:
    import httpx

METHODS = ["GET", "HEAD", "POST"]
# Of one connection, not of the message (RFC 9110, 7.6.1); the length is made anew.
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
}
# Flower's pages carry inline scripts and styles; nothing from elsewhere is let in.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:"
)


async def proxy(request: Request) -> Response:
    """Flower's answer. It can stop workers, so only TUTTI_ADMIN_NETWORKS may come.

    Raises:
        Problem: 403, or 503 where Flower does not run.
    """
    import httpx  # few processes see Flower

    state = app_state(request)
    await require_keeper(request)
    refuse_foreign_site(request)
    try:
        url = httpx.URL("http://flower").copy_with(raw_path=_target(request))
    except httpx.InvalidURL as error:
        raise Problem(BAD_REQUEST, "This address cannot be passed on to Flower.") from error
    headers = [pair for pair in request.headers.raw if pair[0].decode("latin-1") not in HOP_BY_HOP]
    content = await body.read(request, FLOWER_MAX)
    transport = httpx.AsyncHTTPTransport(uds=str(state.settings.run_path / "flower.sock"))
    client = httpx.AsyncClient(transport=transport, timeout=30.0)
    try:
        upstream = await client.send(
            client.build_request(request.method, url, headers=headers, content=content), stream=True
        )
    except httpx.TransportError as error:
        await client.aclose()
        raise Problem(UNAVAILABLE, "Flower does not run.", headers={"retry-after": "5"}) from error
    return StreamingResponse(_pass_on(client, upstream), upstream.status_code, _headers(upstream))


def _target(request: Request) -> bytes:
    prefix = app_state(request).public.prefix.encode()  # Flower makes its links with it, and wants it back
    path, query = prefix + bytes(request.scope["raw_path"]), bytes(request.scope["query_string"])
    return path + b"?" + query if query else path


def _headers(upstream: httpx.Response) -> dict[str, str]:
    kept = {name: value for name, value in upstream.headers.items() if name not in HOP_BY_HOP}
    if "content-length" in upstream.headers:
        kept["content-length"] = upstream.headers["content-length"]
    return kept | {"content-security-policy": POLICY}


async def _pass_on(client: httpx.AsyncClient, upstream: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in upstream.aiter_raw():
            yield chunk
    finally:
        await upstream.aclose()
        await client.aclose()
