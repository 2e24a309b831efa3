"""The public URL: what it may be, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request

from tasks.settings import Settings
from tasks.settings.checked import OWN_PATHS
from web.app import create_app
from web.request.public import Public, inner

PATHS = st.lists(st.text("abcxyz019-_.~", min_size=1, max_size=6), max_size=3)


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "scheme": "http", "path": "/", "headers": raw})


def test_every_address_of_ours_is_kept_from_being_a_prefix(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path))
    plain = [str(getattr(route, "path", "/")) for route in app.routes]
    paths = [*plain, *app.openapi()["paths"], "/gateway/status", "/openapi.json"]
    firsts = {path.split("/")[1] for path in paths}
    assert len(firsts) > 15
    assert firsts - {""} <= OWN_PATHS
    for name in OWN_PATHS:
        with pytest.raises(ValidationError, match="address of Tutti's own"):
            Settings(public_url=f"http://example.org/{name}/x")


@pytest.mark.parametrize(
    "text", ["example.org", "ftp://example.org", "http://", "http://a b", "http://a/?q", "http://u:p@a", "http://a:x",
             "http://a:99999", "http://::1:80", "http://a/../b c", "http://a/x#y", "http://a/;", "/tutti"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="plain address"):
        Settings(public_url=text)


@given(PATHS.filter(lambda parts: not parts or parts[0] not in OWN_PATHS), PATHS)
def test_a_prefix_is_taken_away_however_often_and_put_before_once(parts: list[str], rest: list[str]) -> None:
    prefix, path = "".join(f"/{part}" for part in parts), "/" + "/".join(rest)
    public = Public(Settings(public_url=f"https://example.org{prefix}/"))
    assert public.path(path) == prefix + path
    assert public.url == f"https://example.org{prefix}"
    if path == prefix or path.startswith(f"{prefix}/"):
        return
    for asked in (path, prefix + path):
        scope = inner({"path": asked, "raw_path": asked.encode()}, public.prefix)
        assert (scope["path"], scope["raw_path"]) == (path, path.encode())


def test_a_page_of_ours_is_known_whatever_the_proxy_makes_of_the_host() -> None:
    public = Public(Settings(public_url="https://Example.org/tutti"))
    for origin in ("https://example.org", "https://EXAMPLE.org:443", "http://127.0.0.1:8000"):
        assert public.is_ours(origin, request(host="127.0.0.1:8000")), origin
    for origin in (
        "http://example.org",
        "https://example.org:8443",
        "null",
        "https://evil.example",
        "x",
        "https://[",
    ):
        assert not public.is_ours(origin, request(host="127.0.0.1:8000")), origin


@pytest.mark.parametrize(
    ("url", "headers", "secure"),
    [
        (None, {}, False),
        ("https://example.org", {}, True),
        (None, {"x_forwarded_proto": "https"}, True),
        (None, {"x_forwarded_proto": "http, HTTPS"}, True),
        (None, {"forwarded": 'for=1.2.3.4;proto="https"'}, True),
        ("http://example.org", {"x_forwarded_proto": "http"}, False),
    ],
)
def test_cookies_are_bound_to_https_wherever_it_ends(
    url: str | None, headers: dict[str, str], secure: bool
) -> None:
    assert Public(Settings(public_url=url)).is_secure(request(**headers).scope) is secure
