"""Every setting, described. Nothing else in Tutti reads the environment.

Each is an environment variable with the prefix `TUTTI_`; `tutti settings` prints them all.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

EVERY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})
UNIX_PATH_MAX = 100  # sun_path holds 108 bytes on Linux and 104 on macOS; room is left for the name
LOCAL = "local:"  # begins the address of a web node that only its own machine can reach
WEB_ADDRESS = re.compile(r"^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$")
ORIGIN = re.compile(r"^https?://[A-Za-z0-9.-]+(?::\d{1,5})?$")
PUBLIC_URL = re.compile(
    r"^https?://(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::\d{1,5})?(?:/[\w.~-]+)*/?$",
    re.IGNORECASE | re.ASCII,
)
OWN_PATHS = frozenset(
    [
        "-",
        "analytics",
        "api",
        "auth",
        "create_random_sample",
        "docs",
        "favicon.ico",
        "flower",
        "format_input",
        "gateway",
        "generate",
        "health",
        "livez",
        "login",
        "logout",
        "metrics",
        "openapi.json",
        "output",
        "problems",
        "query_result",
        "readyz",
        "release_task",
        "songs",
        "static",
        "v1",
    ]
)
"""First parts of our own addresses; a prefix of such a name could not be told from them."""
HOST_NAME = re.compile(r"^(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\Z")
PORTS = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?\Z", re.ASCII)
PORT_MAX = 65_535
NODE_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


def _node_name(text: str) -> str:
    if not NODE_NAME.match(text):
        raise ValueError("has to be lower-case letters, digits and hyphens (it names queues and files)")
    return text


def _this_host() -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")
    return name[:63].strip("-") or "localhost"


def _web_address(text: str | None) -> str | None:
    if text is not None and not WEB_ADDRESS.match(text):
        raise ValueError("has to be host:port or [IPv6]:port")
    return text


def _networks(text: str) -> str:
    for part in filter(None, (part.strip() for part in text.split(","))):
        ipaddress.ip_network(part)  # ValueError says what is wrong with it
    return text


def _origins(text: str) -> str:
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part != "null" and not ORIGIN.match(part):
            raise ValueError(f"{part!r} has to be an origin such as https://app.example.com; '*' is none")
    return text


def _public_url(text: str | None) -> str | None:
    """Check the address that people open; its path is the prefix below which everything stands."""
    if text is None:
        return None
    wrong = f"{text!r} is not a plain address such as https://music.example.org or http://host:8080/tutti"
    if not PUBLIC_URL.match(text):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        _ = parts.port  # ValueError where it is none
    except ValueError:
        raise ValueError(wrong) from None
    first = parts.path.split("/")[1] if "/" in parts.path else ""
    if first in OWN_PATHS:
        raise ValueError(f"its path begins with /{first}, which is an address of Tutti's own; choose another")
    return text.rstrip("/")


def _host_names(text: str) -> str:
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name != "*" and not HOST_NAME.match(name):
            raise ValueError(f"{name!r} is not a name such as 'music.example.org' (without a port)")
    return text


def ports(text: str) -> tuple[range, ...]:
    """The ports of a setting such as `80, 443, 8000-8999`.

    Raises:
        ValueError: one of them is not a port or a range of ports.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = PORTS.match(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= PORT_MAX:
            raise ValueError(f"{part!r} is neither a port nor a range of ports such as '8000-8999'")
        found.append(range(first, last + 1))
    return tuple(found)


def _ports(text: str) -> str:
    ports(text)
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Settings(BaseSettings):
    """All settings with their defaults: everything on one machine, embedded."""

    model_config = SettingsConfigDict(env_prefix="TUTTI_", frozen=True, extra="ignore")

    # where
    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback turns keys on.")
    port: int = Field(8000, ge=1, le=65535, description="Where people reach Tutti.")
    advertise: Annotated[str | None, AfterValidator(_web_address)] = Field(
        None,
        description="Where gateways reach this web node, such as '10.0.0.5:8001'; default: HOST:PORT, with "
        "this machine's name where HOST is every address (0.0.0.0, ::).",
    )
    data: Path = Field(Path("var"), description="Folder of everything kept: ledger, songs, logs.")
    storage: Path | None = Field(None, description="Folder of the songs, the NAS; default: DATA/output.")
    gateway: Literal["auto", "off"] = Field("auto", description="auto: nginx in front where it is installed.")
    public_url: Annotated[str | None, AfterValidator(_public_url)] = Field(
        None,
        description="Address people see, if it is not http://HOST:PORT, such as https://music.example.org or "
        "https://example.org/tutti; everything stands below its path.",
    )
    hosts: Annotated[str, AfterValidator(_host_names)] = Field(
        "",
        description="Names by which people reach Tutti, beside PUBLIC_URL's, this machine's own, localhost "
        "and bare addresses; requests for any other name are refused. '*': any name.",
    )
    node: Annotated[str, AfterValidator(_node_name)] = Field(
        default_factory=_this_host, description="This machine's name among the others."
    )
    cell: str = Field(
        "a", pattern=r"^[a-z0-9]{1,4}$", description="Name of this ledger and its GPUs in job ids."
    )

    # the way of a job
    ledger_url: SecretStr | None = Field(None, description="SQLAlchemy URL; default: SQLite below DATA.")
    broker_url: SecretStr | None = Field(None, description="kombu URL; default: the embedded Valkey.")
    rate_limit: str = Field(
        "5r/s burst=10",
        pattern=r"^(off|\d+r/[sm]( burst=\d+)?)$",
        description="Job creation per address and per key; 'off' for load tests.",
    )
    secret: SecretStr | None = Field(
        None, min_length=16, description="Signs session cookies; default: one made and kept in DATA."
    )
    keys: Literal["auto", "on", "off"] = Field("auto", description="API keys; auto: on beyond loopback.")
    max_queued: int = Field(100_000, ge=1, description="Jobs that may wait before new ones get 503.")
    max_attempts: int = Field(3, ge=1, le=20, description="Runs a job may lose before it fails.")
    deadline_seconds: float = Field(
        900.0, gt=0, description="Longest run of one job, from when the engine begins it."
    )
    load_seconds: float = Field(600.0, gt=0, description="Longest that a model may take to load.")
    lease_seconds: float = Field(10.0, ge=2, description="A worker silent for so long is taken for dead.")
    drain_seconds: float = Field(30.0, ge=0, description="Time to finish running jobs on SIGTERM.")
    storage_timeout: float = Field(
        30.0, gt=0, description="A write to the NAS that takes longer counts as hung."
    )
    storage_wait: float = Field(
        120.0,
        ge=0,
        description="Seconds that a finished song waits for a full or missing NAS, then its job fails.",
    )
    keep_days: float = Field(30.0, gt=0, description="Days until a song expires.")
    keep_share: float = Field(0.9, gt=0, le=1, description="Share of the disk that may be full.")
    upload_days: float = Field(
        7.0, gt=0, description="Days after its last use until an upload expires that no open job needs."
    )
    history_days: float = Field(
        180.0, gt=0, description="Days until an ended job's record goes, if its song has expired."
    )
    callback_hours: float = Field(
        24.0, gt=0, description="Hours that a callback is tried again while its receiver fails."
    )
    callback_networks: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Networks beyond the public internet that callbacks may reach, such as '10.1.0.0/16'.",
    )
    callback_ports: Annotated[str, AfterValidator(_ports)] = Field(
        "80, 443, 8080, 8443", description="Ports that callbacks may reach, such as '443, 8000-8999'."
    )

    # asking another server: tutti submit, watch, list, get, cancel, mcp
    server: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Tutti that the commands ask; default: the one of this machine.",
    )
    api_key: SecretStr | None = Field(None, description="API key that the commands show it.")

    cors_origins: Annotated[str, AfterValidator(_origins)] = Field(
        "",
        description="Web pages that may ask from a browser, such as 'https://app.example.com, null'; none.",
    )

    # the gateway
    balance: Literal["least_conn", "ip_hash", "round_robin"] = Field(
        "least_conn", description="How the gateway chooses among web nodes."
    )
    web_nodes: str = Field(
        "",
        description="Web nodes behind the gateway, such as '10.0.0.5:8001 weight=2, 10.0.0.6:8001 backup'; "
        "empty: those that the ledger knows, else this machine's.",
    )
    trusted_proxies: str = Field(
        "",
        description="Networks of the proxies in front, whose PROXY_HEADER is believed, such as '10.0.0.0/8, "
        "192.0.2.7'.",
    )
    proxy_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        "X-Forwarded-For",
        description="Which header the TRUSTED_PROXIES write; the other may be a stranger's and is not read.",
    )
    admin_networks: str | None = Field(
        None,
        description="Networks that may open /flower, /metrics, /analytics and /gateway/status without a key "
        "of the scope admin; default: this machine, and nobody where PUBLIC_URL is another machine's name.",
    )
    local_admins: bool = Field(
        False,
        description="Whether every account of this machine counts to ADMIN_NETWORKS, not Tutti's own alone.",
    )
    connection_limit: int = Field(256, ge=0, description="Open requests an address may have; 0: any number.")
    upstream_timeout: int = Field(
        300,
        ge=1,
        description="Seconds that the gateway waits for a web node's next word; for /generate until the "
        "deadline.",
    )
    login_limit: str = Field(
        "10r/m burst=10",
        pattern=r"^(off|\d+r/[sm]( burst=\d+)?)$",
        description="Keys that an address may try at /login.",
    )
    client_timeout: float = Field(
        15.0, ge=1, description="Seconds a client may pause while it sends a request."
    )
    max_body_megabytes: int = Field(
        128, ge=1, description="Largest upload; ten minutes of 16-bit stereo at 48 kHz are 115 MB."
    )
    upload_quota_megabytes: int = Field(
        1_024, ge=1, description="What the kept uploads of one owner, or of one address, may have together."
    )
    gateway_user: str | None = Field(
        None,
        description="Account of nginx's workers where root starts the gateway; default: www-data or nobody "
        "where it can reach DATA, else root.",
    )
    tls_certificate: Path | None = Field(None, description="PEM chain; with TLS_KEY it turns HTTPS on.")
    tls_key: Path | None = Field(None, description="PEM private key of TLS_CERTIFICATE.")
    tls_redirect_port: int | None = Field(
        None, ge=1, le=65535, description="Port of plain HTTP that redirects to HTTPS, such as 80."
    )
    sign_output: bool = Field(False, description="Songs only by links that are signed and expire.")
    link_seconds: int = Field(86_400, ge=60, description="How long a signed link to a song holds.")

    # making music
    engine: str = Field("auto", description="auto, sketch, acestep or an entry point of tutti.engines.")
    model: str = Field(
        "ACE-Step/Ace-Step1.5", description="Hub id, folder or file of acestep's checkpoint, in any layout."
    )
    precision: Literal["auto", "float32", "bfloat16", "fp8"] = Field(
        "auto", description="Numbers acestep computes with; auto: bfloat16 on a GPU, float32 on the CPU."
    )
    loras: Path | None = Field(None, description="Folder of LoRA adapters by name; default: DATA/lora.")
    uploads: Path | None = Field(None, description="Folder of uploaded audio; default: DATA/upload.")
    device: int | None = Field(None, ge=0, description="Index of this worker's GPU; default: the first.")
    soundfont: Path | None = Field(None, description="Another .sf2 or .sf3 for the sketch engine.")
    batch: int = Field(0, ge=0, description="Songs made at once on a device; 0: what suits the engine.")
    idle_unload: float = Field(
        300.0, ge=0, description="Seconds without work until the model leaves; 0: never."
    )
    warm_up: bool = Field(False, description="Load the model at start rather than at the first job.")

    # being watched
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    elasticsearch_url: str | None = Field(None, description="Where `tutti ship` and `tutti observe` go.")
    elasticsearch_api_key: SecretStr | None = None
    kibana_url: str | None = Field(None, description="Where `tutti observe setup` imports the dashboards.")
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address at which workers, the dispatcher and the shipper answer /metrics, to anybody: "
        "let only Prometheus reach it.",
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the worker's /metrics, to which TUTTI_DEVICE is added; none by default.",
    )
    dispatch_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the dispatcher's /metrics; none by default."
    )
    shipper_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the shipper's /metrics; none by default."
    )

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

    @property
    def run_path(self) -> Path:
        """The folder of sockets and pid files; a temporary folder where DATA's name is too long."""
        path = (self.data / "run").absolute()
        if len(os.fsencode(path)) + len("/worker-00.sock") <= UNIX_PATH_MAX:
            return path
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"tutti-{os.getuid()}-{digest}")

    @property
    def ledger(self) -> str:
        """The ledger's SQLAlchemy URL."""
        if self.ledger_url:
            return self.ledger_url.get_secret_value()
        return f"sqlite:///{(self.data / 'ledger.db').absolute()}"

    @property
    def broker(self) -> str:
        """The broker's kombu URL; the embedded one listens on a socket in the run folder."""
        if self.broker_url:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.run_path / 'broker.sock'}"

    @property
    def counts_for_all(self) -> bool:
        """Whether the web app's /metrics tells of all parts: they are here, and show none themselves."""
        own = (self.worker_metrics_port, self.dispatch_metrics_port)
        return self.ledger.startswith("sqlite") and own == (None, None)

    @property
    def keys_required(self) -> bool:
        """Whether a request needs an API key: by default where others than this machine can reach it."""
        return self.keys == "on" or (self.keys == "auto" and not is_loopback(self.host))

    @property
    def own_host(self) -> str:
        """Where this machine itself reaches a server that listens on HOST."""
        bare = self.host.strip("[]")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)

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
        if is_loopback(self.host):
            return f"{LOCAL}{self._listens}"
        return self._listens

    @property
    def cors_allowed(self) -> tuple[str, ...]:
        """The origins of CORS_ORIGINS."""
        return tuple(part.strip() for part in self.cors_origins.split(",") if part.strip())

    @property
    def server_url(self) -> str:
        """Where the commands that ask a server find it."""
        scheme = "https" if self.tls_certificate else "http"
        return self.server or self.public_url or f"{scheme}://{self.own_host}:{self.port}"

    @property
    def _listens(self) -> str:
        host = socket.gethostname() if self.host in EVERY_ADDRESS else self.host.strip("[]")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

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
        apart = self.public_url and not is_loopback(urlsplit(self.public_url).hostname or "")
        return "" if apart else "127.0.0.0/8, ::1"

    @property
    def base_url(self) -> str:
        """The address people open, without a slash at the end."""
        scheme = "https" if self.tls_certificate else "http"
        return (self.public_url or f"{scheme}://{self.host}:{self.port}").rstrip("/")


@cache
def settings() -> Settings:
    """This process's settings, read from the environment once."""
    return Settings()
