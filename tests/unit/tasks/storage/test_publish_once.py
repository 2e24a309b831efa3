"""A finished file gets its name at once and never over another, with hard links and without."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.storage.publish_once import publish_once
from tests.unlinkable import forbid_links

WRITERS = 8


def race(folder: Path, hinder: Callable[[], None]) -> None:
    """Let writers put different files at one place, many times; raises if not exactly one wins."""
    hinder()
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(50):
            final = folder / f"{number}.wav"
            mine = [folder / f"{number}.{writer}.tmp" for writer in range(WRITERS)]
            for path in mine:
                path.write_text(path.name)
            won = list(pool.map(lambda path, final=final: publish_once(path, final), mine))
            assert won.count(True) == 1
            assert final.read_text() == mine[won.index(True)].name


def cannot_link(folder: Path) -> None:
    forbid_links()
    (folder / "a").touch()
    with pytest.raises(PermissionError):
        os.link(folder / "a", folder / "b")


@pytest.mark.parametrize("hinder", [int, forbid_links], ids=["links", "no links"])
def test_of_many_writers_exactly_one_puts_its_file(tmp_path: Path, hinder: Callable[[], None]) -> None:
    assert in_a_process(race, tmp_path, hinder) == 0


def test_a_process_without_links_has_none(tmp_path: Path) -> None:
    assert in_a_process(cannot_link, tmp_path) == 0


def test_what_cannot_be_written_is_an_error_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").touch()
    with pytest.raises(OSError, match="No such file"):
        publish_once(tmp_path / "a.tmp", tmp_path / "away" / "a.wav")


def in_a_process(function: Callable[..., None], *arguments: object) -> int | None:
    """The exit code of a process that runs a function: what it forbids itself ends with it."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode
