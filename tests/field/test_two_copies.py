"""Two copies on one machine, at two ports: who signs in or out at one is not touched at the other."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.field.house import tutti, up


def sign_in(browser: httpx.Client, url: str, key: str) -> None:
    token = re.search(r'name="token" value="([^"]+)"', browser.get(f"{url}/login").text)
    assert token
    answer = browser.post(f"{url}/login", data={"token": token[1], "key": key, "next": "/"})
    assert answer.status_code == 303, answer.text


def signed_in(browser: httpx.Client, url: str) -> bool:
    return browser.get(f"{url}/v1/jobs").status_code == 200


def test_a_login_at_one_leaves_the_other_alone(tmp_path: Path) -> None:
    for gateway in ("auto", "off"):
        one, other = tmp_path / f"one-{gateway}", tmp_path / f"other-{gateway}"
        keys = {
            data: tutti("keys", "add", "me", cwd=tmp_path, data=str(data)).stdout.split()[0]
            for data in (one, other)
        }
        with (
            up(tmp_path, one, keys="on", gateway=gateway) as here,
            up(tmp_path, other, keys="on", gateway=gateway) as there,
            httpx.Client() as browser,
        ):
            sign_in(browser, here.url, keys[one])
            assert signed_in(browser, here.url)
            assert not signed_in(browser, there.url)
            sign_in(browser, there.url, keys[other])
            assert signed_in(browser, here.url)
            assert signed_in(browser, there.url)
            token = re.search(r'name="token" value="([^"]+)"', browser.get(f"{there.url}/login").text)
            assert token
            browser.post(f"{there.url}/logout", data={"token": token[1]})
            assert not signed_in(browser, there.url)
            assert signed_in(browser, here.url)
