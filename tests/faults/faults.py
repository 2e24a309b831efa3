"""The table of faults: how each strikes, on what stage, and the controls of its check."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.faults import brokers, databases, disks, engines, hosts, kills, restarts
from tests.faults.invariant import Verdict, all_final, judge
from tests.faults.scene import Asked, NotTaken, Scene
from tests.faults.stage import Stage

LIMIT = 60.0  # seconds in which every job has to be final
CONTROL_LIMIT = 30.0  # longer than a whole cell needs on a busy machine


@dataclass(frozen=True)
class Control:
    """The check has to notice that a safeguard is out; `besides`: what would do its work, out too."""

    without: str
    besides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    `logs`: whether every line has to survive; the lines before a power failure need not.
    `short`: whether `make test` strikes it once.
    """

    name: str
    strike: Callable[[Scene], list[Asked]]
    controls: tuple[Control, ...]
    stage: Stage = field(default_factory=Stage)
    logs: bool = True
    short: bool = False


def strike(made: Scene, fault: Fault, limit: float) -> Verdict:
    """One round: the fault, and what has become of the jobs within `limit` seconds."""
    asked: list[Asked] = []
    try:
        asked = fault.strike(made)
    except NotTaken as words:
        made.expect(False, str(words))
    began = time.monotonic()
    while time.monotonic() - began < limit and not all_final(made, asked):
        time.sleep(0.05)
    return judge(made, asked, time.monotonic() - began, logs=fault.logs)


def _with(**settings: object) -> tuple[tuple[str, object], ...]:
    return tuple(settings.items())


PATIENT = _with(lease_seconds=10)  # the default; the other rows take a shorter one, for their time
POSTGRESQL = Stage(ledger="postgresql")
SKEWED = Stage(ledger="postgresql", clock=True)
RABBITMQ = Stage(broker="rabbitmq")
DISTANT_RABBITMQ = Stage(broker="rabbitmq", proxied=True)
PROXIED = Stage(proxied=True)
UP = Stage(up=True)
SMALL = Stage(nas="small")
FAILING = Stage(nas="failing")
HASTY = Stage(nas="small", settings=_with(storage_wait=1))
HANGING = Stage(nas="hanging", settings=_with(storage_timeout=3))
HOSTS = Stage(hosts="plain")
RELEASE = ("no_second_release",)

FAULTS = (
    Fault("kill -9 worker", kills.kill_worker, (Control("no_expiry"),), Stage(settings=PATIENT), short=True),
    Fault("kill -9 engine", kills.kill_engine, (Control("no_mourning"),), short=True),
    Fault("kill -9 dispatcher", kills.kill_dispatcher, (Control("no_takeover"),), short=True),
    Fault("kill -9 web", kills.kill_web, (Control("early_answer"),), short=True),
    Fault("SIGSTOP beyond lease", kills.stop_worker, (Control("no_renewal"),), short=True),
    Fault("SIGTERM worker", kills.end_worker, (Control("no_marking", RELEASE),)),
    Fault("200 submits, one key", kills.one_key, (Control("no_keys"),), short=True),
    Fault("burst of one person", kills.burst, (Control("no_window"),), short=True),
    Fault("engine SIGSEGV", engines.crash, (Control("blame_all"),), short=True),
    Fault("engine out of memory", engines.run_out_of_memory, (Control("no_second_chance"),)),
    Fault("kill -9 broker", brokers.kill, (Control("no_resend"),), short=True),
    Fault("broker wiped", brokers.wipe, (Control("no_second_release"),), short=True),
    Fault("broker frozen", brokers.freeze, (Control("any_claim"),)),
    Fault("broker slow", brokers.slow_down, (Control("any_claim"),), PROXIED),
    Fault("broker reset", brokers.reset, (Control("no_resend"),), PROXIED),
    Fault("broker black hole", brokers.swallow, (Control("no_timeouts"),), PROXIED),
    Fault("kill -9 RabbitMQ", brokers.kill_unanswered, (Control("no_confirms", RELEASE),), RABBITMQ),
    Fault("RabbitMQ black hole", brokers.swallow, (Control("no_heartbeat"),), DISTANT_RABBITMQ),
    Fault(
        "kill -9 worker, RabbitMQ",
        brokers.kill_worker,
        (Control("early_acks", RELEASE),),
        replace(RABBITMQ, settings=PATIENT),
    ),
    Fault("kill -9 PostgreSQL", databases.kill_server, (Control("early_commits"),), POSTGRESQL),
    Fault(
        "kill -9 worker, PostgreSQL",
        kills.kill_worker,
        (Control("no_expiry"),),
        replace(POSTGRESQL, settings=PATIENT),
    ),
    Fault("clock +-1 h, PostgreSQL", databases.skew, (Control("own_clock"),), SKEWED),
    Fault("NAS full", disks.full, (Control("in_place"),), SMALL),
    Fault("NAS read-only", disks.read_only, (Control("no_patience"),), SMALL, short=True),
    Fault("NAS read-only for long", disks.read_only_for_long, (Control("no_class"),), HASTY),
    Fault("NAS answers EIO", disks.fail, (Control("no_patience"),), FAILING),
    Fault("NAS vanished", disks.vanish, (Control("no_mark"),), Stage(nas="mounted"), short=True),
    Fault("NAS hung", disks.hang, (Control("no_bound"),), HANGING),
    Fault("worker without ledger", hosts.cut_worker_from_ledger, (Control("always_taking"),), HOSTS),
    Fault("worker without broker", hosts.cut_worker_from_broker, (Control("any_claim"),), HOSTS),
    Fault("web without ledger", hosts.cut_web_from_ledger, (Control("early_answer"),), HOSTS),
    Fault("gateway without web", hosts.cut_gateway_from_web, (Control("no_second_node"),), HOSTS),
    Fault(
        "host cut amid a transaction",
        hosts.silence_amid_a_transaction,
        (Control("hot_row", ("no_bounds",)),),
        HOSTS,
    ),
    Fault("PgBouncer killed", hosts.kill_pooler, (Control("early_answer"),), Stage(hosts="pooled")),
    Fault("one RabbitMQ of two", hosts.kill_a_broker_of_two, (Control("no_resend"),), Stage(hosts="doubled")),
    Fault("PostgreSQL fail-over", hosts.fail_over, (Control("one_database"),), Stage(hosts="doubled")),
    Fault("rolling restart", restarts.rolling, (Control("no_marking", RELEASE),), UP),
    Fault("SIGTERM tutti up", restarts.whole, (Control("no_marking", RELEASE),), UP),
    Fault(
        "power cut",
        kills.cut_power,
        (Control("no_ledger_fsync"), Control("no_file_fsync")),
        Stage(nas="lossy"),
        logs=False,
    ),
)
