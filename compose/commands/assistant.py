"""Tools for assistants, by the Model Context Protocol: they ask a Tutti server for songs through its client.

Source: https://modelcontextprotocol.io, by its official SDK (the extra `mcp`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from tutti_client import AsyncTutti, Job, JobEnded, StillRunning, TuttiError, Update

INSTRUCTIONS = (
    "Makes music from words on a Tutti server. generate_song waits for the song and saves its files; if it "
    "takes longer than wait_seconds, ask song_status with the id later and fetch_song when it has succeeded."
)
JobId = Annotated[str, Field(description="The id that generate_song or list_songs gave.")]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class SongReport(BaseModel):
    """How a song stands, and its files on this machine."""

    id: str
    state: str
    prompt: str
    seconds: float
    progress: float = Field(description="Share done, 0..1.")
    position: int | None = Field(None, description="Place in line, from 1, while it waits.")
    error: str | None = Field(None, description="Why it failed.")
    files: list[str] = Field(default_factory=list, description="Paths of fetched files.")


class Songs(BaseModel):
    """Songs, newest first."""

    songs: list[SongReport]


def server_of(tutti: AsyncTutti, folder: Path) -> MCPServer[Any]:
    """The tools over one client.

    Args:
        tutti: Asks the server.
        folder: Where songs are saved; nothing is written elsewhere.
    """
    tools = _Tools(tutti, folder)
    server: MCPServer[Any] = MCPServer("tutti", instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in (
        tools.generate_song,
        tools.song_status,
        tools.list_songs,
        tools.fetch_song,
        tools.cancel_song,
    ):
        server.tool()(tool)
    return server


class _Tools:
    def __init__(self, tutti: AsyncTutti, folder: Path) -> None:
        self._tutti, self._folder = tutti, folder

    async def generate_song(
        self,
        ctx: Context[Any, Any],
        prompt: Annotated[str, Field(description="Style, mood, instruments, tempo.", min_length=5)],
        lyrics: Annotated[str, Field(description="Words to sing, with [verse] and [chorus].")] = "",
        duration: Annotated[float, Field(description="Seconds.", ge=5, le=600)] = 60.0,
        seed: Annotated[int | None, Field(description="The same seed gives the same song.")] = None,
        variations: Annotated[int, Field(ge=1, le=8)] = 1,
        audio_format: Literal["wav", "flac", "mp3", "opus"] = "mp3",
        wait_seconds: Annotated[float, Field(description="0 does not wait.", ge=0, le=3600)] = 300.0,
    ) -> SongReport:
        """Make a song from words, wait for it, and save its files."""
        fields = {
            "prompt": prompt, "lyrics": lyrics, "duration": duration, "seed": seed, "variations": variations,
            "format": audio_format,
        }  # fmt: skip
        try:
            accepted = await self._tutti.submit_fields(
                {name: value for name, value in fields.items() if value is not None}
            )
            return await self._awaited(ctx, accepted.id, wait_seconds)
        except TuttiError as error:
            raise ToolError(str(error)) from error

    async def _awaited(self, ctx: Context[Any, Any], job_id: str, seconds: float) -> SongReport:
        """Wait with news of the progress; a song that is not finished in time goes on."""
        try:
            job = await self._follow(ctx, job_id, seconds)
        except StillRunning:
            return _song(await self._tutti.get(job_id))
        except JobEnded as error:
            return _song(error.job)
        return _song(job, await self._saved(job))

    async def _follow(self, ctx: Context[Any, Any], job_id: str, seconds: float) -> Job:
        if seconds == 0:
            raise StillRunning(job_id, 0)
        seen: list[Update] = []

        async def tell() -> None:
            told = 0
            while True:
                if len(seen) > told:
                    told = len(seen)
                    await ctx.report_progress(seen[-1].progress, 1.0, seen[-1].stage or seen[-1].state)
                await asyncio.sleep(0.5)

        telling = asyncio.create_task(tell())
        try:
            return await self._tutti.wait(job_id, timeout=seconds, on_update=seen.append)
        finally:
            telling.cancel()

    async def song_status(self, job_id: JobId) -> SongReport:
        """Tell how a song stands."""
        try:
            return _song(await self._tutti.get(job_id))
        except (TuttiError, ValueError) as error:
            raise ToolError(str(error)) from error

    async def list_songs(
        self, state: State | None = None, limit: Annotated[int, Field(ge=1, le=100)] = 20
    ) -> Songs:
        """List the songs that were asked for with this key, newest first."""
        found: list[SongReport] = []
        try:
            async for job in self._tutti.jobs(state=state, page_size=limit):
                found.append(_song(job))
                if len(found) == limit:
                    break
        except TuttiError as error:
            raise ToolError(str(error)) from error
        return Songs(songs=found)

    async def fetch_song(self, job_id: JobId) -> SongReport:
        """Save a finished song's files and tell where they are."""
        try:
            job = await self._tutti.get(job_id)
            if job.state != "succeeded":
                raise ToolError(f"{job_id} is {job.state}; only finished songs have files")
            return _song(job, await self._saved(job))
        except (TuttiError, ValueError) as error:
            raise ToolError(str(error)) from error

    async def cancel_song(self, job_id: JobId) -> SongReport:
        """Stop a song that is not wanted any more."""
        try:
            return _song(await self._tutti.cancel(job_id))
        except (TuttiError, ValueError) as error:
            raise ToolError(str(error)) from error

    async def _saved(self, job: Job) -> list[str]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return [str(path) for path in await self._tutti.save(job, self._folder)]
        except OSError as error:
            raise ToolError(f"cannot write to {self._folder}: {error.strerror}") from error


def _song(job: Job, files: list[str] | None = None) -> SongReport:
    return SongReport(
        id=job.id,
        state=job.state,
        prompt=job.request.prompt,
        seconds=job.request.duration,
        progress=1.0 if job.state == "succeeded" else job.progress,
        position=job.position,
        error=job.error.detail if job.error else None,
        files=files or [],
    )
