"""Every setting, described.

Each is an environment variable with the prefix `TUTTI_`, or stands in a file (`tasks.settings.sources`);
`tutti settings` prints them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.settings import sources
from tasks.settings.checked import (
    BrokerUrl,
    Host,
    HostNames,
    HttpUrl,
    LedgerUrl,
    Networks,
    NodeName,
    Origins,
    Place,
    Ports,
    PublicUrl,
    WebAddress,
    WebNodes,
    this_host,
)


class _Given(PydanticBaseSettingsSource):
    """What stands in variables and files (`tasks.settings.sources`)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # all values come at once

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        empty = {name for name, field in fields.items() if field.annotation is str and field.default == ""}
        return sources.given(fields, empty | {"admin_networks"})


class Fields(BaseSettings):
    """All settings as they are given, with their defaults: everything on one machine, embedded."""

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
        """What the caller says, then what `tasks.settings.sources` finds."""
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
    data: Place = Field(Path("var"), description="Folder of everything kept: ledger, songs, logs.")
    storage: Place | None = Field(None, description="Folder of the songs, the NAS; default: DATA/output.")
    run: Place | None = Field(
        None,
        description="Folder of sockets and locks, on a local disk, such as /run/tutti; default: DATA/run.",
    )
    gateway: Literal["auto", "off"] = Field("auto", description="auto: nginx in front where it is installed.")
    public_url: PublicUrl | None = Field(
        None,
        description="Address people see, if it is not http://HOST:PORT, such as https://music.example.org or "
        "https://example.org/tutti; everything stands below its path.",
    )
    hosts: HostNames = Field(
        "",
        description="Names by which people reach Tutti, beside PUBLIC_URL's, this machine's own, localhost "
        "and bare addresses; requests for any other name are refused. '*': any name.",
    )
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
    callback_ports: Ports = Field(
        "80, 443, 8080, 8443", description="Ports that callbacks may reach, such as '443, 8000-8999'."
    )

    # asking another server: tutti submit, watch, list, get, cancel, mcp
    server: HttpUrl | None = Field(
        None,
        description="Tutti that the commands ask; default: the one of this machine.",
    )
    api_key: SecretStr | None = Field(None, description="API key that the commands show it.")

    cors_origins: Origins = Field(
        "",
        description="Web pages that may ask from a browser, such as 'https://app.example.com, null'; none.",
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
        "",
        description="Networks of the proxies in front, whose PROXY_HEADER is believed, such as '10.0.0.0/8, "
        "192.0.2.7'.",
    )
    proxy_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        "X-Forwarded-For",
        description="Which header the TRUSTED_PROXIES write; the other may be a stranger's and is not read.",
    )
    admin_networks: Networks | None = Field(
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
        120,
        ge=1,
        description="Seconds that the gateway waits for a web node's next word where an answer takes work: "
        "conversions, analytics; for /generate until the deadline.",
    )
    answer_timeout: int = Field(
        15,
        ge=1,
        description="Seconds that the gateway waits for a web node everywhere else, four times as long where "
        "it decodes audio that was sent; then the next is asked, for a POST that makes a job only where it "
        "has an Idempotency-Key.",
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
    tls_certificate: Place | None = Field(None, description="PEM chain; with TLS_KEY it turns HTTPS on.")
    tls_key: Place | None = Field(None, description="PEM private key of TLS_CERTIFICATE.")
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
    loras: Place | None = Field(None, description="Folder of LoRA adapters by name; default: DATA/lora.")
    uploads: Place | None = Field(None, description="Folder of uploaded audio; default: DATA/upload.")
    device: int | None = Field(None, ge=0, description="Index of this worker's GPU; default: the first.")
    soundfont: Place | None = Field(None, description="Another .sf2 or .sf3 for the sketch engine.")
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
    log_to: Literal["files", "stdout"] = Field(
        "files",
        description="files: JSON lines below DATA/log, which `tutti ship` and /analytics read; stdout: the "
        "same lines on standard output, where container engines and the journal take them.",
    )
    ca_bundle: Place | None = Field(
        None,
        description="PEM file of authorities that are believed besides the machine's: for callbacks, "
        "Elasticsearch and Kibana.",
    )
    elasticsearch_url: HttpUrl | None = Field(None, description="Where `tutti ship` and `tutti observe` go.")
    elasticsearch_api_key: SecretStr | None = None
    kibana_url: HttpUrl | None = Field(
        None, description="Where `tutti observe setup` imports the dashboards."
    )
    metrics_host: Host = Field(
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
