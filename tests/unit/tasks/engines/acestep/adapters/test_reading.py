"""Every form of adapter changes the network as the library that it comes from does; misfits are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tasks.engines.acestep.adapters import reading
from tasks.jobs import JobError
from tests.unit.tasks.engines.acestep.layouts import ATTENTION
from tests.unit.tasks.engines.acestep.songs import alone, difference, song, together
from tests.unit.tasks.engines.acestep.tiny_checkpoint import pipeline

OLD = {new.strip("."): old.strip(".") for new, old in ATTENTION.items()}
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


def original(name: str) -> str:
    """diffusers' name as upstream has it."""
    for new, old in ATTENTION.items():
        name = name.replace(new, old)
    return name


@pytest.fixture(scope="module")
def transformer():
    return pipeline().transformer


@pytest.fixture(scope="module")
def shapes(transformer):
    return {name: tuple(weight.shape) for name, weight in matrices(transformer).items()}


def matrices(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {n: m.weight.data for n, m in module.named_modules() if isinstance(m, torch.nn.Linear)}


def trained(tmp_path: Path, **form: bool) -> tuple[Path, dict[str, torch.Tensor]]:
    """PEFT's own folder, by upstream's names, and PEFT's own merge of it."""
    torch.manual_seed(4)
    config = LoraConfig(r=4, lora_alpha=6, target_modules=TARGETS, init_lora_weights=False, **form)
    model = get_peft_model(pipeline().transformer, config)
    for name, value in model.named_parameters():
        if "magnitude" in name:
            value.data.mul_(1.3)
    model.save_pretrained(tmp_path / "own")
    saved = load_file(tmp_path / "own" / "adapter_model.safetensors")
    save_file({original(k): v for k, v in saved.items()}, tmp_path / "own" / "adapter_model.safetensors")
    return tmp_path / "own", matrices(model.merge_and_unload())


def apply(changes, transformer, scale: float = 1.0) -> dict[str, torch.Tensor]:
    modules = dict(transformer.named_modules())
    return {name: change.apply(modules[name].weight.data, scale) for name, change in changes.items()}


FORMS = {"lora": {}, "dora": {"use_dora": True}, "rslora": {"use_rslora": True}}


@pytest.mark.parametrize("form", FORMS)
def test_pefts_folder_is_merged_as_peft_merges_it(tmp_path, transformer, shapes, form):
    folder, wanted = trained(tmp_path, **FORMS[form])
    changes = reading.read(reading.find(folder.parent, "own"), shapes)
    assert len(changes) == 4 * 2 * 4
    for name, found in apply(changes, transformer).items():
        assert difference(found, wanted[name]) < 1e-5, name
        assert difference(found, transformer.get_submodule(name).weight.data) > 1e-3


NAMES = {
    "single file": lambda name: name.removeprefix("base_model.model."),
    "ComfyUI": lambda name: name.replace("base_model.model.", "diffusion_model.decoder."),
    "ComfyUI, no decoder": lambda name: name.replace("base_model.model.", "diffusion_model."),
    "down and up": lambda name: name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"),
    "LyCORIS": lambda name: re.sub(
        r"base_model\.model\.(.*)\.(lora_[AB]\.weight)",
        lambda m: "lycoris_" + m[1].replace(".", "_") + "." + m[2],
        name,
    ),
}


@pytest.mark.parametrize("form", NAMES)
def test_the_same_adapter_by_other_names_is_the_same(tmp_path, shapes, form):
    folder, _ = trained(tmp_path)
    wanted = reading.read(folder / "adapter_model.safetensors", shapes)
    tensors = {NAMES[form](k): v for k, v in load_file(folder / "adapter_model.safetensors").items()}
    alphas = {re.sub(r"\.lora_[^.]+\.weight$", ".alpha", name): torch.tensor(6.0) for name in tensors}
    save_file(tensors | alphas, tmp_path / "other.safetensors")
    found = reading.read(reading.find(tmp_path, "other"), shapes)
    assert found.keys() == wanted.keys()
    for name, change in found.items():
        assert torch.equal(change.delta(), wanted[name].delta())
        assert change.factor == 1.5


def test_lokr_and_its_dora(tmp_path, transformer, shapes):
    """By the definition: kron(w1, w2) times alpha over rank, and rows brought to the lengths learnt."""
    generator = torch.Generator().manual_seed(0)
    w1, a, b = (torch.randn(*size, generator=generator) for size in ((4, 4), (16, 2), (2, 16)))
    length = torch.rand(64, 1, generator=generator) + 0.5
    stem = "lycoris_layers_1_cross_attn_q_proj"
    tensors = {
        f"{stem}.lokr_w1": w1,
        f"{stem}.lokr_w2_a": a,
        f"{stem}.lokr_w2_b": b,
        f"{stem}.alpha": torch.tensor(3.0),
    }
    file = tmp_path / "lokr.safetensors"
    save_file(tensors, file, metadata={"lokr_config": json.dumps({"linear_dim": 2})})
    name = "layers.1.cross_attn.to_q"
    weight = transformer.get_submodule(name).weight.data
    change = reading.read(file, shapes)[name]
    changed = weight + 1.5 * torch.kron(w1, a @ b)
    assert torch.allclose(change.apply(weight, 1.0), changed, atol=1e-6)
    assert torch.allclose(change.apply(weight, 0.5), weight + 0.75 * torch.kron(w1, a @ b), atol=1e-6)
    save_file(tensors | {f"{stem}.dora_scale": length}, file)
    found = reading.read(file, shapes)[name].apply(weight, 1.0)
    assert torch.allclose(found.norm(dim=1), length[:, 0], rtol=0.01)
    whole = {f"{stem}.lokr_w1": w1, f"{stem}.lokr_w2": a @ b, f"{stem}.alpha": torch.tensor(2.0)}
    save_file(whole, file, metadata={"lokr_config": json.dumps({"linear_dim": 4})})
    assert torch.allclose(reading.read(file, shapes)[name].delta(), 0.5 * torch.kron(w1, a @ b), atol=1e-6)


def bad(tensors):
    first = next(name for name in tensors if "lora_A" in name)
    other = {name.replace("layers.0", "layers.9"): v for name, v in tensors.items()}
    narrow = {name: v[..., :32].contiguous() if "lora_A" in name else v for name, v in tensors.items()}
    yield "which this network does not have", other
    yield "no part of a LoRA", tensors | {"base_model.model.layers.0.norm.weight": torch.zeros(4)}
    yield "only half of", {name: v for name, v in tensors.items() if name != first}
    yield "another network", narrow
    yield "do not fit each other", tensors | {first: torch.zeros(3, 64)}


def test_what_does_not_fit_is_refused_by_name(tmp_path, shapes):
    folder, _ = trained(tmp_path)
    tensors = load_file(folder / "adapter_model.safetensors")
    for words, changed in bad(tensors):
        save_file(changed, tmp_path / "bad.safetensors")
        with pytest.raises(JobError, match=words):
            reading.read(tmp_path / "bad.safetensors", shapes)
    (tmp_path / "bad.safetensors").write_bytes(b"no adapter")
    with pytest.raises(JobError, match="no safetensors file"):
        reading.read(tmp_path / "bad.safetensors", shapes)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"rank_pattern": {"layers.0": 8}}))
    with pytest.raises(JobError, match="has rank_pattern"):
        reading.read(folder / "adapter_model.safetensors", shapes)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"r": 0}', '{"r": "4"}', '{"lora_alpha": []}', "[" * 100_000]
)
def test_an_adapter_whose_configuration_is_none_is_refused(tmp_path, shapes, text):
    folder, _ = trained(tmp_path)
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(JobError, match="no usable adapter_config"):
        reading.read(folder / "adapter_model.safetensors", shapes)


def test_several_at_once_each_with_its_scale(engine, folder, tmp_path):
    """Two halves of an adapter at full scale are the adapter; half its scale is half its change."""
    own, _ = trained(tmp_path)
    tensors = load_file(own / "adapter_model.safetensors")
    lora = folder / "lora"
    lora.mkdir(exist_ok=True)
    downs = [name for name in tensors if "lora_A" in name]
    tensors |= {name.replace("lora_A.weight", "alpha"): torch.tensor(6.0) for name in downs}
    early = {name: v for name, v in tensors.items() if "layers.0" in name or "layers.1" in name}
    half = {name: v * 0.5 if "lora_B" in name else v for name, v in tensors.items()}
    late = {name: v for name, v in tensors.items() if name not in early}
    files = {"whole": tensors, "half": half, "early": early, "late": late}
    for name, held in files.items():
        save_file(held, lora / f"{name}.safetensors")
    wanted = alone(engine, song(1, lora="whole"))
    both = ({"name": "late", "scale": 1.0}, {"name": "early", "scale": 1.0})
    assert difference(alone(engine, song(1, loras=both)), wanted) < 1e-5
    off = song(1, loras=({"name": "whole", "scale": 0.0},))
    assert torch.equal(alone(engine, off), alone(engine, song(1)))
    weak = song(1, loras=({"name": "whole", "scale": 0.5},))
    assert difference(alone(engine, weak), alone(engine, song(1, lora="half"))) < 1e-5
    assert difference(alone(engine, weak), wanted) > 1e-4
    mixed = [song(1, lora="whole"), song(2, duration=7.0), weak, song(3, lora="early")]
    for packed, one in zip(together(engine, mixed), mixed, strict=True):
        assert difference(packed, alone(engine, one)) < 1e-6
    with pytest.raises(JobError, match="no adapter named nobody"):
        engine.admit(song(1, loras=({"name": "nobody"},)))
