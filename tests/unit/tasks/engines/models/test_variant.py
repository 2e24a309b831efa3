from __future__ import annotations

import pytest

from tasks.engines.models import recognise

KNOWN = {
    "acestep-v15-turbo": ("turbo", "2B", 3.0),
    "ACE-Step/acestep-v15-turbo-shift1": ("turbo", "2B", 1.0),
    "acestep-v15-turbo-fix-inst-shift3": ("turbo", "2B", 3.0),
    "acestep-v15-turbo-continuous": ("turbo", "2B", 3.0),
    "acestep-v15-base": ("base", "2B", 1.0),
    "acestep-v15-base-sft-fix-inst": ("sft", "2B", 1.0),
    "acestep-v15-xl-sft": ("sft", "XL", 1.0),
    "acestep_v1.5_xl_turbo_bf16.safetensors": ("turbo", "XL", 3.0),
    "my-own-merge": ("unknown", "2B", 1.0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_tells_the_variant(name):
    found = recognise(name, {})
    assert (found.kind, found.size, found.shift) == KNOWN[name]


def test_what_the_config_says_counts_before_the_name():
    assert recognise("my-own-merge", {"is_turbo": True}).kind == "turbo"
    assert recognise("turbo-base-merge", {"is_turbo": False}).kind == "base"
    assert recognise("acestep-v15-base", {"model_version": "turbo"}).kind == "base", "the class's default"
    assert recognise("mine", {"hidden_size": 2560}).size == "XL"
    assert recognise("mine", {"encoder_hidden_size": 2048}).size == "XL"


def test_reinforced_turbo_is_sampled_as_turbo():
    found = recognise("acestep-v15-turbo-rl", {})
    assert (found.label, found.steps, found.guidance) == ("2B turbo-rl, shift 3", 8, None)
