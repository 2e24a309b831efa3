"""Settings and live web nodes in, the text of one nginx.conf out. Nothing is read or written here."""

from __future__ import annotations

import ipaddress
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import jinja2

from nginx.node import Backends
from nginx.paths import paths
from nginx.problem import PROBLEMS
from tasks.settings import Settings
from tasks.settings.listening import authority
from web.request.http import (
    API_PREFIXES,
    CONTENT_SECURITY_POLICY,
    DATED_JOB_ID_PATTERN,
    FLOWER_MAX,
    JOB_ID_PATTERN,
    JSON_MAX,
    KEY_IN_BODY,
    MEDIA_TYPES,
    SECURITY_HEADERS,
    shared_cache_may_keep,
    upload_max,
)


@dataclass(frozen=True)
class EntryPoint:
    """One address at which jobs enter; the limits hold for its POSTs.

    Attributes:
        location: As an nginx location names it.
        pattern: The same as a regular expression.
        waits: The answer comes only when the song is finished.
        uploads: The body is audio; it may be large, and an address may send only a few at once.
        page: It belongs to the pages, where a browser's session takes the place of a key.
        large: The body may hold audio beside other fields.
        key_in_body: The body may show the key, which only the web app reads.
    """

    location: str
    pattern: str
    waits: bool = False
    uploads: bool = False
    page: bool = False
    large: bool = False
    key_in_body: bool = False


DOORS = (
    EntryPoint("= /v1/jobs", "/v1/jobs"),
    EntryPoint("~ ^/v1/jobs/[^/]+/retry$", "/v1/jobs/[^/]+/retry"),
    EntryPoint("= /v1/uploads", "/v1/uploads", uploads=True),
    EntryPoint("= /generate", "/generate", waits=True),
    EntryPoint("= /v1/chat/completions", "/v1/chat/completions", waits=True, large=True),
    EntryPoint("= /release_task", "/release_task", large=True, key_in_body=True),
    EntryPoint("= /songs", "/songs", page=True),
    EntryPoint("~ ^/songs/[^/]+/again$", "/songs/[^/]+/again", page=True),
)
UPLOADS_AT_ONCE = 4  # of one address
AUDIO_WAITS = 4  # times the wait for a quick answer: ten minutes of Opus take 10 s to decode, two at once


@dataclass(frozen=True)
class HostFacts:
    """What the machine allows: facts that the configuration needs and settings do not hold.

    Attributes:
        user: Account and group of the worker processes, or None where the master is not root.
        workers: Worker processes.
        connections: Connections of one worker.
        version: Version of nginx.
        cache: Folder in memory for the answers about keys, or None to keep none.
    """

    user: str | None = None
    workers: int = 2
    connections: int = 4096
    version: tuple[int, ...] = (1, 22, 1)
    cache: Path | None = None


@dataclass(frozen=True)
class RateLimit:
    """TUTTI_RATE_LIMIT, read: `5r/s burst=10`."""

    rate: str
    burst: int
    retry_after: int


def rate_limit(text: str) -> RateLimit | None:
    """Read TUTTI_RATE_LIMIT; None where it is off."""
    match = re.fullmatch(r"(\d+)r/([sm])(?: burst=(\d+))?", text)
    if match is None or int(match[1]) == 0:
        return None
    seconds = (1 if match[2] == "s" else 60) / int(match[1])
    return RateLimit(f"{match[1]}r/{match[2]}", int(match[3] or 0), math.ceil(seconds))


def quoted(value: object) -> str:
    """Write a value as one nginx string.

    Raises:
        ValueError: It holds a dollar sign or a line break, which nginx cannot quote.
    """
    text = str(value)
    if re.search(r"[$\x00-\x1f]", text):
        raise ValueError(
            f"{text!r} holds '$' or a control character, which nginx cannot quote; choose another name"
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _opened(settings: Settings) -> str:
    """What people open, for redirects: the address that is set, else the name by which they came."""
    if settings.public_url:
        return _bare(settings.public_url)
    return "https://$host" + ("" if settings.port == 443 else f":{settings.port}")


def _bare(text: str) -> str:
    """Check a value that stands in nginx's text without quotes."""
    if re.search(r"""[\s$;{}"'\\]""", text):
        raise ValueError(f"{text!r} is not a plain address")
    return text


def networks(text: str) -> list[str]:
    """Read a list of networks separated by commas.

    Raises:
        ValueError: One is not an address or network.
    """
    return [str(ipaddress.ip_network(part.strip(), strict=False)) for part in text.split(",") if part.strip()]


def listen(host: str, port: int) -> str:
    """Write the address of a `listen` directive."""
    dual = " ipv6only=off" if host == "::" else ""  # every address: those of IPv4 too
    return authority(host, port) + dual


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701 - nginx.conf is not HTML; values are quoted by the filter
        loader=jinja2.PackageLoader("nginx", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    return environment


def render(
    settings: Settings, backends: Backends, machine: HostFacts, *, secret: str | None = None, token: str = ""
) -> str:
    """Write the configuration.

    Args:
        settings: All settings.
        backends: Web nodes and canary of this moment.
        machine: Facts of the machine.
        secret: The key that signs links; needed where `sign_output` is on.
        token: What shows web nodes that a request comes by this gateway.

    Raises:
        ValueError: A setting cannot be written for nginx; the text says which.
    """
    if settings.sign_output and not secret:
        raise ValueError("TUTTI_SIGN_OUTPUT needs the secret that signs links")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise ValueError("TLS needs both TUTTI_TLS_CERTIFICATE and TUTTI_TLS_KEY")
    return (
        _environment()
        .get_template("nginx.conf.j2")
        .render(
            settings=settings,
            nodes=backends.usable(),
            canary=backends.canary,
            machine=machine,
            secret=secret,
            limit=rate_limit(settings.rate_limit),
            login_limit=rate_limit(settings.login_limit),
            paths=paths(settings),
            # into a pipe no more at once than the kernel takes whole
            log_buffer="32k" if settings.log_to == "files" else "4k",
            listen=listen(settings.host, settings.port),
            # The kernel hands a connection over once its request is there. Else a worker that a reload tells
            # to end may have accepted it, heard nothing yet, and close it as idle.
            deferred=" deferred" if sys.platform == "linux" else "",
            opened=_opened(settings),
            prefix=settings.public_prefix,
            before=f"(?:{re.escape(settings.public_prefix)})?" if settings.public_prefix else "",
            token=token or "-",
            redirect=settings.tls_redirect_port and listen(settings.host, settings.tls_redirect_port),
            trusted=networks(settings.trusted_proxies),
            problems=PROBLEMS,
            job_id=JOB_ID_PATTERN,
            dated_job_id=DATED_JOB_ID_PATTERN,
            media_types=MEDIA_TYPES,
            doors=DOORS,
            key_in_body=sorted(KEY_IN_BODY - {door.pattern for door in DOORS}),
            api_prefixes=API_PREFIXES,
            body_max=JSON_MAX,
            upload_max=upload_max(settings),
            flower_max=FLOWER_MAX,
            uploads_at_once=UPLOADS_AT_ONCE,
            shared=shared_cache_may_keep(settings),
            names=None if settings.host_names is None else sorted(map(re.escape, settings.host_names)),
            own_name=_bare(listen(settings.own_host, settings.port)),
            csp=CONTENT_SECURITY_POLICY,
            security_headers=SECURITY_HEADERS,
            quick=min(settings.answer_timeout, settings.upstream_timeout),
            audio_seconds=min(AUDIO_WAITS * settings.answer_timeout, settings.upstream_timeout),
            wait_seconds=math.ceil(settings.deadline_seconds) + 120,
        )
    )
