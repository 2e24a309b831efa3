"""A whole ACE-Step checkpoint, small and random, saved in diffusers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

RATE, HOP = 400, 16  # 25 latents a second, as the real model has
CHANNELS, HIDDEN = 8, 64
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
GPU_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 128}


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes as tokens."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def text_encoder(heads: dict[str, int]) -> Qwen3Model:
    config = Qwen3Config(vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, **heads)
    return Qwen3Model(config)


def pipeline(
    *, turbo: bool = True, heads: dict[str, int] = HEADS, seed: int = 0, xl: bool = False
) -> AceStepPipeline:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"hidden_size": HIDDEN, "intermediate_size": 96, "sliding_window": 16, **heads}
    wide = {
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_attention_heads": 6,
        "encoder_hidden_size": HIDDEN,
    }
    transformer = AceStepTransformer1DModel(
        num_hidden_layers=4,
        in_channels=3 * CHANNELS,
        audio_acoustic_hidden_dim=CHANNELS,
        is_turbo=turbo,
        **(sizes | wide if xl else sizes),
    )
    encoder = AceStepConditionEncoder(
        text_hidden_dim=32,
        timbre_hidden_dim=CHANNELS,
        num_lyric_encoder_hidden_layers=2,
        num_timbre_encoder_hidden_layers=2,
        **sizes,
    )
    encoder.silence_latent.normal_()
    vae = AutoencoderOobleck(
        encoder_hidden_size=2 * CHANNELS,
        downsampling_ratios=[2, 2, 4],
        channel_multiples=[1, 2, 2],
        decoder_channels=16,
        decoder_input_channels=CHANNELS,
        audio_channels=2,
        sampling_rate=RATE,
    )
    for module in vae.modules():
        if hasattr(module, "alpha"):
            module.alpha.data.normal_(0, 0.3)
            module.beta.data.normal_(0, 0.3)
    acoustic = {"audio_acoustic_hidden_dim": CHANNELS, **sizes}
    return AceStepPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder(heads).eval(),
        tokenizer=tokenizer(),
        transformer=transformer.eval(),
        condition_encoder=encoder.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        audio_tokenizer=AceStepAudioTokenizer(fsq_dim=HIDDEN, **acoustic).eval(),
        audio_token_detokenizer=AceStepAudioTokenDetokenizer(**acoustic).eval(),
    )


def save(folder: Path, *, turbo: bool = True, heads: dict[str, int] = HEADS) -> Path:
    """Save a checkpoint as `from_pretrained` reads it."""
    pipeline(turbo=turbo, heads=heads).save_pretrained(folder)
    return folder
