"""How long, how many and how large: what one connection may cost where no nginx stands in front.

uvicorn waits for ever for the head of a request, for the rest of a body that nobody reads, and for a client
that does not take its answer; it reads heads of any size and lets any number of connections in.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import resource
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from web.request import neighbour
from web.request.client import Networks, bucket, within
from web.request.context import RequestContext

HEAD_MAX = 64 * 1024  # bytes of a request's line and headers
SEND_SECONDS = 60.0  # for which a client may leave its answer lying; nginx has the same
SEND_FLOOR = 4096  # bytes a second that it has to take on the whole, a third of the thinnest song's
UNSENT = 128 * 1024  # bytes that the kernel keeps for a connection beyond what is on its way
SPARE_FILES = 256  # descriptors for all else: the ledger, songs, the log

TOO_SLOW = (408, b"Request Timeout")
TOO_LARGE = (431, b"Request Header Fields Too Large")
TOO_MANY = (429, b"Too Many Requests")
_numbers = itertools.count()
AGAIN = b"retry-after: 2\r\n"


class Welcome(Enum):
    """What becomes of a new connection."""

    LET_IN, REFUSED, DROPPED = range(3)


@dataclass(kw_only=True)
class Door:
    """Who is inside.

    Attributes:
        patience: Seconds for a request's head, and for the rest of a body after its answer.
        each: Connections that one address may have; 0: any number.
        all: Connections that all may have together.
        trusted: Gateways; what they let in they have counted themselves.
    """

    patience: float
    each: int
    all: int = field(default_factory=lambda: _descriptors() - SPARE_FILES)
    trusted: Networks = ()
    here: Counter[str] = field(default_factory=Counter)

    def enter(self, peer: str | None) -> tuple[str, Welcome]:
        """Count one connection in: the name that it counts to, and what becomes of it.

        What is one too many is told so once its request is there, because a gateway would take a hang-up
        for a failure of this node; far beyond the bound nobody waits for that.
        """
        name = "" if peer is None or within(peer, self.trusted) else bucket(peer)
        mine, bound = self.here[name], self.each if name else 0
        self.here[name] += 1
        if self.here.total() > self.all or (bound and mine >= 2 * bound):
            return name, Welcome.DROPPED
        return name, Welcome.REFUSED if bound and mine >= bound else Welcome.LET_IN

    def leave(self, name: str) -> None:
        """Count one out."""
        self.here[name] -= 1
        if not self.here[name]:
            del self.here[name]


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65_536 if soft == resource.RLIM_INFINITY else max(soft, 2 * SPARE_FILES)


def _say_soon(transport: asyncio.BaseTransport) -> None:
    """Have the kernel say that a client takes its answer when it does, not when megabytes of it have gone."""
    link = transport.get_extra_info("socket")
    if link is not None and link.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


def guarded(door: Door) -> type[_Guarded]:
    """Uvicorn's protocol with these limits."""
    return type("GuardedProtocol", (_Guarded,), {"door": door})


class _Guarded(HttpToolsProtocol):
    """One connection. A phase is what it waits for: each has its own patience, and then it ends."""

    door: Door
    _name = ""
    _welcome = Welcome.LET_IN
    _head = 0
    _phase: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _stalled = 0.0  # seconds for which the client of this answer has let us wait
    _since = 0.0  # when it began to
    _reading_head = True
    _body_open = False
    _number = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a connection."""
        super().connection_made(transport)
        _say_soon(transport)
        self._number = f"{next(_numbers):x}"
        self._name, self._welcome = self.door.enter(self.client[0] if self.client else None)
        if self._welcome is Welcome.DROPPED:
            self.transport.abort()
        else:
            self._wait(self.door.patience, TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        """End with it."""
        self.door.leave(self._name)
        self._stop_waiting()
        self._stop_sending()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but no head beyond its bound."""
        if self._reading_head:
            self._head += len(data)
            if self._phase is None:  # the next request on a connection that was kept
                self._wait(self.door.patience, TOO_SLOW)
        super().data_received(data)
        if self._reading_head and self._head > HEAD_MAX:
            self._refuse(TOO_LARGE)

    def on_headers_complete(self) -> None:
        """A head is whole: the request begins, if there is room for it."""
        self._reading_head, self._head, self._body_open = False, 0, True
        self._stalled = 0.0
        self._stop_waiting()
        if self._welcome is Welcome.LET_IN:
            self.scope["state"][neighbour.CONNECTION] = self._number
            super().on_headers_complete()
        else:
            self._refuse(TOO_MANY)

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        if self._welcome is Welcome.LET_IN:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole; what comes now is the next one's head."""
        self._body_open, self._reading_head = False, True
        self._stop_waiting()
        if self._welcome is Welcome.LET_IN:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out; whatever is left of its request's body has to come soon."""
        super().on_response_complete()
        self._abort_at_last()
        if self._body_open and not self.transport.is_closing():
            self._wait(self.door.patience, None)

    def pause_writing(self) -> None:
        """The client does not read: wait for it, for a while, and for less if it has been slow all along."""
        super().pause_writing()
        self._since = self.loop.time()
        earned = SEND_SECONDS + self._taken() / SEND_FLOOR
        patience = max(0.0, min(SEND_SECONDS, earned - self._stalled))
        self._sending = self.loop.call_later(patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._stop_sending()
        self._stalled += self.loop.time() - self._since
        super().resume_writing()

    def _taken(self) -> int:
        """Bytes of this answer that the client has taken, as far as the kernel says."""
        context: RequestContext | None = self.scope["state"].get("context")
        given = context.bytes_sent if context else 0
        return max(0, given - self.transport.get_write_buffer_size())

    def shutdown(self) -> None:
        """The server ends: so does this connection, after the answer that is on its way."""
        super().shutdown()
        self._abort_at_last()

    def _abort_at_last(self) -> None:
        """A connection that is to end waits for its client to take the rest, but not for ever."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def _wait(self, seconds: float, refusal: tuple[int, bytes] | None) -> None:
        self._stop_waiting()
        then: Callable[..., Any] = self._refuse if refusal else self.transport.abort
        self._phase = self.loop.call_later(seconds, then, *([refusal] if refusal else []))

    def _stop_waiting(self) -> None:
        if self._phase:
            self._phase.cancel()
            self._phase = None

    def _stop_sending(self) -> None:
        if self._sending:
            self._sending.cancel()
            self._sending = None

    def _refuse(self, refusal: tuple[int, bytes]) -> None:
        """Say why, shortly, and hang up."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        status, phrase = refusal
        if self.cycle is None or self.cycle.response_complete:  # else an answer is on its way already
            again = b"retry-after: 2\r\n" if status == 429 else b""
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n%s\r\n"
                % (status, phrase, again)
            )
        self.transport.close()
        self._abort_at_last()
