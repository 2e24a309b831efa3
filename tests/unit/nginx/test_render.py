"""Every variant of the configuration is accepted by nginx and found clean by gixy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nginx.node import Backends, CanaryShare, Upstream, parse_nodes
from nginx.process import Nginx, available
from nginx.render import HostFacts, RateLimit, networks, quoted, rate_limit, render
from tasks.settings import Settings
from tests import needs
from tests.servers.gateway import certificate

ODD = 'a "b" $c #d {e}; \\'  # nginx has no way to write a dollar sign in a path
ONE = Backends((Upstream("unix:/tmp/web.sock"),))
TWO = Backends((Upstream("127.0.0.1:8001", weight=3), Upstream("127.0.0.1:8002", backup=True)))
SICK = Backends((Upstream("127.0.0.1:8001"), Upstream("[::1]:8002", healthy=False)), CanaryShare(12.5))

VARIANTS = {
    "embedded": ({}, ONE),
    "no node at all": ({}, Backends()),
    "keys and signed links": ({"keys": "on", "sign_output": True}, SICK),
    "no limits": ({"rate_limit": "off", "connection_limit": 0}, TWO),
    "no limits but keys": (
        {"rate_limit": "off", "login_limit": "off", "connection_limit": 0, "keys": "on"},
        ONE,
    ),
    "limit without burst": ({"rate_limit": "30r/m", "login_limit": "1r/s"}, ONE),
    "a canary with a version": ({}, Backends(ONE.nodes, CanaryShare(5, "v2.1-turbo"))),
    "another patience": ({"upstream_timeout": 7, "deadline_seconds": 2.5, "client_timeout": 3}, ONE),
    "ip hash, IPv6": ({"balance": "ip_hash", "host": "::1"}, TWO),
    "round robin, whole canary": ({"balance": "round_robin"}, Backends(ONE.nodes, CanaryShare(100))),
    "behind a balancer": ({"trusted_proxies": "10.0.0.0/8, 2001:db8::/32", "host": "0.0.0.0"}, TWO),
    "TLS": ({"tls": True}, TWO),
    "TLS with a redirect, keys": ({"tls": True, "keys": "on", "tls_redirect_port": 18080}, TWO),
}


def settings_of(folder: Path, options: dict[str, object]) -> Settings:
    options = {"data": folder / ODD, "port": 18000, **options}
    if options.pop("tls", False):
        options["tls_certificate"], options["tls_key"] = certificate(folder)
    return Settings(**options)


@pytest.mark.parametrize("name", VARIANTS)
def test_nginx_and_gixy_accept(name: str, tmp_path: Path) -> None:
    program = available()
    if program is None:
        needs.missing("nginx", "apt-get install nginx")
    options, backends = VARIANTS[name]
    settings = settings_of(tmp_path, options)
    nginx = Nginx(settings, program)
    nginx.check(render(settings, backends, nginx.machine(), secret="0123456789abcdef"))
    if nginx.cache:
        nginx.cache.rmdir()  # nginx makes it even for a check
    assert nginx.config.stat().st_mode & 0o077 == 0
    gixy = subprocess.run(
        [Path(sys.executable).with_name("gixy"), nginx.config], capture_output=True, text=True, check=False
    )
    assert gixy.returncode == 0, gixy.stdout


def test_gixy_would_find_a_fault(tmp_path: Path) -> None:
    text = render(settings_of(tmp_path, {}), ONE, HostFacts())
    bad = tmp_path / "bad.conf"
    bad.write_text(text.replace("location / {", 'location / {\n            add_header X-Trap "$uri";'))
    gixy = [Path(sys.executable).with_name("gixy"), bad]
    assert subprocess.run(gixy, capture_output=True, check=False).returncode == 1


def text_of(
    tmp_path: Path, backends: Backends = ONE, version: tuple[int, ...] = (1, 22), **options: object
) -> str:
    return render(settings_of(tmp_path, options), backends, HostFacts(version=version), secret="s" * 16)


def test_weight_backup_and_down_reach_the_upstream(tmp_path: Path) -> None:
    assert 'server "127.0.0.1:8001" weight=3 max_fails=3 fail_timeout=5s;' in text_of(tmp_path, TWO)
    assert 'server "127.0.0.1:8002" weight=1 max_fails=3 fail_timeout=5s backup;' in text_of(tmp_path, TWO)
    assert "fail_timeout=5s down;" in text_of(tmp_path, SICK)


def test_all_nodes_are_asked_when_all_are_unwell(tmp_path: Path) -> None:
    sick = Backends((Upstream("a:1", healthy=False), Upstream("b:1", healthy=False)))
    assert " down;" not in text_of(tmp_path, sick)


def test_newer_nginx_gets_http2_as_its_own_directive(tmp_path: Path) -> None:
    assert "ssl http2 backlog" in text_of(tmp_path, tls=True)
    newer = text_of(tmp_path, version=(1, 26, 0), tls=True)
    assert "http2 on;" in newer
    assert "ssl http2" not in newer


def test_waiting_on_generate_outlasts_the_deadline(tmp_path: Path) -> None:
    assert "proxy_read_timeout 1320s;" in text_of(tmp_path, deadline_seconds=1200)


def test_connecting_sending_and_reading_have_their_times(tmp_path: Path) -> None:
    lines = text_of(tmp_path).splitlines()
    for line in ("connect_timeout 2s", "send_timeout 15s", "read_timeout 15s"):
        assert f"        proxy_{line};" in lines, "it holds for the whole server"


def _location(text: str, name: str) -> str:
    return text.split(f"        location {name} {{", 1)[1].split("\n        }\n", 1)[0]


@pytest.mark.parametrize(
    "place", ["= /v1/jobs", "= /songs", "= /release_task", "@repeatable-1", "/v1/", "= /login", "/"]
)
def test_what_answers_at_once_is_not_waited_for(tmp_path: Path, place: str) -> None:
    assert "proxy_read_timeout" not in _location(text_of(tmp_path), place)


@pytest.mark.parametrize(
    ("place", "seconds"),
    [
        ("= /v1/uploads", 60),
        ("@audio-6", 60),
        ("@repeatable-audio-6", 60),
        ("~ ^/v1/jobs/[^/]+/songs/", 120),
        ("/analytics", 120),
    ],
)
def test_what_takes_work_is_waited_for_and_then_the_next_node_is_asked(
    tmp_path: Path, place: str, seconds: int
) -> None:
    here = _location(text_of(tmp_path), place)
    assert f"proxy_read_timeout {seconds}s;" in here
    assert f"proxy_next_upstream_timeout {2 * seconds + 4}s;" in here


def test_a_post_goes_to_the_next_node_only_where_it_has_a_key_or_is_the_same_twice(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    assert text.count("non_idempotent") == text.count("location @repeatable-") + 1
    assert "non_idempotent" not in _location(text, "= /v1/jobs")
    assert "non_idempotent" not in _location(text, "@audio-6")
    assert "non_idempotent" in _location(text, "= /v1/uploads")


def test_answers_are_buffered_but_for_the_stream_of_events(tmp_path: Path) -> None:
    text = text_of(tmp_path, keys="on")
    before, after = text.split("proxy_buffering off;")
    assert before.rpartition("location ")[2].startswith("~ ^/v1/jobs/[^/]+/events$")
    assert "proxy_buffering" not in after


def test_equal_backends_give_equal_text(tmp_path: Path) -> None:
    assert text_of(tmp_path, SICK) == text_of(tmp_path, SICK)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5r/s burst=10", RateLimit("5r/s", 10, 1)),
        ("6r/m", RateLimit("6r/m", 0, 10)),
        ("off", None),
        ("0r/s", None),
    ],
)
def test_rate_limit_is_read(text: str, limit: RateLimit | None) -> None:
    assert rate_limit(text) == limit


def test_nodes_are_read_from_the_setting() -> None:
    assert parse_nodes("10.0.0.5:8001 weight=2, unix:/run/a.sock backup") == (
        Upstream("10.0.0.5:8001", weight=2),
        Upstream("unix:/run/a.sock", backup=True),
    )
    assert parse_nodes(" ") == ()


@pytest.mark.parametrize(
    "text", ["10.0.0.5", "a:1; }", "a:1 weight=0", "a:1 down", "unix:/a$b", "http://a:1"]
)
def test_a_node_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="web node"):
        parse_nodes(text)


def test_quoting_keeps_a_value_one_string() -> None:
    assert quoted('a "b" \\ c;') == '"a \\"b\\" \\\\ c;"'
    for bad in ("a$b", "a\nb"):
        with pytest.raises(ValueError, match="cannot quote"):
            quoted(bad)


def test_networks_are_checked() -> None:
    assert networks("10.1.2.3/8, ::1") == ["10.0.0.0/8", "::1/128"]
    with pytest.raises(ValueError, match="evil"):
        networks("10.0.0.0/8, evil; }")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tls_certificate": "c.pem"}, "TLS needs both"),
        ({"public_url": "http://a; }"}, "plain address"),
        ({"web_nodes": "unix:/a$b"}, "no web node"),
    ],
)
def test_settings_that_nginx_cannot_take_are_named(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        text_of(tmp_path, **options)


def test_signed_links_need_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret"):
        render(settings_of(tmp_path, {"sign_output": True}), ONE, HostFacts())
