"""Files of the hub's cache are held against the hash that names them, others against their own header."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compose.cli import app
from tasks.engines.models import find, hub
from tests.unit.tasks.engines.acestep import layouts
from tests.unit.tasks.engines.acestep.tiny_checkpoint import pipeline


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("model")
    layouts.save_original(pipeline(), root, "acestep-v15-turbo", turbo=True)
    return root


def faults(root: Path) -> dict[str, str | None]:
    return {file.name: fault for file, fault in hub.check(find(str(root)))}


def test_whole_files_are_whole(saved):
    assert set(faults(saved).values()) == {None}


def test_a_file_that_lost_its_end_is_named(saved, tmp_path):
    import shutil

    shutil.copytree(saved, tmp_path / "cut")
    file = tmp_path / "cut" / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert faults(tmp_path / "cut")[file.name] == "it is 10 bytes too short"
    run = CliRunner().invoke(app, ["model", "check", str(tmp_path / "cut")])
    assert run.exit_code == 1
    assert "bad  diffusion_pytorch_model.safetensors: it is 10 bytes too short" in run.output
    assert CliRunner().invoke(app, ["model", "check", str(saved)]).exit_code == 0


@pytest.mark.parametrize("kind", ["sha256", "git"])
def test_a_changed_bit_in_the_cache_is_found(saved, tmp_path, kind):
    import shutil

    shutil.copytree(saved, tmp_path / "cached")
    file = tmp_path / "cached" / "acestep-v15-turbo" / "model.safetensors"
    data = file.read_bytes()
    name = (
        hashlib.sha256(data).hexdigest()
        if kind == "sha256"
        else hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
    )
    blob = tmp_path / name
    blob.write_bytes(data)
    file.unlink()
    file.symlink_to(blob)
    assert set(faults(tmp_path / "cached").values()) == {None}
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert faults(tmp_path / "cached")["model.safetensors"] == (
        "its content is not what was published; fetch it again"
    )


def test_offers_are_found_by_name_and_by_hub_id():
    assert hub.offer_of("turbo").model == hub.MAIN_REPO
    assert hub.offer_of(hub.MAIN_REPO).name == "turbo"
    assert hub.offer_of("base").wanted[1] == hub.Wanted(hub.MAIN_REPO, hub.PARTS)
    assert hub.offer_of("ACE-Step/acestep-v15-base").name == "base"
    assert hub.offer_of("somebody/their-model").wanted == (hub.Wanted("somebody/their-model"),)
    with pytest.raises(ValueError, match="none of: turbo"):
        hub.offer_of("nothing")
