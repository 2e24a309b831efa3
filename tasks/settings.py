"""Every setting, described.

Each is an environment variable with the prefix `TUTTI_`, or stands in a file (`tasks.sources`); `tutti
settings` prints them all.
"""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks import listening, places, sources
from tasks.checked import (
    BrokerUrl,
    Host,
    HttpUrl,
    LedgerUrl,
    Networks,
    NodeName,
    WebAddress,
    WebNodes,
    this_host,
)

if TYPE_CHECKING:
    from sqlalchemy import URL

LOCAL = "local:"  # begins the address of a web node that only its own machine can reach


class _Given(PydanticBaseSettingsSource):
    """What stands in variables and files (`tasks.sources`)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # all values come at once

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        empty = {name for name, field in fields.items() if field.annotation is str and field.default == ""}
        return sources.given(fields, empty | {"admin_networks"})


class Settings(BaseSettings):
    """All settings with their defaults: everything on one machine, embedded."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - by name
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says, then what `tasks.sources` finds."""
        return init_settings, _Given(settings_cls)

    # where
    host: Host = Field(
        "127.0.0.1",
        description="Address to listen on: 0.0.0.0 for all of IPv4, :: for all. Beyond loopback keys are on.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Where people reach Tutti.")
    advertise: WebAddress | None = Field(
        None,
        description="Where gateways reach this web node, such as '10.0.0.5:8001'; default: HOST:PORT, with "
        "this machine's name where HOST is every address (0.0.0.0, ::).",
    )
    data: Path = Field(Path("var"), description="Folder of everything kept: ledger, songs, logs.")
    storage: Path | None = Field(None, description="Folder of the songs, the NAS; default: DATA/output.")
    run: Path | None = Field(
        None,
        description="Folder of sockets and locks, on a local disk, such as /run/tutti; default: DATA/run.",
    )
    gateway: Literal["auto", "off"] = Field("auto", description="auto: nginx in front where it is installed.")
    public_url: HttpUrl | None = Field(None, description="Address people see, if it is not http://HOST:PORT.")
    node: NodeName = Field(default_factory=this_host, description="This machine's name among the others.")
    cell: str = Field(
        "a", pattern=r"^[a-z0-9]{1,4}$", description="Name of this ledger and its GPUs in job ids."
    )

    # the way of a job
    ledger_url: LedgerUrl | None = Field(None, description="SQLAlchemy URL; default: SQLite below DATA.")
    broker_url: BrokerUrl | None = Field(None, description="kombu URL; default: the embedded Valkey.")
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
    callback_networks: Networks = Field(
        "",
        description="Networks beyond the public internet that callbacks may reach, such as '10.1.0.0/16'.",
    )

    # the gateway
    balance: Literal["least_conn", "ip_hash", "round_robin"] = Field(
        "least_conn", description="How the gateway chooses among web nodes."
    )
    web_nodes: WebNodes = Field(
        "",
        description="Web nodes behind the gateway, such as '10.0.0.5:8001 weight=2, 10.0.0.6:8001 backup'; "
        "empty: those that the ledger knows, else this machine's.",
    )
    trusted_proxies: Networks = Field(
        "", description="Networks whose X-Forwarded-For is believed, such as '10.0.0.0/8, 192.0.2.7'."
    )
    admin_networks: Networks = Field(
        "127.0.0.0/8, ::1", description="Networks that may open /flower, /metrics and the gateway's status."
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
    max_body_megabytes: int = Field(64, ge=1, description="Largest request body, uploads of audio included.")
    gateway_user: str | None = Field(
        None, description="Account of nginx's workers where root starts the gateway; default: root."
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
    model: str = Field("ACE-Step/acestep-v15-turbo-diffusers", description="Hub id or folder for acestep.")
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
    pass_environment: str = Field(
        "",
        description="Further variables that Tutti's processes get, such as 'MY_ENGINE_*'; itself one.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    ca_bundle: Path | None = Field(
        None,
        description="PEM file of authorities that are believed besides the machine's: for callbacks, "
        "Elasticsearch and Kibana.",
    )
    elasticsearch_url: HttpUrl | None = Field(None, description="Where `tutti ship` and `tutti observe` go.")
    elasticsearch_api_key: SecretStr | None = None
    kibana_url: HttpUrl | None = Field(
        None, description="Where `tutti observe setup` imports the dashboards."
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of loopback for the worker's /metrics; TUTTI_DEVICE is added to it.",
    )
    shipper_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the shipper's own /metrics on loopback; none by default."
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
    def keys_required(self) -> bool:
        """Whether a request needs an API key: by default where others than this machine can reach it."""
        return self.keys == "on" or (self.keys == "auto" and not listening.is_loopback(self.host))

    @property
    def own_host(self) -> str:
        """Where this machine itself reaches a server that listens on HOST."""
        return listening.own(self.host)

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
    def base_url(self) -> str:
        """The address people open, without a slash at the end."""
        scheme = "https" if self.tls_certificate else "http"
        return self.public_url or listening.url(scheme, listening.opened(self.host), self.port)


@cache
def settings() -> Settings:
    """This process's settings, read from the environment once."""
    return Settings()
