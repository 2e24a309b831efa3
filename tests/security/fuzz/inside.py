"""What parts say to each other: the wire between host and engine, log lines, what is shipped of them."""

from __future__ import annotations

import json
import pickle
import socket
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from tests.security.fuzz.target import Target


def _wire(data: bytes) -> None:
    """What an engine process gone wrong may send: its host hears of its death, and runs nothing of it."""
    from tasks.worker.messages import Left
    from tasks.worker.wire import Wire

    ours, theirs = socket.socketpair()
    wire, other = Wire(Connection(ours.detach())), Connection(theirs.detach())
    other.send_bytes(data)
    other.close()
    try:
        assert isinstance(wire.receive(), Left)
    except EOFError:
        pass
    finally:
        wire.close()


class _Evil:
    def __reduce__(self) -> Any:
        return (sys.exit, (7,))


def _pickles() -> list[bytes]:
    from tasks.worker.messages import Left

    return [
        pickle.dumps(one) for one in (_Evil(), [_Evil()], {"a": _Evil()}, Left(order=1), 1, None, (1, 2), "x")
    ]


def _line(data: bytes) -> None:
    from observability.logging import configure, get_logger

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        configure("tutti-fuzz", path)
        text = data.decode("utf-8", "surrogateescape")
        get_logger().info("fuzz", message=text, tutti={"reason": text}, url={"path": text})
        configure("tutti-fuzz", None, level="error")
        (line,) = path.read_bytes().split(b"\n")[:-1]
        assert json.loads(line)["event"]["action"] == "fuzz"


def _shipped(data: bytes) -> None:
    """A log file of anything: each line of it is shipped, or put aside."""
    from observability.shipper.bulk import body

    lines = [SimpleNamespace(id=b"1", offset=0, text=line) for line in data.split(b"\n") if line]
    body(lines)  # type: ignore[arg-type]


TARGETS = (
    Target("the wire", st.one_of(st.binary(max_size=200), st.sampled_from(_pickles())), _wire),
    Target("log lines", st.binary(max_size=300), _line),
    Target("shipped lines", st.binary(max_size=300), _shipped),
)
