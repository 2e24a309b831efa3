"""What listens on every address of a machine says an address that opens, with nginx in front and without."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import needs
from tests.field import house
from tests.field.house import song
from tests.servers.tutti import free_port


@pytest.mark.parametrize("gateway", ["auto", "off"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "localhost"])
def test_links_and_the_welcome_line_open(host: str, gateway: str, tmp_path: Path) -> None:
    with house.up(tmp_path, "var", host=host, keys="off", gateway=gateway) as running:
        made = song(running.url)
        assert httpx.get(str(made["url"])).content[:4] == b"RIFF"
        (welcome,) = [line for line in running.printed.splitlines() if "Tutti is ready: " in line]
        assert httpx.get(f"{welcome.rpartition(': ')[2]}/livez").status_code == 200
        assert urlsplit(str(made["url"])).hostname not in {"0.0.0.0", "::"}
        if host == "::":
            for address in ("127.0.0.1", "[::1]"):
                assert httpx.get(f"http://{address}:{running.port}/livez").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_plain_http_leads_to_the_name_by_which_people_came(host: str, tmp_path: Path) -> None:
    needs.program("nginx")
    chain, key = tmp_path / "chain $1.pem", tmp_path / "key $1.pem"
    subprocess.run(
        [
            needs.program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", chain,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    plain = free_port()
    settings = {"tls_certificate": str(chain), "tls_key": str(key), "tls_redirect_port": str(plain)}
    with house.up(tmp_path, "var", host=host, keys="off", **settings) as running:
        for name in ("127.0.0.1", "localhost"):
            answer = httpx.get(f"http://{name}:{plain}/v1/jobs?x=1")
            assert answer.headers["location"] == f"https://{name}:{running.port}/v1/jobs?x=1"
        context = ssl.create_default_context(cafile=chain)
        assert httpx.get(f"https://localhost:{running.port}/livez", verify=context).status_code == 200


def test_this_machine_has_both_kinds_of_addresses() -> None:
    """Else the tests above would say little."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
