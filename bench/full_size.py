"""ACE-Step 1.5 at full size with random weights: as fast as the real one, which cannot be had everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

VOCABULARY = 151_669  # Qwen3's


def tokenizer() -> Any:
    """Bytes as tokens; a real tokenizer would make about a quarter as many of English."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=end, eos_token=end)


def text_encoder() -> Any:
    from transformers import Qwen3Config, Qwen3Model

    sizes = {"hidden_size": 1_024, "intermediate_size": 3_072, "num_hidden_layers": 28}
    heads = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
    return Qwen3Model(Qwen3Config(vocab_size=VOCABULARY, **sizes, **heads))


def autoencoder() -> Any:
    from diffusers import AutoencoderOobleck

    vae = AutoencoderOobleck(
        encoder_hidden_size=128,
        downsampling_ratios=[2, 4, 4, 6, 10],
        channel_multiples=[1, 2, 4, 8, 16],
        decoder_channels=128,
        decoder_input_channels=64,
        audio_channels=2,
        sampling_rate=48_000,
    )
    for module in vae.modules():
        if hasattr(module, "alpha"):
            module.alpha.data.normal_(0, 0.3)
            module.beta.data.normal_(0, 0.3)
    return vae


def pipeline(device: str = "cuda", dtype: torch.dtype = torch.bfloat16, *, turbo: bool = True) -> Any:
    """The whole pipeline, with the sizes of the released checkpoints (diffusers' defaults)."""
    from diffusers import AceStepPipeline, AceStepTransformer1DModel, FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder

    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        text, vae = text_encoder(), autoencoder()
        transformer, encoder = AceStepTransformer1DModel(is_turbo=turbo), AceStepConditionEncoder()
    torch.set_default_dtype(torch.float32)
    encoder.silence_latent.normal_()
    return AceStepPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer(),
        transformer=transformer.eval(),
        condition_encoder=encoder.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )


def save(folder: Path) -> Path:
    """Write it as a checkpoint that `from_pretrained` reads: about 7 GB."""
    pipeline().save_pretrained(folder)
    return folder
