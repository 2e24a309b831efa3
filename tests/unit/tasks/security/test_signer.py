from __future__ import annotations

import stat

import pytest
from pydantic import SecretStr

from tasks.security.secret import secret_of
from tasks.security.signer import Signer
from tasks.settings import Settings

SIGNER = Signer(b"s" * 32)


def test_what_was_signed_opens_again():
    assert SIGNER.open("session", SIGNER.sign("session", "abc.def")) == "abc.def"


@pytest.mark.parametrize("forged", ["", ".", "abc", "abc.", ".abc", "abc.AAAA", "abc.\udcff", "äbc.é"])
def test_what_was_not_signed_does_not(forged):
    assert SIGNER.open("session", forged) is None


def test_a_signature_holds_for_one_purpose_and_one_secret():
    signed = SIGNER.sign("session", "abc")
    assert SIGNER.open("form", signed) is None
    assert Signer(b"t" * 32).open("session", signed) is None


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path):
    settings = Settings(data=tmp_path / "new")
    secret = secret_of(settings)
    assert secret == secret_of(settings)
    assert len(secret) == 32
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"secret", ".secret.lock"}


def test_a_secret_of_the_settings_is_taken(tmp_path):
    settings = Settings(data=tmp_path, secret=SecretStr("sixteen letters!"))
    assert secret_of(settings) == b"sixteen letters!"
    assert not (tmp_path / "secret").exists()
