"""`tutti mcp` as an assistant uses it: a real process, asked by the SDK's own client."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, StdioServerParameters

from tests.clients.conftest import until
from tests.servers.served import Served

ROOT = Path(__file__).parents[2]


def with_client(server: Served, folder: Path, what: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        words = ["-m", "compose.cli", "mcp", "--folder", str(folder), "--server", server.url]
        parameters = StdioServerParameters(
            command=sys.executable, args=words, env=dict(os.environ), cwd=str(ROOT)
        )
        async with asyncio.timeout(240), Client(parameters, read_timeout_seconds=200) as client:
            await what(client)

    asyncio.run(run())


def check_file(server: Served, job_id: str, file: str, folder: Path) -> None:
    """The file is the job's, in the folder; it is deleted then."""
    place = Path(file)
    job = httpx.get(f"{server.url}/v1/jobs/{job_id}").json()
    assert place.parent == folder
    assert hashlib.sha256(place.read_bytes()).hexdigest() == job["outputs"][0]["sha256"]
    place.unlink()


def test_a_song_for_an_assistant(server: Served, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"generate_song", "song_status", "list_songs", "fetch_song", "cancel_song"}
        assert all(tool.description for tool in tools.values())
        assert "ctx" not in str(tools["generate_song"].input_schema["properties"])

        seen: list[float] = []

        async def progress(share: float, total: float | None, message: str | None) -> None:
            seen.append(share)

        made = await client.call_tool(
            "generate_song",
            {"prompt": "steps=30 pace=0.1 for a tone", "duration": 5, "audio_format": "wav", "seed": 3},
            progress_callback=progress,
        )
        assert not made.is_error, made.content
        song = made.structured_content
        (file,) = song["files"]
        check_file(server, song["id"], file, tmp_path / "songs")
        assert seen
        fetched = await client.call_tool("fetch_song", {"job_id": song["id"]})
        check_file(server, song["id"], fetched.structured_content["files"][0], tmp_path / "songs")
        listed = await client.call_tool("list_songs", {"state": "succeeded", "limit": 100})
        assert song["id"] in [one["id"] for one in listed.structured_content["songs"]]

    with_client(server, tmp_path / "songs", scenario)


def test_what_takes_long_and_what_goes_wrong(server: Served, tmp_path: Path) -> None:
    async def call(client: Client, name: str, **arguments: Any) -> Any:
        return await client.call_tool(name, arguments)

    async def scenario(client: Client) -> None:
        waiting = await call(
            client, "generate_song", prompt=until(tmp_path / "never"), duration=5, wait_seconds=1
        )
        job_id = waiting.structured_content["id"]
        assert waiting.structured_content["state"] in {"queued", "running"}
        early = await call(client, "fetch_song", job_id=job_id)
        assert early.is_error
        assert "only finished songs" in early.content[0].text
        await call(client, "cancel_song", job_id=job_id)
        for _ in range(240):
            status = await call(client, "song_status", job_id=job_id)
            if status.structured_content["state"] == "cancelled":
                break
            await asyncio.sleep(0.5)
        assert status.structured_content["state"] == "cancelled"
        for arguments in (
            {"job_id": "a_00000000000000000000000000"},
            {"job_id": "../../etc/passwd"},
        ):
            wrong = await call(client, "song_status", **arguments)
            assert wrong.is_error
            assert "Traceback" not in wrong.content[0].text
        failed = await call(client, "generate_song", prompt="refuse refuse refuse", duration=5)
        assert failed.structured_content["state"] == "failed"
        assert "does not make that" in failed.structured_content["error"]

    with_client(server, tmp_path / "songs", scenario)
