from __future__ import annotations

import time

import pytest

from tasks.security.signer import Signer
from web.request import lane


def test_a_session_token_names_its_node_for_an_hour(monkeypatch: pytest.MonkeyPatch):
    signer = Signer(b"s" * 32)
    shown = lane.token("gpu-box-1", signer)
    assert lane.node_of(shown, signer) == "gpu-box-1"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + lane.HOUR + 1)
    assert lane.node_of(shown, signer) == ""


@pytest.mark.parametrize("shown", ["", "x", "gpu-box-1-99999999999.", "gpu-box-1.abc", "é.é", "-.-"])
def test_a_token_that_we_did_not_sign_names_nothing(shown: str):
    assert lane.node_of(shown, Signer(b"s" * 32)) == ""


def test_a_token_signed_for_another_purpose_names_nothing():
    signer = Signer(b"s" * 32)
    other = signer.sign("key", f"box-{int(time.time()) + 100}")
    assert lane.node_of(other, signer) == ""
