"""One tiny network in every layout that people have, written from its description, not by our reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepPipeline
from safetensors.torch import save_file
from torch import Tensor

TOPS = {
    "transformer": "decoder.",
    "condition_encoder": "encoder.",
    "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}
ATTENTION = {
    ".to_q.": ".q_proj.",
    ".to_k.": ".k_proj.",
    ".to_v.": ".v_proj.",
    ".to_out.0.": ".o_proj.",
    ".norm_q.": ".q_norm.",
    ".norm_k.": ".k_norm.",
}


def original_tensors(pipe: AceStepPipeline) -> dict[str, Tensor]:
    """The DiT folder's tensors, by upstream's names."""
    found = {}
    for part, top in TOPS.items():
        for name, tensor in getattr(pipe, part).state_dict().items():
            if name == "silence_latent":
                continue
            if name == "null_condition_emb":
                found[name] = tensor.clone()
                continue
            for new, old in ATTENTION.items():
                name = name.replace(new, old)  # noqa: PLW2901
            name = name.replace("proj_in_conv.", "proj_in.1.").replace("proj_out_conv.", "proj_out.1.")  # noqa: PLW2901
            found[top + name] = tensor.clone()
    return found


def original_config(pipe: AceStepPipeline, *, turbo: bool) -> dict[str, Any]:
    dit, encoder = pipe.transformer.config, pipe.condition_encoder.config
    names = ["hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"]
    config = {name: dit[name] for name in names}
    config |= {
        "model_type": "acestep",
        "model_version": "turbo",  # the class's default, which base checkpoints carry too
        "is_turbo": turbo,
        "num_hidden_layers": dit.num_hidden_layers,
        "head_dim": dit.head_dim,
        "in_channels": dit.in_channels,
        "patch_size": dit.patch_size,
        "sliding_window": dit.sliding_window,
        "use_sliding_window": True,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000,
        "attention_bias": False,
        "audio_acoustic_hidden_dim": dit.audio_acoustic_hidden_dim,
        "timbre_hidden_dim": encoder.timbre_hidden_dim,
        "text_hidden_dim": encoder.text_hidden_dim,
        "num_lyric_encoder_hidden_layers": encoder.num_lyric_encoder_hidden_layers,
        "num_timbre_encoder_hidden_layers": encoder.num_timbre_encoder_hidden_layers,
        "num_attention_pooler_hidden_layers": 2,
        "pool_window_size": 5,
        "fsq_dim": encoder.hidden_size,
        "fsq_input_levels": [8, 8, 8, 5, 5, 5],
        "fsq_input_num_quantizers": 1,
        "layer_types": list(pipe.transformer.layer_types),
    }
    if encoder.hidden_size != dit.hidden_size:
        config |= {f"encoder_{name}": encoder[name] for name in names}
    return config


def save_original(pipe: AceStepPipeline, root: Path, name: str, *, turbo: bool, shards: int = 1) -> Path:
    """Upstream's root folder; returns the DiT folder."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(original_config(pipe, turbo=turbo)))
    tensors = original_tensors(pipe)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
    else:
        names = sorted(tensors)
        index = {}
        for shard in range(shards):
            file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
            save_file({name: tensors[name] for name in names[shard::shards]}, folder / file)
            index |= dict.fromkeys(names[shard::shards], file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    silence = pipe.condition_encoder.silence_latent.transpose(1, 2).contiguous()
    torch.save(silence, folder / "silence_latent.pt")
    pipe.vae.save_pretrained(root / "vae")
    pipe.text_encoder.save_pretrained(root / "Qwen3-Embedding-0.6B")
    pipe.tokenizer.save_pretrained(root / "Qwen3-Embedding-0.6B")
    return folder


def text_tensors(pipe: AceStepPipeline) -> dict[str, Tensor]:
    return {f"model.{name}": tensor.clone() for name, tensor in pipe.text_encoder.state_dict().items()}


def save_comfy_whole(pipe: AceStepPipeline, folder: Path, name: str) -> Path:
    """ComfyUI's file with everything, the planner's weights among it."""
    folder.mkdir(parents=True)
    tensors = {f"model.diffusion_model.{key}": value for key, value in original_tensors(pipe).items()}
    tensors |= {f"text_encoders.qwen3_06b.transformer.{k}": v for k, v in text_tensors(pipe).items()}
    tensors |= {
        f"vae.{key}": value.clone() for key, value in stable_audio_names(pipe.vae.state_dict()).items()
    }
    tensors["text_encoders.qwen3_2b.transformer.model.norm.weight"] = torch.zeros(8)
    save_file(tensors, folder / name)
    pipe.tokenizer.save_pretrained(folder / "Qwen3-Embedding-0.6B")
    return folder / name


def save_comfy_split(pipe: AceStepPipeline, root: Path, name: str, *, stable_audio: bool) -> Path:
    """ComfyUI's folders, with a planner's larger file beside the text encoder's."""
    for folder in ("diffusion_models", "text_encoders", "vae"):
        (root / folder).mkdir(parents=True)
    save_file(original_tensors(pipe), root / "diffusion_models" / name)
    text = text_tensors(pipe)
    save_file(text, root / "text_encoders" / "qwen_0.6b_ace15.safetensors")
    larger = {key: torch.cat([value, value]) for key, value in text.items()}
    save_file(larger, root / "text_encoders" / "a_qwen_1.7b_ace15.safetensors")
    vae = pipe.vae.state_dict()
    save_file(
        {k: v.clone() for k, v in (stable_audio_names(vae) if stable_audio else vae).items()},
        root / "vae" / "ace_1.5_vae.safetensors",
    )
    pipe.tokenizer.save_pretrained(root / "tokenizer")
    return root / "diffusion_models" / name


UNIT = {"snake1": "layers.0", "conv1": "layers.1", "snake2": "layers.2", "conv2": "layers.3"}
BLOCKS = {
    "encoder": {f"res_unit{n + 1}": n for n in range(3)} | {"snake1": 3, "conv1": 4},
    "decoder": {"snake1": 0, "conv_t1": 1} | {f"res_unit{n + 1}": n + 2 for n in range(3)},
}


def stable_audio_names(vae: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The VAE as Stable Audio's code names it: numbered layers, weight norm as a parametrization."""
    blocks = 1 + max(int(name.split(".")[2]) for name in vae if name.startswith("encoder.block."))
    ends = {"conv1": 0, "snake1": blocks + 1, "conv2": blocks + 2}
    found = {}
    for name, tensor in vae.items():
        side, *rest = name.split(".")
        if rest[0] == "block":
            place = [f"layers.{int(rest[1]) + 1}.layers.{BLOCKS[side][rest[2]]}"]
            place += [UNIT[rest[3]]] if rest[2].startswith("res_unit") else []
        else:
            place = [f"layers.{ends[rest[0]]}"]
        leaf = rest[-1]
        leaf = {
            "weight_g": "parametrizations.weight.original0",
            "weight_v": "parametrizations.weight.original1",
        }.get(leaf, leaf)
        found[".".join([side, *place, leaf])] = tensor.flatten() if leaf in {"alpha", "beta"} else tensor
    return found
