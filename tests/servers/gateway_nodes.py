"""A small ASGI app for tests of the gateway: it tells what reached it. Run by uvicorn as a web node.

It keeps the jobs it made in a folder, by Idempotency-Key, as the ledger does for real nodes.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

NAME = os.environ.get("NODE_NAME", "")
FOLDER = Path(os.environ.get("NODE_FOLDER", "."))


def seen(request: Request) -> dict[str, object]:
    return {"node": NAME, "path": request.url.path, "headers": dict(request.headers)}


async def create(request: Request) -> Response:
    body = await request.body()
    if request.headers.get("x-test-die"):
        victim = FOLDER / "die"
        try:
            victim.rename(FOLDER / "died")  # the first node that gets it dies, the next one answers
            os._exit(9)
        except FileNotFoundError:
            pass
    key = request.headers.get("idempotency-key")
    if key:
        with (FOLDER / f"job-{key}").open("a") as file:
            file.write(NAME + "\n")
    if pause := request.query_params.get("pause"):
        await asyncio.sleep(float(pause))
    return JSONResponse({**seen(request), "bytes": len(body)}, status_code=202)


async def key_valid(request: Request) -> Response:
    with (FOLDER / "key-calls").open("a") as file:
        file.write("x")
    good = (FOLDER / "keys").read_text().split() if (FOLDER / "keys").exists() else []
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token in good:
        return Response(status_code=204, headers={"X-Tutti-Key-Id": "k1"})
    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})


async def keeper(request: Request) -> Response:
    return Response(status_code=204 if request.headers["x-tutti-peer"] == "127.0.0.1" else 403)


async def events(request: Request) -> Response:
    async def stream():  # type: ignore[no-untyped-def]
        for number in range(int(request.query_params.get("count", "3"))):
            yield f"data: {number}\n\n"
            await asyncio.sleep(float(request.query_params.get("every", "0.2")))

    return StreamingResponse(stream(), media_type="text/event-stream")


async def fail(request: Request) -> Response:
    return JSONResponse({"type": "/problems/own", "status": 500}, status_code=500)


async def page(request: Request) -> Response:
    return PlainTextResponse("page", headers={"X-Frame-Options": "SAMEORIGIN"})


async def policy(request: Request) -> Response:
    return PlainTextResponse(
        "own", headers={"Content-Security-Policy": "default-src 'none'; script-src 'nonce-1'"}
    )


async def nothing(request: Request) -> Response:
    return JSONResponse(
        {"type": "/problems/not_found", "status": 404}, 404, media_type="application/problem+json"
    )


async def large(request: Request) -> Response:
    async def stream():  # type: ignore[no-untyped-def]
        for _ in range(int(request.query_params["bytes"]) // 100_000):
            yield b"x" * 100_000

    return StreamingResponse(stream(), media_type="audio/wav")


async def anything(request: Request) -> Response:
    return JSONResponse(seen(request))


app = Starlette(
    routes=[
        Route("/v1/jobs", create, methods=["POST"]),
        Route("/generate", create, methods=["POST"]),
        Route("/auth/key_valid", key_valid),
        Route("/auth/keeper", keeper),
        Route("/v1/jobs/{id}/events", events),
        Route("/fail", fail),
        Route("/", page),
        Route("/policy", policy),
        Route("/v1/uploads", create, methods=["POST"]),
        Route("/-/shared/{name}", nothing),
        Route("/large", large),
        Route("/{rest:path}", anything, methods=["GET", "HEAD", "PUT", "DELETE", "POST"]),
    ]
)

if __name__ == "__main__":
    where = os.environ["NODE_ADDRESS"]
    if where.startswith("unix:"):
        uvicorn.run(app, uds=where.removeprefix("unix:"), log_level="warning", forwarded_allow_ips="*")
    else:
        host, port = where.rsplit(":", 1)
        uvicorn.run(app, host=host, port=int(port), log_level="warning")
