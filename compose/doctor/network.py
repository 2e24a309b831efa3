"""Where people reach this machine."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from compose.doctor.finding import Finding
from tasks.settings import Settings, listening


def port(current: Settings) -> Iterator[Finding]:
    """Whether the ports can be had."""
    from compose.machine import parts
    from compose.machine.local import is_running

    for number in parts.ports(current):
        try:
            for made in listening.bind(current.host, number):
                made.close()
        except listening.CannotListen as error:
            if is_running(current):
                yield Finding("ok", f"port {number} of {current.host}: Tutti runs here")
            else:
                yield Finding("bad", str(error))
        else:
            yield Finding("ok", f"port {number} of {current.host} is free")


def opened(current: Settings) -> Iterator[Finding]:
    """The address that links, callbacks and redirects say."""
    if current.public_url is None and current.host in listening.EVERY_ADDRESS:
        yield Finding(
            "note",
            f"links and callbacks say {current.base_url}, this machine's own address; set "
            "TUTTI_PUBLIC_URL to what people open",
        )
    else:
        yield Finding("ok", f"people open {current.base_url}")


def certificate(current: Settings) -> Iterator[Finding]:
    """Whether the files of HTTPS are there and fit each other."""
    chain, key = current.tls_certificate, current.tls_key
    if chain is None and key is None:
        return
    if chain is None or key is None:
        yield Finding("bad", "HTTPS needs both TUTTI_TLS_CERTIFICATE and TUTTI_TLS_KEY")
        return
    for name, path in (("TUTTI_TLS_CERTIFICATE", chain), ("TUTTI_TLS_KEY", key)):
        if not os.access(path, os.R_OK):
            yield Finding("bad", f"{name}: {path} cannot be read")
            return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
    except (ssl.SSLError, OSError) as error:
        yield Finding(
            "bad", f"the certificate {chain} and the key {key} do not fit or are no PEM files ({error})"
        )
    else:
        yield Finding("ok", f"HTTPS with {chain}")


def front(current: Settings) -> Iterator[Finding]:
    """Whether nginx will stand in front."""
    from nginx import gateway

    if current.gateway == "off":
        yield Finding("ok", "the web app serves the files itself (TUTTI_GATEWAY=off)")
    elif path := gateway.available():
        yield Finding("ok", f"nginx at {path} will stand in front")
    else:
        yield Finding(
            "note", "nginx is not installed: the web app serves the files itself (apt-get install nginx)"
        )
    if current.tls_certificate and (current.gateway == "off" or not gateway.available()):
        yield Finding("bad", "HTTPS needs nginx in front: the web app alone answers plain HTTP")
