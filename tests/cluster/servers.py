"""PostgreSQL, PgBouncer and RabbitMQ on hosts, as Debian's packages would run them there."""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests import needs
from tests.cluster.network import Host, HostPart
from tests.servers.postgresql import program
from tests.servers.rabbitmq import script
from tests.servers.workers import eventually

SOCKETS = "/run/postgresql"
HBA = """local all all trust
host all all 127.0.0.1/32 trust
host all all 0.0.0.0/0 scram-sha-256
host replication all 0.0.0.0/0 scram-sha-256
"""
OWNER = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
SMALL = ("max_connections=200", "shared_buffers=32MB")
QUICK = "disk_free_limit.absolute = 1MB\nraft.wal_max_size_bytes = 16777216\n"


def patiently(what: Callable[[], object], host: Host, limit: float = 120) -> None:
    """Wait until a command on a host succeeds."""
    said: list[str] = []

    def succeeds() -> bool:
        try:
            what()
        except AssertionError as error:
            said.append(str(error))
            return False
        return True

    eventually(succeeds, limit, lambda: f"{host.name}: {said[-1]}\n{host.output[-3000:]}")


@dataclass
class PostgresqlOn:
    """A PostgreSQL that listens to its host's network."""

    host: Host
    options: Sequence[str] = ()
    part: HostPart | None = field(init=False, default=None)

    def start(self) -> None:
        """Start it, for the first time with empty folders, and wait until it answers."""
        data = self.host.folder / "postgresql"
        self.host.run("bash", "-c", f"mkdir -p {SOCKETS} && chown nobody {SOCKETS}")
        if not data.exists():
            data.mkdir(0o700)
            shutil.chown(data, "nobody", pwd.getpwnam("nobody").pw_gid)
            words = ("initdb", "-D", "/srv/postgresql", "-U", "postgres", "-A", "trust", "--no-sync")
            self.host.run(*OWNER, program(words[0]), *words[1:])
            (data / "pg_hba.conf").write_text(HBA)
        self._run()

    def _run(self) -> None:
        options = ("listen_addresses=*", f"unix_socket_directories={SOCKETS}", "max_connections=200")
        said = [
            word for option in (*options, "shared_buffers=32MB", *self.options) for word in ("-c", option)
        ]
        self.part = self.host.start([*OWNER, program("postgres"), "-D", "/srv/postgresql", *said])
        patiently(lambda: self.ask("SELECT 1", database="postgres"), self.host)

    def ask(self, statement: str, database: str = "tutti") -> str:
        """What a superuser's statement answers, as psql prints it bare."""
        words = ("psql", "-h", SOCKETS, "-U", "postgres", "-d", database, "-tAc", statement)
        return self.host.run(*words).strip()

    def follow(self, other: PostgresqlOn) -> None:
        """Become the standby of another server, whose every commit waits for this one."""
        self.host.run("bash", "-c", f"rm -rf /srv/postgresql && mkdir -p {SOCKETS} && chown nobody {SOCKETS}")
        (self.host.folder / "postgresql").mkdir(0o700)
        shutil.chown(self.host.folder / "postgresql", "nobody", pwd.getpwnam("nobody").pw_gid)
        source = f"host={other.host.name} user=tutti password=of-the-ledger application_name=standby"
        words = ("-D", "/srv/postgresql", "-R", "-X", "stream", "-c", "fast", "-d", source)
        self.host.run(*OWNER, program("pg_basebackup"), *words)
        self._run()
        other.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        other.ask("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Be the one that writes; no commit waits for a standby until one follows."""
        self.ask("SELECT pg_promote()", database="postgres")
        self.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.ask("SELECT pg_reload_conf()")


@dataclass
class RabbitmqOn:
    """A RabbitMQ that listens to its host's network; `beside`: hosts whose brokers it is one with."""

    host: Host
    beside: Sequence[str] = ()
    part: HostPart | None = field(init=False, default=None)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it listens."""
        folder = self.host.folder / "rabbitmq"
        folder.mkdir(exist_ok=True)
        cookie = folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text("of-the-cluster")
            cookie.chmod(0o400)
        together = "".join(
            f"cluster_formation.classic_config.nodes.{number} = rabbit@{name}\n"
            for number, name in enumerate(self.beside, 1)
        )
        (folder / "more.conf").write_text(QUICK + together)
        (folder / "plugins").write_text("[].\n")
        (folder / "environment").touch()
        self.part = self.host.start(["env", *self._environment(), "bash", "-c", _BOTH])
        if wait:
            self.await_answer()

    def await_answer(self) -> None:
        """Wait until it takes connections."""
        patiently(lambda: self.host.run("bash", "-c", "echo > /dev/tcp/localhost/5672"), self.host)

    def control(self, *words: str) -> str:
        """Run `rabbitmqctl WORDS`."""
        return self.host.run("env", *self._environment(), script("rabbitmqctl"), *words)

    def _environment(self) -> list[str]:
        name, where = self.host.name, "/srv/rabbitmq"
        values = {
            "HOME": where,
            "PATH": "/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SERVER": script("rabbitmq-server"),
            "EPMD": needs.program("epmd", package="rabbitmq-server"),
            "RABBITMQ_NODENAME": f"rabbit@{name}",
            "RABBITMQ_MNESIA_BASE": f"{where}/data",
            "RABBITMQ_LOG_BASE": f"{where}/log",
            "RABBITMQ_CONFIG_FILES": "/etc/rabbitmq/*.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{where}/environment",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{where}/plugins",
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        return [f"{key}={value}" for key, value in values.items()]


# epmd first, or the server would start one that outlives it; the server reads its further file beside ours
_BOTH = """
mkdir -p /etc/rabbitmq && cp /srv/rabbitmq/more.conf /etc/rabbitmq/more.conf
"$EPMD" & exec "$SERVER"
"""


@dataclass
class PgbouncerOn:
    """A PgBouncer in transaction mode before a PostgreSQL, on the same host, at port 6432."""

    host: Host
    part: HostPart | None = field(init=False, default=None)

    def kill(self) -> None:
        """SIGKILL."""
        if self.part:
            self.part.kill()

    def start(self) -> None:
        """Start it and wait until it listens."""
        folder = self.host.folder / "pgbouncer"
        folder.mkdir(exist_ok=True)
        (folder / "pgbouncer.ini").write_text(_POOL.format(sockets=SOCKETS))
        (folder / "users.txt").write_text('"tutti" "of-the-ledger"\n')
        words = [needs.program("pgbouncer"), "/srv/pgbouncer/pgbouncer.ini"]
        self.part = self.host.start([*OWNER, *words])
        patiently(lambda: self.host.run("bash", "-c", "echo > /dev/tcp/localhost/6432"), self.host)


_POOL = """
[databases]
* = host={sockets}
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /srv/pgbouncer/users.txt
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
"""
