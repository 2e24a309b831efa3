"""Files that remember something: whole or not at all on a full disk, set aside with a word when torn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability import statefile
from observability.shipper.checkpoint import OtherVersion, ShipperCheckpoint
from tasks.security.secret import secret_of
from tasks.settings import Settings
from tests.field.house import song, tutti, up
from tests.servers import disk
from tests.shipping import SHIP

ENTRY = {
    "device": 1, "inode": 2, "path": "/log/web.jsonl", "head": "ab", "head_bytes": 3, "tail": "cd",
    "origin": 2,
    "generation": 0, "offset": 7, "reserved": 7,
}  # fmt: skip


@pytest.mark.skipif(os.getuid() != 0, reason="needs a disk of its own")
def test_a_full_disk_leaves_the_last_good_file(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk.small(folder, size="64k"):
        checkpoint = ShipperCheckpoint(folder)
        checkpoint.save([ENTRY], {"logs": 3})
        before = checkpoint.path.read_bytes()
        (folder / "fill").write_bytes(
            b"x" * (os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - 4096)
        )
        with pytest.raises(OSError, match="No space"):
            checkpoint.save([ENTRY] * 200, {"logs": 3})
        assert checkpoint.path.read_bytes() == before
        assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.json", "fill", "lock"]
        checkpoint.close()


@given(st.data())
def test_whatever_is_torn_is_set_aside_or_read_whole(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        checkpoint = ShipperCheckpoint(Path(name))
        checkpoint.save([ENTRY], {"logs": 3})
        whole = checkpoint.path.read_bytes()
        kind = data.draw(st.sampled_from(["cut", "zeros", "other", "flipped"]))
        place = data.draw(st.integers(0, len(whole) - 1))
        torn = {
            "cut": whole[:place],
            "zeros": bytes(4096),
            "other": data.draw(st.binary(max_size=50)),
            "flipped": whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :],
        }[kind]
        checkpoint.path.write_bytes(torn)
        try:
            files, _ = checkpoint.load()
        except OtherVersion:
            return
        else:
            aside = [path for path in Path(name).iterdir() if statefile.ASIDE in path.name]
            assert checkpoint.lost == bool(aside)
            assert files == [] if aside else all(type(entry["offset"]) is int for entry in files)
        finally:
            checkpoint.close()


def test_a_shipper_with_a_torn_checkpoint_starts_and_says_so(tmp_path: Path) -> None:
    state, lines = tmp_path / "ship", tmp_path / "web.jsonl"
    state.mkdir()
    (state / "checkpoint.json").write_bytes(b"\0" * 4096)
    lines.write_bytes(b'{"@timestamp":"2026-11-22T10:00:00Z","event":{"action":"x"}}\n')
    shipper = subprocess.Popen(
        [sys.executable, "-c", SHIP, "http://127.0.0.1:1", str(lines), str(state)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert shipper.stderr is not None
        said = shipper.stderr.readline()
        assert "is damaged" in said
        assert str(state / "checkpoint.json") in said
        from tests.field.house import until

        until((state / "checkpoint.json").exists)
        assert orjson.loads((state / "checkpoint.json").read_bytes())["files"]
    finally:
        shipper.terminate()
        shipper.communicate(timeout=60)


def test_everything_torn_at_once_and_tutti_starts(tmp_path: Path) -> None:
    """All that is small and ours: the secret, Flower's memory, the engine's note, the mark of the NAS."""
    with up(tmp_path, "var") as first:
        song(first.url)
        run = Settings(data=tmp_path / "var").run_path
    torn = [tmp_path / "var" / "secret", *tmp_path.glob("var/flower.db*"), *run.glob("load-*")]
    assert len(torn) >= 3
    for path in torn:
        path.write_bytes(path.read_bytes()[:3])
    with up(tmp_path, "var") as second:
        song(second.url, seed=9)
        assert "secret is damaged" in second.printed
        assert "flower | ended" not in second.printed
    done = tutti("doctor", cwd=tmp_path, data="var", port=str(second.port))
    assert "set aside because it was damaged" in done.stdout


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_secret_that_was_cut_short_signs_nothing(length: int, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    first = secret_of(settings)
    (tmp_path / "secret").write_bytes(first[:length])
    second = secret_of(settings)
    assert len(second) == 32
    assert second != first
    assert secret_of(settings) == second
