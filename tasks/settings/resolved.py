"""Settings as they apply: the folders, URLs and addresses that follow from the fields."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.settings import listening, places
from tasks.settings.checked import HOST_NAME
from tasks.settings.fields import Fields

if TYPE_CHECKING:
    from sqlalchemy import URL

LOCAL = "local:"  # begins the address of a web node that only its own machine can reach


class Settings(Fields):
    """What a part asks for; frozen, so that all of a process see the same."""

    @property
    def storage_path(self) -> Path:
        """The folder of finished audio."""
        return (self.storage or self.data / "output").absolute()

    @property
    def storage_seen(self) -> Path | None:
        """Where this machine remembers that its NAS has been mounted; None where songs lie below DATA."""
        return (self.data / "storage.seen").absolute() if self.storage else None

    @property
    def upload_path(self) -> Path:
        """The folder of uploaded audio; each file is named by the SHA-256 of its bytes."""
        return (self.uploads or self.data / "upload").absolute()

    @property
    def lora_path(self) -> Path:
        """The folder of LoRA adapters: NAME.safetensors, or a folder NAME of a PEFT adapter."""
        return (self.loras or self.data / "lora").absolute()

    @property
    def compile_path(self) -> Path:
        """The folder of compiled GPU code, so that a restart is warm."""
        return (self.data / "compiled").absolute()

    @property
    def log_path(self) -> Path:
        """The folder of the JSON lines: web.jsonl, worker.jsonl, nginx.jsonl."""
        return (self.data / "log").absolute()

    def log_file(self, name: str) -> Path | None:
        """The file of that name that a process logs to; None for standard output."""
        return self.log_path / name if self.log_to == "files" else None

    @property
    def run_path(self) -> Path:
        """The folder of sockets and locks; a temporary one where its name would be too long or too odd."""
        return places.plain_folder((self.run or self.data / "run").absolute())

    @property
    def ledger(self) -> URL:
        """The ledger's SQLAlchemy URL."""
        if self.ledger_url:
            return places.database_url(self.ledger_url.get_secret_value())
        return places.sqlite_url((self.data / "ledger.db").absolute())

    @property
    def broker(self) -> str:
        """The broker's kombu URL; the embedded one listens on a socket in the run folder."""
        if self.broker_url:
            return self.broker_url.get_secret_value()
        return places.socket_broker_url(self.run_path / "broker.sock")

    @property
    def counts_for_all(self) -> bool:
        """Whether the web app's /metrics tells of all parts: they are here, and show none themselves."""
        own = (self.worker_metrics_port, self.dispatch_metrics_port)
        return self.ledger.get_backend_name() == "sqlite" and own == (None, None)

    @property
    def keys_required(self) -> bool:
        """Whether a request needs an API key: by default where others than this machine can reach it."""
        return self.keys == "on" or (self.keys == "auto" and not listening.is_loopback(self.host))

    @property
    def own_host(self) -> str:
        """Where this machine itself reaches a server that listens on HOST."""
        return listening.own(self.host)

    @property
    def host_names(self) -> frozenset[str] | None:
        """The names, lower case, by which this server may be asked for; None: any name.

        Bare addresses are not among them: no other site can have one of ours for its name.
        """
        given = {part.strip().lower() for part in self.hosts.split(",") if part.strip()}
        if "*" in given:
            return None
        public = urlsplit(self.public_url or "").hostname or ""
        advertised = (self.advertise or "").rpartition(":")[0]
        own = {"localhost", socket.gethostname().lower(), self.host.lower(), public, advertised.lower()}
        return frozenset(name for name in given | own if HOST_NAME.match(name))

    @property
    def advertised(self) -> str:
        """`host:port` where a gateway reaches this web node; `local:host:port`: only one of this machine."""
        if self.advertise:
            return self.advertise
        if listening.is_loopback(self.host):
            return f"{LOCAL}{listening.authority(self.host, self.port)}"
        name = socket.gethostname() if self.host in listening.EVERY_ADDRESS else self.host
        return listening.authority(name, self.port)

    @property
    def cors_allowed(self) -> tuple[str, ...]:
        """The origins of CORS_ORIGINS."""
        return tuple(part.strip() for part in self.cors_origins.split(",") if part.strip())

    @property
    def server_url(self) -> str:
        """Where the commands that ask a server find it."""
        return self.server or self.public_url or listening.url(self._scheme, self.own_host, self.port)

    @property
    def _scheme(self) -> str:
        return "https" if self.tls_certificate else "http"

    @property
    def public_prefix(self) -> str:
        """The path of the public URL, such as `/tutti`, or nothing."""
        return urlsplit(self.public_url).path if self.public_url else ""

    @property
    def public_origin(self) -> str:
        """The address people open without its path: scheme, host and port."""
        return self.base_url.removesuffix(self.public_prefix)

    @property
    def admins(self) -> str:
        """The networks of keepers; none by default where a proxy or tunnel makes strangers look local."""
        if self.admin_networks is not None:
            return self.admin_networks
        apart = self.public_url and not listening.is_loopback(urlsplit(self.public_url).hostname or "")
        return "" if apart else "127.0.0.0/8, ::1"

    @property
    def base_url(self) -> str:
        """The address people open, without a slash at the end."""
        return self.public_url or listening.url(self._scheme, listening.opened(self.host), self.port)


@cache
def settings() -> Settings:
    """This process's settings, read from the environment once."""
    return Settings()
