"""The networks' dimensions: from upstream's config.json where there is one, else from the tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.engines.acestep.checkpoint.tensors import MappedTensors

LEVELS = [8, 8, 8, 5, 5, 5]  # of the audio tokens; every ACE-Step 1.5 has these
RATE = 48_000  # of every ACE-Step VAE; no shape tells it
ROPE_THETA, EPSILON, WINDOW = 1_000_000.0, 1e-6, 128  # nor these


def dit_config(tensors: MappedTensors, said: Mapping[str, Any]) -> dict[str, Any]:
    """Upstream's config of the DiT and its encoders; what is not said is read from shapes.

    Raises:
        ValueError: The shapes are not those of ACE-Step 1.5.
    """
    try:
        config = _from_shapes(tensors)
    except KeyError as missing:
        raise ValueError(f"the checkpoint has no tensor {missing}; it is incomplete") from None
    known = {name: value for name, value in said.items() if value is not None}
    return config | known


def _from_shapes(tensors: MappedTensors) -> dict[str, Any]:
    _, channels, patch = tensors.shape("decoder.proj_in.1.weight")
    lyric = "encoder.lyric_encoder.layers.{}."
    config: dict[str, Any] = {
        "in_channels": channels,
        "patch_size": patch,
        "audio_acoustic_hidden_dim": tensors.shape("decoder.proj_out.1.weight")[1],
        "num_hidden_layers": tensors.count("decoder.layers.{}."),
        "text_hidden_dim": tensors.shape("encoder.text_projector.weight")[1],
        "timbre_hidden_dim": tensors.shape("encoder.timbre_encoder.embed_tokens.weight")[1],
        "num_lyric_encoder_hidden_layers": tensors.count(lyric),
        "num_timbre_encoder_hidden_layers": tensors.count("encoder.timbre_encoder.layers.{}."),
        "rope_theta": ROPE_THETA,
        "rms_norm_eps": EPSILON,
        "sliding_window": WINDOW,
        "attention_bias": False,
        **_layer(tensors, "decoder.layers.0."),
    }
    encoder = _layer(tensors, lyric.format(0))
    if encoder["hidden_size"] != config["hidden_size"]:  # XL
        config |= {f"encoder_{name}": value for name, value in encoder.items() if name != "head_dim"}
    if "tokenizer.audio_acoustic_proj.weight" in tensors:
        levels, fsq = tensors.shape("tokenizer.quantizer.project_in.weight")
        if levels != len(LEVELS):
            raise ValueError(f"the audio tokens have {levels} digits, not the {len(LEVELS)} of ACE-Step 1.5")
        config |= {
            "fsq_dim": fsq,
            "fsq_input_levels": LEVELS,
            "pool_window_size": tensors.shape("detokenizer.special_tokens")[1],
            "num_attention_pooler_hidden_layers": tensors.count("tokenizer.attention_pooler.layers.{}."),
        }
    return config


def _layer(tensors: MappedTensors, layer: str) -> dict[str, int]:
    width = tensors.shape(f"{layer}self_attn.q_norm.weight")[0]
    queries, hidden = tensors.shape(f"{layer}self_attn.q_proj.weight")
    return {
        "hidden_size": hidden,
        "intermediate_size": tensors.shape(f"{layer}mlp.gate_proj.weight")[0],
        "num_attention_heads": queries // width,
        "num_key_value_heads": tensors.shape(f"{layer}self_attn.k_proj.weight")[0] // width,
        "head_dim": width,
    }


def text_config(tensors: MappedTensors) -> dict[str, Any]:
    """Qwen3's config, from shapes."""
    vocabulary, _ = tensors.shape("embed_tokens.weight")
    return {
        "vocab_size": vocabulary,
        "num_hidden_layers": tensors.count("layers.{}."),
        "rope_theta": ROPE_THETA,
        "rms_norm_eps": EPSILON,
        "max_position_embeddings": 32_768,
        **_layer(tensors, "layers.0."),
    }


def vae_config(tensors: MappedTensors, names: Mapping[str, str]) -> dict[str, Any]:
    """The Oobleck VAE's config, from shapes; `names` leads from diffusers' names to those of the file."""
    first = tensors.shape(names["encoder.conv1.weight_v"])
    ratios, multiples, number = [], [], 0
    while (conv := names.get(f"encoder.block.{number}.conv1.weight_v")) is not None:
        out, _, kernel = tensors.shape(conv)
        ratios.append(kernel // 2)
        multiples.append(out // first[0])
        number += 1
    return {
        "encoder_hidden_size": first[0],
        "downsampling_ratios": ratios,
        "channel_multiples": multiples,
        "decoder_channels": tensors.shape(names["decoder.conv2.weight_v"])[1],
        "decoder_input_channels": tensors.shape(names["decoder.conv1.weight_v"])[1],
        "audio_channels": first[1],
        "sampling_rate": RATE,
    }
