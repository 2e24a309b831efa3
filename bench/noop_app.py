"""The peer of bench.accept: a FastAPI application that takes a body and answers, and does nothing."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Body(BaseModel):
    prompt: str
    duration: float


@app.post("/v1/jobs", status_code=202)
async def accept(body: Body) -> dict[str, str]:
    return {"id": "a", "state": "queued", "prompt": body.prompt}
