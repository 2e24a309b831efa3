"""The dispatcher's process: what its loops survive, and what ends it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tasks.dispatch.service import Threads, _addresses
from tasks.ledger import LedgerUnavailable
from tasks.security import links
from tasks.security.secret import secret_of
from tasks.settings import Settings


def test_a_ledger_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.dispatch.service.TROUBLE_PAUSE", 0.0)
    threads, answers = Threads(), iter([LedgerUnavailable("away"), None])

    def step() -> float:
        answer = next(answers)
        if answer is not None:
            raise answer
        threads.ended.set()
        return 0.0

    threads.repeat("watch", step)
    assert not threads.broke


def test_one_loop_that_breaks_ends_all_and_is_told_by_the_exit_code() -> None:
    threads = Threads()

    def broken() -> float:
        raise RuntimeError("a fault of ours")

    threads.start("carry", broken).join(20)
    assert threads.ended.is_set()
    assert threads.broke


@pytest.mark.parametrize("signed", [True, False])
def test_callbacks_name_songs_by_links_that_open_them(tmp_path: Path, *, signed: bool) -> None:
    settings = Settings(data=tmp_path, public_url="https://tutti.example", sign_output=signed)
    url = httpx.URL(_addresses(settings)("a_1.wav"))
    assert (url.scheme, url.host, url.path) == ("https", "tutti.example", "/output/a_1.wav")
    assert links.holds(url.path, url.params, links.key_of(secret_of(settings))) is signed
