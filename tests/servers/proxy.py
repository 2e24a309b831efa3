"""A way to a server that can be made slow, be cut, or swallow everything: a small proxy in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close says RST


class Proxy:
    """Listens on loopback and passes everything on, as long as nobody wants it otherwise.

    Args:
        target: A Unix socket, or a port of loopback.
    """

    def __init__(self, target: Path | int) -> None:
        self.delay = 0.0  # seconds that each piece is held back
        self._target = target
        self._flows: set[Flow] = set()
        self._swallows = False
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Cut every connection with a RST; new ones are welcome."""
        self._call(self._cut)

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Nothing comes through. Connections of before are dead for ever, and neither side hears of it."""
        self._call(self._swallow)
        try:
            yield
        finally:
            self._swallows = False

    def close(self) -> None:
        self._call(self._loop.stop)
        self._thread.join(20)
        self._listener.close()

    def _call(self, function) -> None:
        self._loop.call_soon_threadsafe(function)

    def _cut(self) -> None:
        for flow in list(self._flows):
            flow.cut()

    def _swallow(self) -> None:
        self._swallows = True
        for flow in self._flows:
            flow.dead = True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await self._connect()
        except OSError:  # the server is away
            writer.close()
            return
        flow = Flow(self, writer, there[1], dead=self._swallows)
        self._flows.add(flow)
        with contextlib.suppress(OSError):
            await asyncio.gather(flow.pump(reader, there[1]), flow.pump(there[0], writer))
        self._flows.discard(flow)
        flow.cut()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, int):
            return await asyncio.open_connection("127.0.0.1", self._target)
        return await asyncio.open_unix_connection(self._target)


class Flow:
    """One connection, both ways."""

    def __init__(
        self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter, *, dead: bool
    ) -> None:
        self.dead = dead
        self._proxy = proxy
        self._ends = (near, far)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self._proxy.delay:
                await asyncio.sleep(self._proxy.delay)
            if not self.dead:
                writer.write(data)
                await writer.drain()
        if not self.dead:  # else the other side never hears of it
            writer.close()

    def cut(self) -> None:
        for end in self._ends:
            peer = end.get_extra_info("socket")
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()
