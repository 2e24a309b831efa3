"""A cluster as docs/operating.md builds it, block by block, on hosts of one machine."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tasks.ledger import Ledger
from tests.cluster import manual
from tests.cluster.network import Host, HostPart, Network, network
from tests.cluster.servers import PostgresqlOn, RabbitmqOn
from tests.servers.surroundings import PASSED
from tests.servers.workers import eventually

PROGRAMS = Path(sys.executable).parent
STANDS = 180.0  # seconds in which all parts have to stand; each needs some of a busy machine's time
Say = Callable[[str], None]


@dataclass
class Cluster:
    """A running cluster: `parts` by host and what they run, such as "web1 dispatch".

    Args:
        network: Where its hosts are.
        settings: Go before those of the manual, on every host.
    """

    network: Network
    settings: Mapping[str, Any] = field(default_factory=dict)
    say: Say = lambda _: None
    parts: dict[str, HostPart] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    key: str = ""
    beside: dict[str, str] = field(default_factory=dict)  # further variables of every process
    database: PostgresqlOn = field(init=False)
    broker: RabbitmqOn = field(init=False)
    told: list[str] = field(default_factory=list)  # what each block that ran once has printed

    def build(self) -> None:
        """Make the hosts and run the manual's blocks in their order."""
        self.network.add(*manual.hosts())
        self.database, self.broker = PostgresqlOn(self["db"]), RabbitmqOn(self["broker"])
        blocks = list(manual.blocks())
        for block in blocks:
            if block.what.startswith("/"):
                for name in block.hosts:
                    self[name].write(block.what, block.text)
        self.say("database and broker start")
        self.broker.start(wait=False)
        self.database.start()
        self.broker.await_answer()
        for block in blocks:
            for name in block.hosts if block.what in {"once", "always"} else ():
                self._run(name, block)

    def _run(self, name: str, block: manual.Block) -> None:
        if block.what == "always":
            part = f"{name} {block.text.split()[-1]}"
            self.commands[part] = block.text
            self.start(part)
            return
        if self.parts:
            self.await_standing()
        self.say(f"{name}: {block.text.strip().splitlines()[-1]}")
        printed = self[name].run("env", *self.environment(), "bash", "-ec", block.text)
        self.told.append(printed)
        if found := re.search(r"\btutti_\S+", printed):
            self.key = found[0]

    def __getitem__(self, host: str) -> Host:
        return self.network.hosts[host]

    def start(self, part: str) -> HostPart:
        """Start a part by the manual's command, if it is not running."""
        running = self.parts.get(part)
        if running and running.process.poll() is None:
            return running
        host, _, _ = part.partition(" ")
        self.say(f"{host}: {self.commands[part].strip()}")
        words = ["env", *self.environment(), "bash", "-c", self.commands[part]]
        self.parts[part] = self[host].start(words)
        return self.parts[part]

    def environment(self) -> list[str]:
        """What every command on a host finds in its environment, as `env` takes it."""
        values = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PGHOST": "/run/postgresql"}
        values |= {f"TUTTI_{name.upper()}": str(value) for name, value in self.settings.items()}
        return [f"{name}={value}" for name, value in (PASSED | values | self.beside).items()]

    def await_standing(self) -> None:
        """Wait until every part that was started works."""
        eventually(self._stands, STANDS, self._missing)

    def _stands(self) -> bool:
        return not self._missing()

    def _missing(self) -> list[str]:
        """What does not work yet."""
        ended = [name for name, part in self.parts.items() if part.process.poll() is not None]
        assert not ended, "\n".join(self[name.split()[0]].output[-3000:] for name in ended)
        lost = [name for name in self.names("gateway") if not self.is_ready(name.split()[0])]
        with self.ledger() as ledger:
            alive = sum(worker.alive for worker in ledger.views.workers())
        workers = len(self.names("worker"))
        return lost + ([f"{workers - alive} workers"] if alive < workers else [])

    def names(self, kind: str) -> list[str]:
        """The parts of one kind that were started."""
        return [name for name in self.parts if name.endswith(f" {kind}")]

    def is_ready(self, gateway: str) -> bool:
        """Whether a gateway says that jobs can be taken."""
        with contextlib.suppress(httpx.HTTPError), self.client(gateway) as client:
            return client.get("/readyz").status_code == 200
        return False

    def client(self, host: str = "gateway1", port: int = 80, **more: Any) -> httpx.Client:
        """A client with the operator's key, on the machine that all hosts reach."""
        headers = {"authorization": f"Bearer {self.key}"}
        base = f"http://{self[host].address}:{port}"
        return httpx.Client(base_url=base, headers=headers, **{"timeout": 30, **more})

    def ledger(self, **options: Any) -> Ledger:
        """The ledger, opened by this process."""
        return Ledger(f"postgresql://tutti:of-the-ledger@{self['db'].address}/tutti", **options)

    def logs(self) -> Iterator[Path]:
        """The files of log lines of all hosts."""
        for name in self.network.hosts:
            yield from sorted((self.network.folder / name / "tutti" / "log").glob("*.jsonl*"))

    @property
    def songs(self) -> Path:
        """The folder of the songs, as this process sees it."""
        return self.network.nas / "songs"


@contextlib.contextmanager
def standing(folder: Path, say: Say = lambda _: None, **settings: Any) -> Iterator[Cluster]:
    """A whole cluster; all of it is gone at the end of the block."""
    with network(folder) as made:
        cluster = Cluster(made, settings, say)
        cluster.build()
        yield cluster
