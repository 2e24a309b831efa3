"""The cell on hosts of its own: each part a network namespace, so that ways between them can be cut."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from tasks.cluster import survey
from tasks.ledger import Ledger, LedgerUnavailable
from tasks.queue.control import answering
from tasks.settings import Settings
from tests.cluster.cluster import Cluster
from tests.cluster.network import Host, network
from tests.cluster.servers import PgbouncerOn, PostgresqlOn, RabbitmqOn
from tests.faults.scene import Asked, Scene
from tests.faults.stage import Ground, Stage
from tests.servers.workers import ROOT, System, eventually

ROLES = ("web1", "web2", "dispatch1", "dispatch2", "gpu1", "gpu2", "gateway1")
PORTS = {"web": 8001, "gateway": 80}
ACCOUNT = "default_user = tutti\ndefault_pass = of-the-broker\n"
ROLE = "CREATE ROLE tutti LOGIN REPLICATION PASSWORD 'of-the-ledger'"
STANDS = 200.0  # seconds in which all parts have to work; each needs some of a busy machine's time
KEY = "no key is needed here"


@dataclass
class HostsScene(Scene):
    """A cell whose parts are named by their hosts: "gpu1 worker"."""

    cluster: Cluster = field(kw_only=True)
    databases: list[PostgresqlOn] = field(default_factory=list)  # first the one that writes
    brokers: list[RabbitmqOn] = field(default_factory=list)
    pooler: PgbouncerOn | None = None
    door: str = "gateway1"  # the host that people ask
    refused: int = 0  # their requests that were not taken
    longest: float = 0.0  # seconds until one was, however often it had to be sent

    @property
    def names(self) -> Sequence[str]:
        return list(self.cluster.commands)

    @property
    def fleet(self) -> int:
        return len(self.workers_hosts)

    @property
    def workers_hosts(self) -> list[Host]:
        """The hosts of the workers."""
        return [self.host(name) for name in self.names if name.endswith(" worker")]

    def host(self, part: str) -> Host:
        """Where a part runs."""
        return self.cluster[part.split(maxsplit=1)[0]]

    def restart(self, name: str) -> None:
        self.cluster.start(name)

    def mend(self) -> None:
        for name in self.names:
            self.restart(name)
        eventually(self._stands, STANDS, self._printed)

    def power_on(self, host: Host) -> None:
        """Let a host whose power had failed begin again."""
        host.power_on()
        self.cluster.network.tell_names()

    def _printed(self) -> str:
        """What the hosts' parts have said last."""
        said = {name: host.output[-400:] for name, host in self.cluster.network.hosts.items()}
        return "\n".join(f"{name}: {text}" for name, text in said.items() if text)

    def kill(self, name: str) -> None:
        self.cluster.parts[name].kill()

    def client(self, host: str | None = None) -> httpx.Client:
        host = host or self.door
        port = PORTS[host.rstrip("0123456789")]
        return httpx.Client(base_url=f"http://{self.cluster[host].address}:{port}", timeout=40)

    def was_refused(self) -> None:
        self.refused += 1

    def _submit(self, *words: Any) -> Asked:
        began = time.monotonic()
        asked = super()._submit(*words)
        self.longest = max(self.longest, time.monotonic() - began)
        return asked

    def tell(self, what: str) -> None:
        """Print what people and tools have seen so far of a fault (`--loud`)."""
        seen = survey(self.system.ledger, self._answering)
        said = "; ".join(seen.troubles) or "nothing"
        people = f"{self.refused} POSTs not taken, the longest {self.longest:.1f} s until taken"
        sys.stdout.write(f"seen | {what} | {people} | tools: {said} | broker: {seen.broker}\n")
        sys.stdout.flush()
        self.refused, self.longest = 0, 0.0

    def _answering(self, workers: Sequence[str]) -> frozenset[str]:
        broker = f"amqp://tutti:of-the-broker@{self.brokers[0].host.address}//"
        return answering(self.system.settings.model_copy(update={"broker_url": SecretStr(broker)}), workers)

    def logs(self) -> Iterator[Path]:
        yield from self.cluster.logs()

    def _stands(self) -> bool:
        with contextlib.suppress(httpx.HTTPError, LedgerUnavailable):
            alive = [one for one in self.system.ledger.views.workers() if one.alive or not self.whole]
            return len(alive) == self.fleet and all(self._ready(name) for name in self.names)
        return False

    def _ready(self, name: str) -> bool:
        if not name.endswith((" web", " gateway")):
            return True
        with self.client(name.split(maxsplit=1)[0]) as client:
            return client.get("/readyz" if self.whole else "/livez").status_code == 200

    def amid(self, asked: Sequence[Any]) -> str:
        """As on one host; the part that runs a job comes back by its host's name."""
        super().amid(asked)
        jobs = [job for one in asked if (job := self.job(one.id)) and job.worker]
        names = [f"{job.worker.split('@')[1]} worker" for job in jobs if job.worker]
        return self.dice.choice(names or ["gpu1 worker"])

    def some_worker(self) -> str:
        return f"gpu{self.dice.choice((1, 2))} worker"


def commands() -> dict[str, str]:
    """What runs on each host."""
    kinds = {"web": "web", "dispatch": "dispatch", "gpu": "worker", "gateway": "gateway"}
    found = {}
    for host in ROLES:
        role = host.rstrip("0123456789")
        port = f"TUTTI_PORT={PORTS[role]} " if role in PORTS else ""
        found[f"{host} {kinds[role]}"] = f"{port}tutti {kinds[role]}"
    return found


@contextlib.contextmanager
def hosts_scene(
    folder: Path, stage: Stage, dice: random.Random, without: tuple[str, ...] = (), **more: Any
) -> Iterator[HostsScene]:
    """A standing cell on hosts; all its processes lack the safeguards in `without`."""
    with network(folder) as made:
        names = ("db", "db2", "broker", "broker2") if stage.hosts == "doubled" else ("db", "broker")
        made.add(*names, *ROLES)
        cluster = Cluster(made, _settings(stage, more), parts={}, commands=commands())
        hook = f"{ROOT / 'tests' / 'faults' / 'hook'}:{ROOT}"
        cluster.beside = {"FAULTS_WITHOUT": ",".join(without), "PYTHONPATH": hook}
        servers = Servers(cluster, stage)
        (made.nas / "songs").mkdir()
        here = Settings(
            data=folder / "here",
            storage=made.nas / "songs",
            ledger_url=_ledger_url([database.host.address for database in servers.databases]),
            lease_seconds=cluster.settings["lease_seconds"],
        )
        ledger = Ledger(here.ledger, lease_seconds=here.lease_seconds)
        system = System(here, cluster.broker, ledger, {})  # type: ignore[arg-type]
        ground = Ground(cluster.broker, cluster.broker, None, None, {})  # type: ignore[arg-type]
        scene = HostsScene(
            system, ground, dice, without, cluster=cluster,
            databases=servers.databases, brokers=servers.brokers, pooler=servers.pooler,
        )  # fmt: skip
        scene.parts = cluster.parts  # type: ignore[assignment]
        try:
            scene.mend()
            yield scene
        finally:
            scene.glimpses.end()
            ledger.close()


def _ledger_url(hosts: Sequence[str], port: int = 5432) -> str:
    if len(hosts) == 1:
        return f"postgresql://tutti:of-the-ledger@{hosts[0]}:{port}/tutti"
    several = "&".join(f"host={host}:{port}" for host in hosts)
    return f"postgresql://tutti:of-the-ledger@/tutti?{several}&target_session_attrs=read-write"


def _settings(stage: Stage, more: dict[str, Any]) -> dict[str, Any]:
    brokers = ("broker", "broker2") if stage.hosts == "doubled" else ("broker",)
    databases = ("db", "db2") if stage.hosts == "doubled" else ("db",)
    values: dict[str, Any] = {
        "engine": "tests.engines:Tone", "rate_limit": "off", "lease_seconds": 4, "drain_seconds": 5,
        "max_attempts": 20, "keys": "off", "host": "0.0.0.0", "data": "/srv/tutti", "device": 0,
        "storage": "/mnt/nas/songs", "secret": KEY, "answer_timeout": 12, "trusted_proxies": "10.0.0.0/8",
        "broker_url": ";".join(f"amqp://tutti:of-the-broker@{name}//" for name in brokers),
        "ledger_url": _ledger_url(databases, 6432 if stage.hosts == "pooled" else 5432),
    }  # fmt: skip
    return values | dict(stage.settings) | more


class Servers:
    """The started servers below a cell on hosts."""

    def __init__(self, cluster: Cluster, stage: Stage) -> None:
        doubled = stage.hosts == "doubled"
        names = ["broker", "broker2"] if doubled else ["broker"]
        self.brokers = [RabbitmqOn(cluster[name], beside=names if doubled else ()) for name in names]
        for broker in self.brokers:
            broker.host.write("/etc/rabbitmq/rabbitmq.conf", ACCOUNT)
            broker.start(wait=False)
        self.databases = [PostgresqlOn(cluster[name]) for name in (("db", "db2") if doubled else ("db",))]
        first = cluster.database = self.databases[0]
        first.start()
        for statement in (ROLE, "CREATE DATABASE tutti OWNER tutti"):
            first.ask(statement, database="postgres")
        for standby in self.databases[1:]:
            standby.follow(first)
        self.pooler = PgbouncerOn(cluster["db"]) if stage.hosts == "pooled" else None
        if self.pooler:
            self.pooler.start()
        cluster.broker = self.brokers[0]
        for broker in self.brokers:
            broker.await_answer()
