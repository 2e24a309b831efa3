"""The words of many songs, encoded in one pass, are what diffusers' modules make of each alone."""

from __future__ import annotations

import numpy as np

from tasks.engines.acestep.conditioning.conditioner import Conditioner
from tasks.engines.acestep.conditioning.packed import PackedConditioner, packable
from tests.unit.tasks.engines.acestep.songs import LYRICS, difference, song
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE


def test_packed_words_are_words_alone(engine, upload):
    model = engine.built.model
    assert packable(model)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 6 * RATE * 20)).astype(np.float32)
    songs = [
        song(1, lyrics=LYRICS),
        song(2),
        song(3, lyrics=LYRICS * 20, vocal_language="fr"),
        song(4, prompt="雨夜的钢琴 calm and slow", reference_audio=upload(noise, RATE * 20)),
    ]
    states = [engine.admit(one) for one in songs]
    plans, words = [s.plan for s in states], [s.words for s in states]
    packed = PackedConditioner(model, places=8, compiled=False)
    found, wanted = packed.encode(plans, words), Conditioner(model).encode(plans, words)
    for left, right, word in zip(found, wanted, words, strict=True):
        assert left.shape == right.shape == (word.rows, right.shape[1])
        assert difference(left, right) < 1e-5
    again = packed.encode(plans[1:2], words[1:2])[0]
    assert difference(again, wanted[1]) < 1e-5


def test_long_words_are_cut_where_diffusers_cuts_them(engine):
    state = engine.admit(song(1, prompt="loud " * 300, lyrics="la la " * 1_000))
    assert len(state.words.text) == 256
    assert len(state.words.lyrics) == 2_048


def test_a_context_without_source_is_made_once_a_length(engine):
    conditioner = engine.built.conditioner
    first, second = engine.admit(song(1)), engine.admit(song(2))
    assert conditioner.context(first.plan, None) is conditioner.context(second.plan, None)
