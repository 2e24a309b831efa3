"""A tiny network saved in every layout loads to the same bits, and what cannot be loaded says what to do."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.engines.acestep.checkpoint.model import load
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.checkpoint.tensors import MappedTensors, read_silence
from tasks.engines.models import ModelMissing, find
from tests.unit.tasks.engines.acestep import layouts
from tests.unit.tasks.engines.acestep.songs import alone, difference, song
from tests.unit.tasks.engines.acestep.tiny_checkpoint import pipeline

PARTS = (
    "transformer",
    "condition_encoder",
    "audio_tokenizer",
    "audio_token_detokenizer",
    "vae",
    "text_encoder",
)


def read(model: Path):
    return load(Options(model=str(model), device="cpu"))


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


def assert_same(model, pipe, *, but: str = "") -> None:
    for part in PARTS:
        wanted, found = getattr(pipe, part).state_dict(), getattr(model.pipe, part).state_dict()
        assert wanted.keys() == found.keys()
        for name, tensor in wanted.items():
            if name != but:
                assert torch.equal(found[name], tensor), (part, name)
                assert found[name].device.type == "cpu"


def test_diffusers_layout(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "acestep-v15-turbo-diffusers")
    model = read(tmp_path / "acestep-v15-turbo-diffusers")
    assert_same(model, pipe)
    assert (model.checkpoint.layout, model.variant.label) == ("diffusers", "2B turbo, shift 3")


def test_original_folder_by_its_root_or_by_its_dit(pipe, tmp_path):
    dit = layouts.save_original(pipe, tmp_path, "acestep-v15-turbo", turbo=True)
    (tmp_path / "acestep-5Hz-lm-1.7B").mkdir()
    for name in (tmp_path, dit):
        model = read(name)
        assert_same(model, pipe)
        assert (model.checkpoint.layout, model.variant.label) == ("original", "2B turbo, shift 3")


def test_sharded_xl(tmp_path):
    pipe = pipeline(xl=True, turbo=False)
    layouts.save_original(pipe, tmp_path, "acestep-v15-xl-sft", turbo=False, shards=3)
    model = read(tmp_path / "acestep-v15-xl-sft")
    assert_same(model, pipe)
    assert model.variant.label == "XL sft, shift 1"
    shutil.copytree(tmp_path, tmp_path / "cut")
    (tmp_path / "cut" / "acestep-v15-xl-sft" / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ModelMissing, match="lacks model-00002-of-00003"):
        find(str(tmp_path / "cut" / "acestep-v15-xl-sft"))


def silent(model, pipe) -> None:
    """Where no file holds the latents of silence, they are what the VAE hears in zeros."""
    made = model.pipe.condition_encoder.silence_latent
    assert made.shape == (1, 15_000, pipe.vae.config.decoder_input_channels)
    with torch.no_grad():
        heard = pipe.vae.encode(torch.zeros(1, 2, 200 * pipe.vae.hop_length)).latent_dist.mean.transpose(1, 2)
    assert difference(made[:, :60], heard[:, :60]) < 1e-5
    assert difference(made[:, 7_000:7_050], heard[:, 100:150]) < 1e-5
    assert difference(made[:, -60:], heard[:, -60:]) < 1e-5


# ComfyUI's files do not say what no shape tells: this network's window is not the real 128
@pytest.fixture(scope="module")
def real_window():
    made = pipeline()
    made.transformer.register_to_config(sliding_window=128)
    return made


def test_comfy_whole(real_window, tmp_path):
    file = layouts.save_comfy_whole(
        real_window, tmp_path / "checkpoints", "ace_step_1.5_turbo_aio.safetensors"
    )
    for name in (file, tmp_path / "checkpoints", tmp_path):
        model = read(name)
        assert_same(model, real_window, but="silence_latent")
        silent(model, real_window)
        assert (model.checkpoint.layout, model.variant.label) == ("comfyui", "2B turbo, shift 3")
    assert model.pipe.transformer.config.sliding_window == 128


@pytest.mark.parametrize("stable_audio", [True, False])
def test_comfy_split(real_window, tmp_path, stable_audio):
    file = layouts.save_comfy_split(
        real_window, tmp_path / "split_files", "acestep_v1.5_base.safetensors", stable_audio=stable_audio
    )
    for name in (file, tmp_path, tmp_path / "split_files"):
        model = read(name)
        assert_same(model, real_window, but="silence_latent")
        assert model.variant.label == "2B base, shift 1"


def test_comfy_xl_is_told_by_its_shapes(tmp_path):
    pipe = pipeline(xl=True)
    file = layouts.save_comfy_split(pipe, tmp_path, "mine_turbo.safetensors", stable_audio=True)
    model = read(file)
    assert_same(model, pipe, but="silence_latent")
    assert model.variant.label == "XL turbo, shift 3"


def test_a_hub_id_is_read_from_the_cache(pipe, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def cached(repo: str) -> Path:
        place = tmp_path / f"models--{repo.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        return place / "snapshots" / ("0" * 40)

    layouts.save_original(pipe, cached("ACE-Step/Ace-Step1.5"), "acestep-v15-turbo", turbo=True)
    assert_same(read(Path("ACE-Step/Ace-Step1.5")), pipe)
    layouts.save_original(pipe, tmp_path / "elsewhere", "acestep-v15-turbo-shift1", turbo=True)
    shutil.move(
        tmp_path / "elsewhere" / "acestep-v15-turbo-shift1", cached("ACE-Step/acestep-v15-turbo-shift1")
    )
    model = read(
        Path("ACE-Step/acestep-v15-turbo-shift1")
    )  # VAE and text encoder come from the main repository
    assert_same(model, pipe)
    assert model.variant.shift == 1.0
    with pytest.raises(ModelMissing, match="tutti model fetch"):
        find("ACE-Step/acestep-v15-base")


def test_a_song_of_the_original_layout_is_that_of_diffusers(engine, pipe, tmp_path):
    from tests.unit.tasks.engines.acestep.conftest import start

    layouts.save_original(pipe, tmp_path, "acestep-v15-turbo", turbo=True)
    assert torch.equal(alone(start(tmp_path, tmp_path), song(3)), alone(engine, song(3)))


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_pickle_is_trusted(pipe, tmp_path):
    dit = layouts.save_original(pipe, tmp_path, "acestep-v15-turbo", turbo=True)
    evil = tmp_path / "silence_latent.pt"
    torch.save(Evil(tmp_path / "was-run"), evil)
    shutil.copy(evil, dit / "silence_latent.pt")
    with pytest.raises(pickle.UnpicklingError):
        read(tmp_path)
    assert not (tmp_path / "was-run").exists()
    torch.save({"silence": torch.zeros(1)}, evil)
    with pytest.raises(ValueError, match="does not hold one tensor"):
        read_silence(evil)
    (dit / "model.safetensors").unlink()
    (dit / "pytorch_model.bin").write_bytes(evil.read_bytes())
    with pytest.raises(ModelMissing, match="a pickle, which could run any code"):
        find(str(tmp_path))
    with pytest.raises(ModelMissing, match="a pickle, which could run any code"):
        find(str(dit / "pytorch_model.bin"))


def test_what_is_missing_is_named(pipe, tmp_path):
    dit = layouts.save_original(pipe, tmp_path / "root", "acestep-v15-base", turbo=False)
    shutil.rmtree(tmp_path / "root" / "vae")
    with pytest.raises(ModelMissing, match="needs the folder vae"):
        find(str(dit))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMissing, match="holds no ACE-Step"):
        find(str(tmp_path / "empty"))
    (tmp_path / "empty" / "x.gguf").touch()
    with pytest.raises(ModelMissing, match="GGUF, which is not read here"):
        find(str(tmp_path / "empty"))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((dit / "model.safetensors").read_bytes()[:100])
    with pytest.raises(ModelMissing, match="cut off"):
        find(str(cut))
    save_file({"other": torch.zeros(1)}, cut)
    with pytest.raises(ModelMissing, match="is not ACE-Step"):
        find(str(cut))
    whole = layouts.save_comfy_whole(pipe, tmp_path / "comfy", "aio.safetensors")
    shutil.rmtree(tmp_path / "comfy" / "Qwen3-Embedding-0.6B")
    with pytest.raises(ModelMissing, match="hold no tokenizer"):
        find(str(whole))


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{", "[" * 100_000, '{"weight_map": 7}', '{"weight_map": {"a": 7}}']
)
def test_odd_json_is_named(pipe, tmp_path, text):
    dit = layouts.save_original(pipe, tmp_path, "acestep-v15-turbo", turbo=True)
    (dit / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelMissing, match="fetch it again"):
        find(str(dit))
    if not text.startswith("{") or text == "{":
        (dit / "config.json").write_text(text)
        with pytest.raises(ModelMissing, match="cut off or no JSON object"):
            find(str(dit))


def test_tensors_that_do_not_fit_are_named(pipe, tmp_path):
    dit = layouts.save_original(pipe, tmp_path, "acestep-v15-turbo", turbo=True)
    tensors = load_file(dit / "model.safetensors")
    del tensors["decoder.layers.2.mlp.up_proj.weight"]
    save_file(tensors, dit / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing \['layers.2.mlp.up_proj.weight'\]"):
        read(tmp_path)


def test_tensors_are_mapped_and_read_when_asked_for(pipe, tmp_path):
    dit = layouts.save_original(pipe, tmp_path, "acestep-v15-xl-turbo", turbo=True, shards=2)
    tensors = MappedTensors(find(str(dit)).dit)
    assert tensors.shape("null_condition_emb") == (1, 1, 64)
    assert len(tensors) == len(layouts.original_tensors(pipe))
    assert json.loads((dit / "config.json").read_text())["is_turbo"]
