"""Long songs are decoded in windows, and nobody hears where they meet."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import soundfile
import torch

from tasks.audio.encoding import encode
from tasks.engines.acestep.decoding.decoder import FULL_SCALE, PEAK, Finisher, PlainDecoder, halo, windows
from tasks.engines.acestep.decoding.fused import BatchDecoder
from tests.unit.tasks.engines.acestep.songs import difference


def test_the_real_decoder_depends_on_nine_latents_to_either_side():
    assert halo([10, 6, 4, 4, 2]) == 9


def test_the_halo_is_what_the_network_really_sees(pipe):
    """A change outside the halo is not heard; one at its edge is, or it would be larger than needed."""
    margin = halo(list(pipe.vae.upsampling_ratios))
    latents = torch.randn(1, 8, 8 * margin)
    changed = latents.clone()
    changed[..., : 4 * margin] += 1.0
    with torch.no_grad():
        before, after = pipe.vae.decoder(latents), pipe.vae.decoder(changed)
    differs = (before != after).any(1)[0].nonzero().max().item() // pipe.vae.hop_length
    assert 4 * margin - 1 <= differs < 5 * margin


@pytest.mark.parametrize("latents", [1, 99, 100, 101, 450])
def test_windows_cover_a_song_once(latents):
    found = list(windows(latents, 100, 9))
    assert found[0].keep == 0
    assert found[-1].keep_to == latents
    assert all(left.keep_to == right.keep for left, right in itertools.pairwise(found))
    assert all(max(0, w.keep - 9) == w.start and min(latents, w.keep_to + 9) == w.stop for w in found)


def test_windows_sound_like_the_whole(pipe):
    song = torch.randn(517, 8)
    [(_, whole)] = PlainDecoder(pipe.vae, core=1_000)([song])
    assert whole.shape == (2, 517 * pipe.vae.hop_length)
    [(_, parts)] = PlainDecoder(pipe.vae, core=100)([song])
    assert difference(parts, whole) < 1e-5


def test_batches_of_songs_and_windows_sound_like_each_alone(pipe):
    vae = pipe.vae
    sizes = []

    def decode(latents: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(latents.shape[:2]))
        with torch.no_grad():
            return vae.decoder(latents.transpose(1, 2))

    songs = [torch.randn(length, 8) for length in (50, 230, 50, 100, 50)]
    decoder = BatchDecoder(decode, vae.hop_length, halo(list(vae.upsampling_ratios)), core=100)
    waves = dict(decoder(songs))
    assert sorted(waves) == list(range(len(songs)))
    for number, wave in waves.items():
        assert difference(wave, dict(PlainDecoder(vae)([songs[number]]))[0]) < 1e-5
    assert (2, 50) in sizes


def test_every_song_is_as_loud_and_as_long_as_asked():
    sound = Finisher(torch.device("cpu"))(torch.randn(2, 1_000) * 7, 900)
    assert sound.ready
    assert sound.samples().shape == (2, 900)
    assert sound.samples().dtype == np.int16
    loudest = abs(Finisher(torch.device("cpu"))(torch.randn(2, 1_000), 1_000).samples()).max()
    assert loudest == round(PEAK * FULL_SCALE)


def test_silence_stays_silence():
    assert not Finisher(torch.device("cpu"))(torch.zeros(2, 10), 10).samples().any()
    assert not Finisher(torch.device("cpu"))(torch.full((2, 10), torch.nan), 10).samples().any()


def test_sixteen_bits_are_written_as_floats_would_be_to_rounding():
    wave = torch.randn(2, 4_001)
    loud = (wave * (PEAK / wave.abs().max())).numpy()
    made = Finisher(torch.device("cpu"))(wave, 4_001).samples()
    written = []
    for samples in (made, loud):
        file = io.BytesIO()
        encode(samples, 48_000, file, "wav")
        file.seek(0)
        written.append(soundfile.read(file, dtype="int16")[0].astype(int))
    assert abs(written[0] - written[1]).max() <= 1
    assert (written[0] == written[1]).mean() > 0.99
