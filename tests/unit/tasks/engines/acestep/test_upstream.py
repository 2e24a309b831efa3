"""Songs are what ACE-Step's own code makes of them: figures of its `generate_audio` on the same networks.

Each figure is a latent of upstream's result, run in float32 on the networks of `tiny_checkpoint` (seed 0)
with the same words, seed 7 and source. EXPECTED holds how many latents there are, and of every 53rd number of
them the first few. The largest difference between all latents was 1.6e-6 of the largest.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional

from tasks.audio import decoding
from tasks.engines.acestep import AceStepEngine
from tests.unit.tasks.engines.acestep.conftest import start
from tests.unit.tasks.engines.acestep.songs import LYRICS, alone, difference, song, together
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE, pipeline

CODES = tuple((number * 7919) % 64_000 for number in range(26))
REPAINT: dict[str, Any] = {"task_type": "repaint", "repaint_start": 1.0, "repaint_end": 3.0}
EDITED: dict[str, Any] = REPAINT | {"src": True, "steps": 6}
COVER: dict[str, Any] = {"task_type": "cover", "src": True}
TIMES = (0.97, 0.76, 0.615, 0.5, 0.395, 0.28, 0.18, 0.085, 0.0)
GUIDED: dict[str, Any] = {"steps": 5, "guidance_scale": 4.5}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "turbo": ("turbo", {"steps": 8}),
    "turbo, odd length": ("turbo", {"steps": 4, "duration": 5.24}),
    "turbo, uncorrected": ("turbo", {"steps": 8, "dcw": "off"}),
    "turbo, shift 2.5 of 5": ("turbo", {"steps": 5, "shift": 2.5}),
    "turbo, low band": ("turbo", {"steps": 4, "dcw": "low", "dcw_scaler": 0.2}),
    "turbo, high band": ("turbo", {"steps": 4, "dcw": "high", "dcw_scaler": 0.2}),
    "turbo, all bands alike": ("turbo", {"steps": 4, "dcw": "pix", "dcw_scaler": 0.1}),
    "turbo, own times": (
        "turbo",
        {"steps": None, "timesteps": TIMES},
    ),
    "turbo, heun": ("turbo", {"steps": 4, "sampler": "heun"}),
    "turbo, fresh noise": ("turbo", {"steps": 4, "infer_method": "sde"}),
    "turbo, held": ("turbo", {"steps": 5, "velocity_norm_threshold": 0.6, "velocity_ema_factor": 0.2}),
    "turbo, heun, held": (
        "turbo",
        {"steps": 4, "sampler": "heun", "velocity_norm_threshold": 0.6, "velocity_ema_factor": 0.2},
    ),
    "cover": ("turbo", {"steps": 4, "task_type": "cover", "src": True}),
    "cover, half": ("turbo", {"steps": 5, "task_type": "cover", "src": True, "audio_cover_strength": 0.5}),
    "cover, words alone": (
        "turbo",
        COVER | {"steps": 3, "audio_cover_strength": 0.0},
    ),
    "cover from its source": (
        "turbo",
        {"steps": 8, "task_type": "cover-nofsq", "src": True, "cover_noise_strength": 0.4},
    ),
    "audio codes": ("turbo", {"steps": 4, "audio_codes": CODES}),
    "repaint": ("turbo", EDITED),
    "repaint, told the window": ("turbo", EDITED | {"chunk_mask_mode": "explicit", "repaint_strength": 0.2}),
    "repaint, conservative": ("turbo", EDITED | {"repaint_mode": "conservative", "sampler": "heun"}),
    "repaint, aggressive": ("turbo", EDITED | {"repaint_mode": "aggressive"}),
    "extended before and after": ("turbo", EDITED | {"repaint_start": -1.0, "repaint_end": 7.5}),
    "base": ("base", GUIDED),
    "base, corrected": ("base", GUIDED | {"dcw": "double"}),
    "base, unguided": ("base", {"steps": 5, "guidance_scale": 1.0}),
    "base, interval": ("base", GUIDED | {"cfg_interval_start": 0.3, "cfg_interval_end": 0.8, "shift": 3.0}),
    "base, turned away": ("base", GUIDED | {"guidance_mode": "adg"}),
    "base, heun": ("base", GUIDED | {"sampler": "heun"}),
    "base, heun, turned away": ("base", GUIDED | {"sampler": "heun", "guidance_mode": "adg"}),
    "base, own times": ("base", {"steps": None, "guidance_scale": 3.0, "timesteps": (1.0, 0.7, 0.2)}),
    "turbo, smooth": ("turbo", {"steps": 5, "velocity_ema_factor": 0.3}),
    "base, held": ("base", GUIDED | {"velocity_norm_threshold": 0.5, "velocity_ema_factor": 0.3}),
    "base, fresh noise": ("base", GUIDED | {"infer_method": "sde"}),
    "base, repaint": ("base", EDITED | {"guidance_scale": 3.0}),
    "base, cover, half": (
        "base",
        GUIDED | {"task_type": "cover", "src": True, "audio_cover_strength": 0.5},
    ),
    "lego": ("base", EDITED | {"task_type": "lego", "track": "backing_vocals", "guidance_scale": 3.0}),
    "extract": ("base", GUIDED | {"task_type": "extract", "track": "drums", "src": True}),
    "complete": ("base", GUIDED | {"task_type": "complete", "track": "drums,bass", "src": True}),
    "XL turbo": ("xl_turbo", {"steps": 4}),
    "XL base": ("xl_base", GUIDED),
}


def source() -> bytes:
    """Six seconds of two tones, as a file."""
    time = np.arange(6 * RATE * 20) / (RATE * 20)
    data = io.BytesIO()
    tones = np.stack([np.sin(250 * time), np.cos(170 * time)], axis=1) * 0.5
    soundfile.write(data, tones.astype(np.float32), RATE * 20, format="WAV", subtype="FLOAT")
    return data.getvalue()


# fmt: off
EXPECTED: dict[str, tuple[int, list[float]]] = {
    "turbo": (125, [-2.1445, -0.5805, -1.4885, 0.3489, 0.5193, -2.1875, -1.0096, -0.3395, -1.2738]),
    "turbo, odd length": (131, [-2.4005, -0.3890, -1.4505, 0.3198, 0.4711, -2.0821, -0.9041, -0.5778]),
    "turbo, uncorrected": (125, [-2.3690, -0.4143, -1.3108, 0.3442, 0.5926, -2.1313, -0.7795, -0.5658]),
    "turbo, shift 2.5 of 5": (125, [-2.1189, -0.5553, -1.5538, 0.2260, 0.5374, -2.0725, -0.8835, -0.3878]),
    "turbo, low band": (125, [-2.0987, -0.6342, -1.6588, 0.3683, 0.3972, -2.2085, -1.2414, -0.2513]),
    "turbo, high band": (125, [-2.4559, -0.2945, -1.3468, 0.2856, 0.4612, -1.9875, -0.7835, -0.6502]),
    "turbo, all bands alike": (125, [-2.0890, -0.3907, -1.4347, 0.2225, 0.2064, -1.8644, -0.9374, -0.3172]),
    "turbo, own times": (125, [-2.1331, -0.5467, -1.2738, 0.4035, 0.4808, -1.9862, -0.9627, -0.3536]),
    "turbo, heun": (125, [-2.4090, -0.4399, -1.4230, 0.3742, 0.4743, -2.0915, -0.9030, -0.5169, -1.3322]),
    "turbo, fresh noise": (125, [-2.3768, 0.7714, 0.2129, 0.2235, -0.6213, -3.0472, 1.3876, -0.5867]),
    "turbo, held": (125, [-1.5804, -0.6465, -1.4215, 0.1494, -0.0461, -1.6053, -1.1626, 0.1415, -0.9326]),
    "turbo, heun, held": (125, [-1.6204, -0.6271, -1.3849, 0.1935, -0.0888, -1.6045, -1.1830, 0.1059]),
    "cover": (150, [-0.2081, 0.3907, -0.4656, -0.6981, 1.0547, -1.5880, -1.7553, 0.4678, -1.3996]),
    "cover, half": (150, [-1.9437, -0.1712, -1.3667, -0.0216, 0.5639, -1.9580, -0.9127, -0.3410, -1.5426]),
    "cover, words alone": (150, [-2.4228, -0.3340, -1.4495, 0.3041, 0.6143, -1.9624, -1.0288, -0.8414]),
    "cover from its source": (150, [-0.8562, -0.1430, -0.9846, -1.2658, 1.2976, -1.0306, -0.3764, 0.0292]),
    "audio codes": (130, [-1.3127, 0.3314, -0.3328, -0.7297, 1.0755, -1.7203, -1.3996, 0.6076, -1.2428]),
    "repaint": (150, [-0.8840, -0.3691, -0.8925, -0.9812, 0.4179, -2.1301, -0.9128, -0.4567, -1.3534]),
    "repaint, told the window": (150, [-0.8840, -0.3609, -1.0675, -0.9893, 0.4583, -2.0960, -0.9062]),
    "repaint, conservative": (150, [-0.8838, -0.3935, -1.0784, -0.7215, 0.4063, -2.1523, -0.8421, -0.3806]),
    "repaint, aggressive": (150, [-1.0245, 0.1812, -1.1285, -1.5860, 0.4137, -2.1336, -0.9190, -0.4532]),
    "extended before and after": (213, [-2.2941, -0.5298, -1.6798, 0.2647, 0.4780, -2.1329, -0.8795]),
    "base": (125, [-2.3840, -0.1297, -1.7944, 0.0129, 0.4030, -1.9322, -1.7737, -0.8503, -0.9142]),
    "base, corrected": (125, [-2.3251, -0.1603, -1.8542, 0.0458, 0.3923, -1.9142, -1.8596, -0.7080]),
    "base, unguided": (125, [-2.4207, -0.4383, -1.2148, 0.3851, 0.6092, -1.9819, -0.8390, -0.5296]),
    "base, interval": (125, [-2.5194, -0.3693, -1.6985, 0.2069, 0.4297, -2.0919, -1.1320, -0.9357]),
    "base, turned away": (125, [-0.8189, 0.3659, -2.5232, -0.4920, 0.4832, -3.3816, -0.9994, -0.7155]),
    "base, heun": (125, [-2.1741, 0.1843, -1.6785, -0.1924, 0.6881, -2.1904, -1.9999, -0.5796, -0.6086]),
    "base, heun, turned away": (125, [-0.8391, 0.4264, -2.1986, -0.4396, 0.5031, -3.2844, -1.0429]),
    "base, own times": (125, [-2.7109, -0.3408, -1.7978, 0.3328, 0.5334, -1.9887, -1.1151, -0.8960]),
    "turbo, smooth": (125, [-2.3393, -0.4089, -1.5336, 0.1886, 0.5729, -2.1288, -0.8734, -0.5218, -1.4566]),
    "base, held": (125, [-1.3546, -0.5628, -1.5456, 0.0458, -0.2845, -1.4007, -1.6140, 0.0621, -0.5220]),
    "base, fresh noise": (125, [-2.0941, 0.7013, 0.6000, -0.2852, -0.4879, -2.6163, 0.4776, -0.9984]),
    "base, repaint": (150, [-0.8840, -0.3691, -0.8834, -0.7993, 0.4595, -1.9996, -1.2633, -0.8555]),
    "base, cover, half": (150, [-1.1219, 0.3910, -1.3083, -0.5825, 0.5884, -1.7902, -1.7837, -0.2341]),
    "lego": (150, [-0.8840, -0.3691, -0.8831, -0.7907, 1.2650, -1.5297, -0.6102, -0.3941, -0.4401]),
    "extract": (150, [-0.5911, 0.8568, -0.9946, -1.8099, 1.1944, -1.5947, -1.0765, -0.3537, -0.3451]),
    "complete": (150, [-0.6124, 0.8118, -1.0397, -1.7763, 1.1978, -1.5615, -1.0370, -0.3215, -0.3260]),
    "XL turbo": (125, [-0.0902, -1.7656, -0.9276, 0.9520, 0.5823, -2.0294, -1.2648, 0.2432, 1.3685]),
    "XL base": (125, [-0.1604, -1.4868, -0.1008, 1.0659, -0.4386, -2.5211, -1.9768, 0.5957, 2.6679]),
}
# fmt: on


@pytest.fixture(autouse=True)
def upstreams_resampler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream resamples by torchaudio, we by soxr; here the networks are compared, not those two."""

    def samples(path: Path, rate: int) -> np.ndarray:
        sound, own = soundfile.read(path, dtype="float32", always_2d=True)
        return torchaudio.functional.resample(torch.from_numpy(sound.T), own, rate).numpy()

    monkeypatch.setattr(decoding, "samples", samples)


@pytest.fixture(scope="module")
def fresh(turbo: Path, folder: Path) -> AceStepEngine:
    """One whose key pool nobody else has used."""
    return start(turbo, folder)


@pytest.fixture(scope="module")
def xl_turbo(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AceStepEngine:
    return xl(folder, tmp_path_factory.mktemp("xl") / "acestep-v15-xl-turbo", turbo=True)


@pytest.fixture(scope="module")
def xl_base(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AceStepEngine:
    return xl(folder, tmp_path_factory.mktemp("xl") / "acestep-v15-xl-base", turbo=False)


def xl(folder: Path, place: Path, *, turbo: bool) -> AceStepEngine:
    pipeline(turbo=turbo, xl=True).save_pretrained(place)
    return start(place, folder)


def ask(case: str, folder: Path):
    """The song of a case, its source written as an upload."""
    fields = dict(CASES[case][1])
    if fields.pop("src", False):
        data = source()
        fields["source_audio"] = hashlib.sha256(data).hexdigest()
        (folder / "upload").mkdir(exist_ok=True)
        (folder / "upload" / fields["source_audio"]).write_bytes(data)
    return song(7, job=case, lyrics=LYRICS, **fields)


@pytest.mark.parametrize("network", ["turbo", "base", "xl_turbo", "xl_base"])
def test_all_of_a_network_in_one_pack_are_what_upstream_makes_of_each(network, request, folder):
    engine = request.getfixturevalue({"turbo": "fresh", "base": "base_engine"}.get(network, network))
    cases = [case for case, (own, _) in CASES.items() if own == network]
    states = [engine.admit(ask(case, folder)) for case in cases]
    while waiting := [state for state in states if not state.done]:
        engine.step(waiting)
    for case, state in zip(cases, states, strict=True):
        count, figures = EXPECTED[case]
        made = state.sampler.finish(state.latents)
        assert made.shape[0] == count, case
        found = made.flatten()[::53][: len(figures)].numpy()
        assert np.abs(found - figures).max() < 2e-4, (case, found)
    assert len(engine.built.pool._taken) == 1, "every song gave its keys back"


def test_a_case_is_the_same_alone_and_in_company(engine, folder):
    songs = [
        ask(case, folder) for case in ("turbo, heun, held", "cover, half", "repaint", "turbo, fresh noise")
    ]
    for packed, one in zip(together(engine, songs), songs, strict=True):
        assert difference(packed, alone(engine, one)) < 1e-6


def test_a_cover_that_loses_its_place_goes_on_where_it_was(fresh, folder):
    """Left out of a step it loses its keys, before or after it turned to the words alone."""
    engine = fresh
    one, other = ask("cover, half", folder), song(2, duration=9.0)
    wanted = alone(engine, one)
    for pause in (1, 3):
        state, passing = engine.admit(one), engine.admit(other)
        for _ in range(pause):
            engine.step([state])
        while not passing.done:
            engine.step([passing])
        while not state.done:
            engine.step([state])
        assert difference(state.latents, wanted) < 1e-6
    engine.step([])
    assert len(engine.built.pool._taken) == 1
