"""A whole Stable Audio checkpoint, small and random, saved in diffusers' layout."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderOobleck,
    EDMDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
)
from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel
from transformers import T5Config, T5EncoderModel

from tests.unit.tasks.engines.acestep.tiny_checkpoint import tokenizer

RATE, HOP, LONGEST = 400, 16, 10


def save(folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    words.model_max_length = 32
    text = T5EncoderModel(T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    transformer = StableAudioDiTModel(
        sample_size=LONGEST * RATE // HOP,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        num_key_value_attention_heads=2,
        cross_attention_dim=16,
        cross_attention_input_dim=16,
        global_states_input_dim=32,
        time_proj_dim=8,
    )
    vae = AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[4, 4],
        channel_multiples=[1, 2],
        decoder_channels=8,
        decoder_input_channels=4,
        audio_channels=2,
        sampling_rate=RATE,
    )
    lengths = StableAudioProjectionModel(text_encoder_dim=16, conditioning_dim=16, min_value=0, max_value=32)
    scheduler = EDMDPMSolverMultistepScheduler(solver_order=2, algorithm_type="sde-dpmsolver++")
    pipe = StableAudioPipeline(vae, text, lengths, words, transformer, scheduler)
    pipe.save_pretrained(folder)
    return folder
