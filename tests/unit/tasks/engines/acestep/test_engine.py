"""Who may join, what an adapter does, and what becomes of memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import AceStepPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from tasks.engines.acestep import AceStepEngine, Options
from tasks.engines.acestep.adapters import merged
from tasks.engines.acestep.checkpoint import model
from tasks.engines.acestep.decoding.decoder import FULL_SCALE, PEAK, Finisher
from tasks.engines.engine import Engine, EngineOutOfMemory
from tasks.jobs import JobError
from tests.unit.tasks.engines.acestep.conftest import reference, start
from tests.unit.tasks.engines.acestep.songs import alone, difference, seeded, song, together
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE


def test_it_is_an_engine(engine):
    assert isinstance(engine, Engine)
    assert (engine.name, engine.version) == ("acestep", "1.5")


def test_progress_ends_at_one_when_the_sound_is_there(engine):
    state = engine.admit(song(1, steps=3))
    shares = [state.progress]
    with pytest.raises(ValueError, match="not finished"):
        engine.decode(state)
    while not state.done:
        engine.step([state])
        shares.append(state.progress)
    assert shares == [0.0, 0.25, 0.5, 1.0]
    assert abs(engine.decode(state).samples).max() == round(PEAK * FULL_SCALE)


def test_songs_join_until_the_pack_is_full(turbo, folder):
    engine = start(turbo, folder, tokens=1_024, longest=2_048)
    states = []
    while engine.fits(states, song(len(states), duration=20.0)):
        states.append(engine.admit(song(len(states), duration=20.0)))
    assert len(states) == 4  # of 250 tokens
    assert not engine.fits(states, song(9, duration=5.0))
    assert engine.fits([], song(10, duration=160.0)), "a song larger than a full pack may run alone"
    with pytest.raises(EngineOutOfMemory, match="too long"):
        engine.admit(song(11, duration=170.0))
    for _ in range(4):
        engine.step(states)
    assert engine.fits(states, song(12, duration=20.0)), "songs that are only decoded take no place"


def test_places_are_limited(turbo, folder):
    engine = start(turbo, folder, places=2)
    states = [engine.admit(song(n)) for n in range(2)]
    assert not engine.fits(states, song(3))
    assert engine.fits(states[:1], song(3))


def test_the_key_pool_limits_and_is_given_back(turbo, folder):
    engine = start(turbo, folder)
    pool = engine.built.pool
    free = pool.room()
    states = [engine.admit(song(n, lyrics="la " * 600)) for n in range(3)]
    engine.step(states)
    taken = free - pool.room()
    assert taken >= 3 * 1_800
    engine.step(states[:1])
    assert free - pool.room() < taken
    engine.step([])
    assert pool.room() == free
    long = [engine.admit(song(n, lyrics="la " * 2_000, steps=2)) for n in range(4)]
    assert not engine.fits(long, song(5, lyrics="la " * 2_000))


def test_out_of_memory_is_split_and_names_its_song(turbo, folder, monkeypatch):
    engine = start(turbo, folder)
    songs = [song(n, duration=seconds) for n, seconds in enumerate((10.0, 20.0, 30.0, 60.0))]
    wanted = [alone(engine, one) for one in songs]
    real = engine.built.weights.dit.velocity

    def scarce(x, *rest):
        if x.shape[0] > limit:
            raise torch.OutOfMemoryError("no memory left")
        return real(x, *rest)

    monkeypatch.setattr(engine.built.weights.dit, "velocity", scarce)
    limit = 1_600
    for got, want in zip(together(engine, songs), wanted, strict=True):
        assert difference(got, want) < 1e-6
    limit = 1_100
    states = [engine.admit(one) for one in songs]
    with pytest.raises(EngineOutOfMemory) as error:
        engine.step(states)
    assert error.value.song is songs[3]
    rest = states[:2]
    while waiting := [state for state in rest if not state.done]:
        engine.step(waiting)
    for state, want in zip(rest, wanted, strict=False):
        assert difference(state.latents, want) < 1e-6


def step_often(engine: AceStepEngine, states: list) -> None:
    for _ in range(4):
        engine.step(states)


@pytest.mark.parametrize("stage", ["encode", "decode"])
def test_out_of_memory_in_any_stage_costs_no_neighbour(turbo, folder, monkeypatch, stage):
    engine = start(turbo, folder)
    songs = [
        song(n, duration=seconds, lyrics="la " * n) for n, seconds in enumerate((10.0, 60.0, 20.0, 30.0))
    ]
    wanted = [alone(engine, one) for one in songs]
    encode, decoder = engine.built.conditioner.encode, engine.built.decoder

    def scarce_encode(plans, words):
        if len(plans) > 1 or plans[0].frames == 60 * RATE:
            raise torch.OutOfMemoryError("no memory left")
        return encode(plans, words)

    def scarce_decode(latents):
        if len(latents) > 1 or len(latents[0]) == 60 * 25:
            raise torch.OutOfMemoryError("no memory left")
        return decoder(latents)

    if stage == "encode":
        monkeypatch.setattr(engine.built.conditioner, "encode", scarce_encode)
    else:
        monkeypatch.setattr(engine.built, "decoder", scarce_decode)
    states = [engine.admit(one) for one in songs]
    with pytest.raises(EngineOutOfMemory) as error:
        step_often(engine, states)
    assert error.value.song is songs[1]
    rest = [states[0], *states[2:]]
    while waiting := [state for state in rest if not state.done]:
        engine.step(waiting)
    for state, want in zip(rest, [wanted[0], *wanted[2:]], strict=True):
        assert difference(state.latents, want) < 1e-6
    engine.step([])
    assert len(engine.built.pool._taken) == 1, "keys of the null condition alone"


@pytest.fixture(scope="module")
def adapter(turbo, folder):
    """A trained adapter, as PEFT saves it: weights and their scale in a file beside them."""
    pipe = reference(turbo)
    torch.manual_seed(5)
    names = ["to_q", "to_k", "to_v", "to_out.0"]
    config = LoraConfig(r=4, lora_alpha=8, target_modules=names, init_lora_weights=False)
    pipe.transformer.add_adapter(config)
    weights = get_peft_model_state_dict(pipe.transformer)
    place = folder / "lora" / "choir"
    place.mkdir(parents=True)
    save_file({f"transformer.{name}": value for name, value in weights.items()}, place / "choir.safetensors")
    (place / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    return pipe


def test_an_adapter_sounds_as_in_diffusers_and_only_in_its_own_song(engine, adapter: AceStepPipeline):
    own, other = song(1, lora="choir", dcw="off"), song(2, duration=9.0)
    got, beside = together(engine, [own, other])
    call = {"prompt": own.request.prompt, "audio_duration": 5.0, "num_inference_steps": 3}
    wanted = adapter(**call, generator=seeded(1), output_type="latent").audios[0]
    assert difference(got, wanted) < 1e-4
    assert difference(got, alone(engine, song(1, dcw="off"))) > 1e-3
    assert difference(beside, alone(engine, other)) < 1e-6


def test_adapters_leave_when_others_come(engine, adapter, folder, monkeypatch):
    monkeypatch.setattr(merged, "KEPT", 1)
    source = folder / "lora" / "choir" / "choir.safetensors"
    (folder / "lora" / "band.safetensors").write_bytes(source.read_bytes())
    alone(engine, song(1, lora="band", steps=1))
    alone(engine, song(1, lora="choir", steps=1))
    engine.step([])
    assert engine._adapters.names == ["choir"]
    assert len(engine.built.pool._taken) == 2  # the null condition, of the checkpoint and of the adapter


def test_an_unknown_adapter_is_refused(engine):
    with pytest.raises(JobError, match="no adapter named nobody"):
        engine.admit(song(1, lora="nobody"))


def test_a_cover_needs_an_audio_tokenizer(engine, upload, monkeypatch):
    name = upload(np.zeros((2, 6 * 8_000), np.float32), 8_000)
    monkeypatch.setattr(engine.built.model.pipe, "audio_tokenizer", None)
    with pytest.raises(JobError, match="no audio tokenizer"):
        engine.admit(song(1, task_type="cover", source_audio=name))


def test_it_loads_again_after_it_was_unloaded(turbo, folder):
    engine = start(turbo, folder)
    before = alone(engine, song(1))
    engine.unload()
    assert engine._built is None
    assert torch.equal(alone(engine, song(1)), before)


def test_compiled_code_is_kept_where_it_is_told(turbo, tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    import os

    from tasks.engines.acestep.start import use_cache

    assert not use_cache(tmp_path / "compiled")
    assert os.environ["TRITON_CACHE_DIR"] == str(tmp_path / "compiled" / "triton")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.delenv("TRITON_CACHE_DIR")


def test_fp8_needs_a_gpu_that_has_it():
    with pytest.raises(ValueError, match=r"compute capability 8\.9"):
        model.choose_numbers(torch.device("cpu"), "fp8")
    assert model.choose_numbers(torch.device("cpu"), "auto") == (torch.float32, False)


def test_options_come_from_the_settings(tmp_path):
    from tasks.settings import Settings

    chosen = Settings(data=tmp_path, model="somewhere", batch=3, device=1)
    options = Options.of(chosen)
    assert (options.model, options.places, options.device) == ("somewhere", 3, "cuda:1")
    assert options.uploads == tmp_path / "upload"


def test_ten_minutes_with_guidance_still_fit(base_engine):
    longest = song(1, duration=600.0, guidance_scale=7.0)
    assert base_engine.fits([], longest)
    assert base_engine.admit(longest).plan.passes == 2


def test_outside_a_repaint_the_file_is_the_source_sample_for_sample(engine, upload):
    """Apart from the window and the fade at its edges."""
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 6 * 8_000)).astype(np.float32)
    fields = {"task_type": "repaint", "source_audio": upload(noise, 8_000), "steps": 2}
    fade = int(0.025 * RATE)
    for first, last in ((2.0, 4.0), (0.0, 3.0), (3.0, None), (-1.0, 0.5)):
        state = engine.admit(song(1, repaint_start=first, repaint_end=last, **fields))
        source = np.rint(state.plan.source.numpy() * 32_768).clip(-32_768, 32_767).astype(np.int16)
        made, edit = sound(engine, state), state.plan.edit
        assert made.shape == source.shape == (2, (7 if first < 0 else 6) * RATE)
        before = slice(0, max(0, edit.first - fade))
        after = slice(min(edit.last + fade, source.shape[1]), None)
        assert np.array_equal(made[:, before], source[:, before])
        assert np.array_equal(made[:, after], source[:, after])
        window = slice(edit.first, edit.last)
        assert (made[:, window] != source[:, window]).mean() > 0.9
    aggressive = song(1, repaint_start=2.0, repaint_end=4.0, repaint_mode="aggressive", **fields)
    assert (sound(engine, engine.admit(aggressive))[:, :RATE] != source[:, :RATE]).mean() > 0.9


def test_sixteen_bits_come_out_as_they_went_in():
    source = torch.arange(-32_768, 32_768).to(torch.int16)[None].expand(2, -1)
    kept = Finisher(torch.device("cpu")).splice(
        torch.full((2, 65_536), torch.nan), source.float() / 32_768, torch.zeros(65_536)
    )
    assert np.array_equal(kept.samples(), source.numpy())


def sound(engine: AceStepEngine, state) -> np.ndarray:
    while not state.done:
        engine.step([state])
    return engine.decode(state).samples


def test_an_extension_past_ten_minutes_is_refused(engine, upload):
    name = upload(np.zeros((2, 6 * 8_000), np.float32), 8_000)
    with pytest.raises(JobError, match="of at most 600"):
        engine.admit(song(1, task_type="repaint", source_audio=name, repaint_start=-598.0, repaint_end=1.0))


def test_a_retake_goes_from_one_song_to_the_other(engine):
    """By the angle between the two noises: nothing of it is the song, all of it is the other seed's."""
    own, other = alone(engine, song(1)), alone(engine, song(2, prompt="A bright piano melody number 1"))
    assert torch.equal(alone(engine, song(1, retake_variance=0.0)), own)
    whole = alone(engine, song(1, retake_variance=1.0, retake_seed=2))
    assert difference(whole, other) < 1e-5
    part = alone(engine, song(1, retake_variance=0.2))
    assert difference(part, own) > 0.01
    assert torch.equal(alone(engine, song(1, retake_variance=0.2)), part)


def test_latents_are_rescaled_and_shifted_at_the_end(engine):
    state = engine.admit(song(1, latent_rescale=0.5, latent_shift=0.1))
    while not state.done:
        engine.step([state])
    assert torch.equal(state.sampler.finish(state.latents), state.latents * 0.5 + 0.1)


def test_fresh_noise_is_the_seeds_own(engine):
    one = song(1, infer_method="sde")
    assert torch.equal(alone(engine, one), alone(engine, one))
    assert difference(alone(engine, one), alone(engine, song(1))) > 0.01
