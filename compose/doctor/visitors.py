"""Who is taken for whom: what stands in front, and who is a keeper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from compose.doctor.finding import Finding
from tasks.settings import Settings, listening
from web.request.client import networks

GUIDE: Final = "docs/deploying-behind-a-proxy.md"


def front(current: Settings) -> Iterator[Finding]:
    """Whether a proxy that has to be there is believed."""
    host = urlsplit(current.public_url or "").hostname
    ends_tls = (current.public_url or "").startswith("https:") and current.tls_certificate is None
    elsewhere = host is not None and not listening.is_loopback(host) and listening.is_loopback(current.host)
    if current.trusted_proxies or not (ends_tls or elsewhere):
        return
    yield Finding(
        "note",
        f"a proxy has to stand between {current.public_url} and here, and TUTTI_TRUSTED_PROXIES names none: "
        f"all its visitors are one address and share its limits, and nobody behind it is a keeper ({GUIDE})",
    )


def everybody(current: Settings) -> Iterator[Finding]:
    """Networks so wide that any stranger is in them."""
    meanings = {
        "TUTTI_TRUSTED_PROXIES": (current.trusted_proxies, "anybody may say whose address theirs is"),
        "TUTTI_ADMIN_NETWORKS": (current.admins, "everybody sees metrics, analytics and Flower"),
    }
    for name, (given, meaning) in meanings.items():
        if any(network.prefixlen == 0 for network in networks(given)):
            yield Finding("bad", f"{name} is every address: {meaning}; name your own networks alone")
