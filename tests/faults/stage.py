"""What a fault is staged on: which broker, which ledger, which disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.servers import disk, rabbitmq, valkey
from tests.servers.postgresql import Postgresql
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.valkey import Valkey

Nas = Literal["folder", "small", "mounted", "hanging", "failing", "lossy"]


@dataclass(frozen=True)
class Stage:
    """The servers below a cell, and its settings.

    `nas`: where the songs lie; "failing": on a disk whose power can be cut; "lossy": the ledger with them.
    """

    broker: Literal["valkey", "rabbitmq"] = "valkey"
    proxied: bool = False
    ledger: Literal["sqlite", "postgresql"] = "sqlite"
    nas: Nas = "folder"
    clock: bool = False  # whether that of worker 0 can be set
    hosts: Literal["", "plain", "pooled", "doubled"] = ""  # whether each part has a host of its own
    up: bool = False  # whether `tutti up` runs all of it, with its own broker and one worker
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass
class Through:
    """A broker that is reached through a proxy."""

    server: Valkey | RabbitMQ
    proxy: Proxy = field(init=False)

    def __post_init__(self) -> None:
        self.proxy = Proxy(self.server.socket if isinstance(self.server, Valkey) else self.server.port)

    @property
    def url(self) -> str:
        if isinstance(self.server, Valkey):
            return f"redis://127.0.0.1:{self.proxy.port}/0"
        return f"amqp://guest:guest@127.0.0.1:{self.proxy.port}//"

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()


@dataclass
class Ground:
    """The started servers of a stage."""

    server: Valkey | RabbitMQ
    broker: Valkey | RabbitMQ | Through
    postgresql: Postgresql | None
    nas: Any  # what tests.servers.disk made, None for a folder
    settings: dict[str, Any]

    @property
    def proxy(self) -> Proxy:
        assert isinstance(self.broker, Through)
        return self.broker.proxy


@contextlib.contextmanager
def ground(folder: Path, stage: Stage, *, careless: bool = False) -> Iterator[Ground]:
    """Start what a stage needs; `careless`: PostgreSQL keeps what is committed to itself for long."""
    with contextlib.ExitStack() as stack:
        settings: dict[str, Any] = dict(stage.settings)
        nas = _nas(stack, folder, stage.nas)
        if nas is not None:
            settings["storage"] = nas.folder
        if stage.nas == "lossy":
            settings["data"] = nas.folder / "var"
            settings["storage"] = nas.folder / "var" / "output"
        server = stack.enter_context((valkey if stage.broker == "valkey" else rabbitmq).running())
        broker: Valkey | RabbitMQ | Through = server
        if stage.proxied:
            broker = Through(server)
            stack.callback(broker.proxy.close)
        postgresql = None
        if stage.ledger == "postgresql":
            postgresql = Postgresql(*(("wal_writer_delay=10s",) if careless else ()))
            stack.callback(postgresql.close)
            postgresql.start()
            settings["ledger_url"] = postgresql.ledger_url()
        yield Ground(server, broker, postgresql, nas, settings)


def _nas(stack: contextlib.ExitStack, folder: Path, kind: Nas) -> Any:
    match kind:
        case "folder":
            return None
        case "small":
            return stack.enter_context(disk.shrinkable(folder / "nas", size="400m"))
        case "mounted":
            return stack.enter_context(disk.removable(folder / "nas"))
        case "hanging":
            return stack.enter_context(disk.hanging(folder / "nas"))
        case "failing" | "lossy":
            return stack.enter_context(disk.lossy(folder / "nas", megabytes=400))
