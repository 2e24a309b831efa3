"""A packed song is the song alone, whatever its neighbours, their order, or the bucket."""

from __future__ import annotations

import torch

from tests.unit.tasks.engines.acestep.songs import LYRICS, alone, difference, song, together

CLOSE = 1e-6


def assert_alike(left, right):
    assert difference(left, right) < CLOSE


def test_neighbours_of_other_lengths_words_steps_and_seeds_change_nothing(engine):
    songs = [
        song(1, lyrics=LYRICS),
        song(2, duration=17.3, steps=5),
        song(3, duration=6.0, steps=1, bpm=88),
        song(4, duration=30.0, steps=2, shift=1.0),
    ]
    for packed, one in zip(together(engine, songs), songs, strict=True):
        assert_alike(packed, alone(engine, one))


def test_order_changes_nothing(engine):
    songs = [song(1), song(2, duration=12.0), song(3, duration=8.0)]
    forth, back = together(engine, songs), together(engine, songs[::-1])
    for left, right in zip(forth, back[::-1], strict=True):
        assert_alike(left, right)


def test_songs_join_and_leave_between_steps(engine):
    early, late, cancelled = song(1, steps=4), song(2, duration=21.0, steps=4), song(3, duration=9.0, steps=4)
    first, gone = engine.admit(early), engine.admit(cancelled)
    engine.step([first, gone])
    second = engine.admit(late)
    engine.step([second, first, gone])
    while waiting := [state for state in (first, second) if not state.done]:
        engine.step(waiting)
    assert_alike(first.latents, alone(engine, early))
    assert_alike(second.latents, alone(engine, late))


def test_a_song_that_pauses_goes_on_as_if_it_had_not(engine):
    one, other = song(1, steps=4), song(2, steps=2, duration=11.0)
    paused, passing = engine.admit(one), engine.admit(other)
    engine.step([paused])
    while not passing.done:
        engine.step([passing])
    while not paused.done:
        engine.step([paused])
    assert_alike(paused.latents, alone(engine, one))


def test_guided_and_unguided_songs_share_a_pack(base_engine):
    songs = [
        song(1, guidance_scale=5.0),
        song(2, guidance_scale=1.0, duration=7.3),
        song(3, guidance_scale=3.0),
    ]
    for packed, one in zip(together(base_engine, songs), songs, strict=True):
        assert_alike(packed, alone(base_engine, one))


def test_variations_differ_by_their_seeds_alone(engine):
    one, two = (
        song(1, job="a", variation=1),
        song(2, job="a", variation=2, prompt="A bright piano melody number 1"),
    )
    first, second = together(engine, [one, two])
    assert difference(first, second) > 0.01
    assert_alike(second, alone(engine, two))


def test_a_neighbours_nan_stays_with_it(engine):
    one, other = song(1), song(2, duration=7.0)
    state, sick = engine.admit(one), engine.admit(other)
    sick.latents.fill_(float("nan"))
    while not state.done:
        engine.step([sick, state])
    assert torch.isnan(sick.latents).all()
    assert_alike(state.latents, alone(engine, one))


def test_more_songs_than_a_pack_holds_go_in_several(engine, monkeypatch):
    songs = [song(n, duration=30.0, steps=2) for n in range(4)]
    want = [alone(engine, one) for one in songs]
    monkeypatch.setattr(
        engine.built, "capacity", type(engine.built.capacity)(tokens=512, longest=1_024, key_rows=8_192)
    )
    for packed, one in zip(together(engine, songs), want, strict=True):
        assert_alike(packed, one)


def test_diffusers_own_batching_lets_prompts_hear_each_other(pipe):
    """Why we pack: in one list call of diffusers' pipeline, a song depends on its neighbour's words."""

    def first(*prompts: str) -> torch.Tensor:
        generators = [torch.Generator().manual_seed(n) for n in range(len(prompts))]
        call = {"prompt": list(prompts), "lyrics": [""] * len(prompts), "generator": generators}
        return pipe(**call, audio_duration=5.0, num_inference_steps=3, output_type="latent").audios[0]

    neighbour = "A much longer description of drums and brass in a large and echoing hall"
    assert difference(first("Soft piano", neighbour), first("Soft piano")) > 1e-3
