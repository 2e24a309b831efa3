"""Fewer, larger writes: the head and the body of an answer leave in one piece.

uvicorn writes them one after the other, and uvloop sends each at once: twice the system calls here, and
whoever reads (nginx, most often) is woken twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER = 60.0  # seconds for the last bytes of a connection that is to end


class CorkedProtocol(HttpToolsProtocol):
    """The protocol of uvicorn; what is written while the event loop goes round once is sent at its end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a connection."""
        super().connection_made(_Corked(transport, self.loop))  # type: ignore[arg-type]


class _Corked:
    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.sent = 0  # bytes, on their way ones with them
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()
        if self._transport.get_write_buffer_size():  # it waits for a client that may never take the rest
            self._loop.call_later(LINGER, self._transport.abort)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send(self) -> None:
        if self._written:
            written, self._written = self._written, []
            self.sent += sum(map(len, written))
            self._transport.write(written[0] if len(written) == 1 else b"".join(written))
