"""How upstream and ComfyUI name what diffusers' modules hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

PARTS = {  # upstream's top names -> the components of diffusers' pipeline
    "decoder.": "transformer",
    "encoder.": "condition_encoder",
    "tokenizer.": "audio_tokenizer",
    "detokenizer.": "audio_token_detokenizer",
}

_ATTENTION = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "q_norm": "norm_q",
    "k_norm": "norm_k",
}
_PROJECTIONS = {"proj_in.1.": "proj_in_conv.", "proj_out.1.": "proj_out_conv."}
_ATTENTION_PART = re.compile(r"\.(q_proj|k_proj|v_proj|o_proj|q_norm|k_norm)(?=\.|$)")


def to_diffusers(name: str) -> str:
    """One of upstream's names below a component, as diffusers has it: `layers.0.self_attn.q_proj.weight`."""
    for old, new in _PROJECTIONS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return _ATTENTION_PART.sub(lambda found: f".{_ATTENTION[found[1]]}", name)


def sort_by_part(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Component -> {diffusers' name: upstream's name}, of a whole original checkpoint."""
    parts: dict[str, dict[str, str]] = {part: {} for part in PARTS.values()}
    for name in names:
        if name == "null_condition_emb":
            parts["condition_encoder"][name] = name
            continue
        for top, part in PARTS.items():
            if name.startswith(top):
                parts[part][to_diffusers(name.removeprefix(top))] = name
    return parts


_WEIGHT_NORM = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
_ENCODER_BLOCK = ["res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"]
_DECODER_BLOCK = ["snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"]
_RESIDUAL_UNIT = ["snake1", "conv1", "snake2", "conv2"]
_STABLE_AUDIO = re.compile(
    r"^(encoder|decoder)\.layers\.(\d+)\.(?:layers\.(\d+)\.)?(?:layers\.(\d+)\.)?(.+)$"
)


def vae_to_diffusers(names: Iterable[str]) -> dict[str, str]:
    """{diffusers' name: name} of an Oobleck VAE that is named as Stable Audio's code or diffusers' does."""
    names = list(names)
    blocks = {side: _stable_audio_blocks(names, side) for side in ("encoder", "decoder")}
    found = {}
    for name in names:
        plain = name
        for old, new in _WEIGHT_NORM.items():
            plain = plain.replace(old, new)
        if (match := _STABLE_AUDIO.match(plain)) is not None:
            plain = _stable_audio(match, blocks[match[1]])
        if plain.startswith(("encoder.", "decoder.")):
            found[plain] = name
    return found


def _stable_audio_blocks(names: list[str], side: str) -> int:
    places = {int(m[2]) for name in names if (m := _STABLE_AUDIO.match(name)) is not None and m[1] == side}
    # the first and the last convolution, and the activation before the last, are no blocks
    return max(places, default=2) - 2


def _stable_audio(match: re.Match[str], blocks: int) -> str:
    side, place, inner, unit, leaf = match[1], int(match[2]), match[3], match[4], match[5]
    if place == 0:
        return f"{side}.conv1.{leaf}"
    if place == blocks + 1:
        return f"{side}.snake1.{leaf}"
    if place == blocks + 2:
        return f"{side}.conv2.{leaf}"
    parts = _ENCODER_BLOCK if side == "encoder" else _DECODER_BLOCK
    name = f"{side}.block.{place - 1}.{parts[int(inner)]}"
    return f"{name}.{_RESIDUAL_UNIT[int(unit)]}.{leaf}" if unit is not None else f"{name}.{leaf}"
