"""Hosts that fall silent, and ways between them that are cut: what the others do meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence

import httpx
import psycopg
from kombu import Connection

from tests.cluster.network import Host
from tests.faults.fleet import HostsScene
from tests.faults.scene import JOBS, QUEUE, Asked, Scene

CUT = 15.0  # seconds: longer than the lease, and than anybody is to wait for a silent host
MEANWHILE = 45.0  # seconds in which what was asked during a cut has to be done, by the others and during it
CAUGHT = 40.0  # seconds in which a host has to be caught amid a transaction


def cut_worker_from_ledger(scene: Scene) -> list[Asked]:
    """A worker that reaches the broker and not the ledger takes nothing; the others have all of it."""
    made = _fleet(scene)
    host = made.dice.choice(made.workers_hosts)
    with host.cut_from(made.cluster["db"]):
        made.expect(_within(CUT, lambda: takers(made) == 1), "a worker without the ledger takes messages")
        return _go_on(made)


def cut_worker_from_broker(scene: Scene) -> list[Asked]:
    """A worker that reaches the ledger and not the broker ends what it has begun, and its jobs run once."""
    made = _fleet(scene)
    asked = made.submit(4, "a tone steps=400 pace=0.05")
    host = made.host(made.amid(asked))
    with host.cut_from(made.cluster["broker"]):
        more = _go_on(made)
        time.sleep(made.dice.uniform(0, CUT))
    return asked + more


def cut_web_from_ledger(scene: Scene) -> list[Asked]:
    """A web node without the ledger says so in time, and people get to the other one."""
    made = _fleet(scene)
    web = made.dice.choice((1, 2))
    with made.cluster[f"web{web}"].cut_from(made.cluster["db"]):
        asked = made.submit(2)
        with made.client(f"web{web}") as client:
            began, status = time.monotonic(), _status(client.post, "/v1/jobs", json={"prompt": "never made"})
            made.expect(status in {503, None}, f"a web node without the ledger said {status}")
            made.expect(time.monotonic() - began < MEANWHILE, "a web node without the ledger held a POST")
        return asked + _go_on(made)


def cut_gateway_from_web(scene: Scene) -> list[Asked]:
    """A gateway that reaches one web node of two: every POST with a key is taken, none twice."""
    made = _fleet(scene)
    web = made.dice.choice((1, 2))
    with made.cluster["gateway1"].cut_from(made.cluster[f"web{web}"]):
        return _go_on(made, all_taken=True)


def silence_amid_a_transaction(scene: Scene) -> list[Asked]:
    """A host that falls silent amid a transaction stops nobody: what it holds is let go of."""
    made = _fleet(scene)
    asked = made.submit()
    name = made.dice.choice(("gpu1 worker", "gpu2 worker", "web1 web", "web2 web"))
    beside = f"web{3 - int(name[3])}" if name.startswith("web") else "gateway1"
    asked += _catch(made, name)
    try:
        asked += _go_on(made, by=beside)
    finally:
        made.host(name).heal()
    return asked


# --- what is done


def _go_on(made: HostsScene, *, all_taken: bool = False, by: str = "gateway1") -> list[Asked]:
    """Ask while something is cut: all of it has to be done before that ends."""
    began = time.monotonic()
    refused = made.refused
    with _client_of(made, by):
        asked = made.submit(2 * JOBS)
    made.expect(not all_taken or made.refused == refused, f"{made.refused - refused} POSTs were not taken")
    done = _within(MEANWHILE, lambda: _all_final(made, asked))
    took = time.monotonic() - began
    made.expect(done, f"what others were asked for meanwhile was not done within {took:.0f} s")
    time.sleep(max(0.0, CUT - took))
    made.tell(f"asked for and made within {took:.1f} s of the cut")
    return asked


@contextlib.contextmanager
def _client_of(made: HostsScene, host: str) -> Iterator[None]:
    before, made.door = made.door, host
    try:
        yield
    finally:
        made.door = before


def takers(made: HostsScene) -> int:
    """How many workers take messages of the queue that all serve."""
    with Connection(f"amqp://tutti:of-the-broker@{made.cluster['broker'].address}//") as connection:
        return int(connection.default_channel.queue_declare(QUEUE, passive=True).consumer_count)


def _catch(made: HostsScene, name: str) -> list[Asked]:
    """Isolate a host while a session of its part is idle in its transaction, after a statement of it.

    The part is stopped first, for that is quicker than to cut it off, and let go on when it is cut off.
    """
    host, part = made.host(name), made.cluster.parts[name]
    pid = part.pid
    asked: list[Asked] = []
    deadline = time.monotonic() + CAUGHT
    with _sessions(made) as look:
        while time.monotonic() < deadline:
            asked += made.submit(1, prompt="a tone steps=2 pace=0.01")
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                if not look(host):
                    continue
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.005)
                if look(host):  # it stands still in the middle
                    host.cut()
                    part.send(signal.SIGCONT)
                    return asked
                part.send(signal.SIGCONT)
    raise AssertionError(f"{name} was not caught amid a transaction")  # nothing has been struck or shown


@contextlib.contextmanager
def _sessions(made: HostsScene) -> Iterator[Callable[[Host], bool]]:
    """Ask the server whether a host's session is idle in its transaction after it has written."""
    address = made.cluster["db"].address
    with psycopg.connect(
        f"postgresql://tutti:of-the-ledger@{address}/tutti", autocommit=True, prepare_threshold=0
    ) as connection:

        def look(host: Host) -> bool:
            asked = connection.execute(IDLE, (host.address,)).fetchone()
            return bool(asked and asked[0])

        yield look


IDLE = """SELECT count(*) FROM pg_stat_activity
WHERE client_addr = %s::inet AND state = 'idle in transaction' AND backend_xid IS NOT NULL"""


def _fleet(scene: Scene) -> HostsScene:
    assert isinstance(scene, HostsScene)
    return scene


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def _all_final(made: HostsScene, asked: Sequence[Asked]) -> bool:
    found = made.system.ledger.views.snapshots([one.id for one in asked])
    return len(found) == len(asked) and all(one.state.final for one in found.values())


def _status(post: Callable[..., httpx.Response], *words: object, **more: object) -> int | None:
    try:
        return post(*words, **more).status_code
    except httpx.TransportError:
        return None


def kill_pooler(scene: Scene) -> list[Asked]:
    """kill -9 of the PgBouncer before the ledger, in mid-burst; it is back a little later."""
    made = _fleet(scene)
    assert made.pooler
    asked = made.submit(JOBS)
    made.amid(asked)
    made.pooler.kill()
    made.soon()
    made.pooler.start()
    asked += made.submit(JOBS)
    made.tell("PgBouncer is back")
    return asked


def kill_a_broker_of_two(scene: Scene) -> list[Asked]:
    """The power of one RabbitMQ of two fails: jobs wait in the ledger until it is back."""
    made = _fleet(scene)
    asked = made.submit(JOBS)
    made.soon()
    victim = made.dice.choice(made.brokers)
    victim.host.power_off()
    asked += made.submit(2 * JOBS)
    time.sleep(made.dice.uniform(CUT / 2, CUT))
    made.tell(f"{victim.host.name} is without power")
    made.power_on(victim.host)
    victim.start()
    return asked


def fail_over(scene: Scene) -> list[Asked]:
    """The power of the PostgreSQL that writes fails, and its standby takes its place."""
    made = _fleet(scene)
    asked = made.submit(JOBS)
    made.amid(asked)
    lost, standby = made.databases
    lost.host.power_off()
    made.soon(3.0)
    standby.promote()
    asked += made.submit(JOBS)
    made.tell("failed over")
    made.power_on(lost.host)
    lost.follow(standby)
    made.databases = [standby, lost]
    return asked
