"""The peers of bench/gateway: no-op servers that accept, show, stream and send files, and keep nothing.

Run as a program in a peer's own environment: `gateway_peers.py noop|ray|litserve PORT FILE`. Only what every
peer's environment has is imported.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any


def application(file: str) -> Any:
    """FastAPI with four routes that do nothing."""
    from fastapi import FastAPI, Request
    from fastapi.responses import FileResponse, StreamingResponse

    app = FastAPI()
    fired = asyncio.Event()

    @app.post("/v1/jobs", status_code=202)
    async def submit(request: Request) -> dict[str, str]:
        await request.json()
        return {"id": "a", "state": "queued"}

    @app.get("/v1/jobs/{job_id}")
    async def status(job_id: str) -> dict[str, str]:
        return {"id": job_id, "state": "queued"}

    @app.get("/v1/jobs/{job_id}/events")
    async def events(job_id: str) -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            yield f"event: queued\ndata: {job_id}\n\n"
            await fired.wait()
            yield "event: succeeded\ndata: {}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.post("/fire")
    async def fire() -> None:
        fired.set()

    @app.get("/output/{name}")
    async def output(name: str) -> FileResponse:
        return FileResponse(file, media_type="audio/wav", filename=name)

    return app


def noop(port: int, file: str) -> None:
    import uvicorn

    uvicorn.run(application(file), host="127.0.0.1", port=port, log_level="error", access_log=False)


def ray(port: int, file: str) -> None:
    """The same application as one replica behind Ray Serve's proxy."""
    import ray
    from ray import serve

    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    app = application(file)

    @serve.deployment(max_ongoing_requests=4_000)
    @serve.ingress(app)
    class Replica:
        pass

    serve.run(Replica.bind())
    while True:
        time.sleep(60)


def litserve(port: int, _file: str) -> None:
    """LitServe has a predict route and nothing else to compare."""
    import litserve as ls

    server = ls.LitServer(Nothing(api_path="/v1/jobs"), accelerator="cpu")
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")


try:
    from litserve import LitAPI
except ImportError:
    LitAPI = object


class Nothing(LitAPI):
    """At the top of the module, because LitServe pickles it for its workers."""

    def setup(self, device: str) -> None:
        pass

    def predict(self, x: Any) -> Any:  # noqa: ARG002 - LitServe names it
        return {"id": "a", "state": "queued"}


if __name__ == "__main__":
    {"noop": noop, "ray": ray, "litserve": litserve}[sys.argv[1]](int(sys.argv[2]), str(Path(sys.argv[3])))
