"""Each variant's own schedule and guidance, and what it cannot do refused by name."""

from __future__ import annotations

import pytest
import torch

from tasks.engines.acestep.plan.sampling import plan_sampling
from tasks.engines.acestep.plan.schedule import own_times, turbo_times_of
from tasks.engines.capabilities import of_variant
from tasks.engines.models import recognise
from tasks.jobs import JobRequest

TURBO = recognise("acestep-v15-turbo", {"is_turbo": True})
BASE = recognise("acestep-v15-base", {"is_turbo": False})

# shift -> the eight times of upstream's own table
TABLE = {
    1.0: [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125],
    2.0: [1, 0.933333, 0.857143, 0.769231, 0.666667, 0.545455, 0.4, 0.222222],
    3.0: [1, 0.954545, 0.9, 0.833333, 0.75, 0.642857, 0.5, 0.3],
}


def sampling(variant, dtype=torch.float32, **fields):
    return plan_sampling(JobRequest(prompt="A calm song", **fields), variant, dtype)


@pytest.mark.parametrize("shift", TABLE)
def test_turbo_times_are_upstreams_table(shift):
    assert turbo_times_of(8, shift, torch.float32)[:-1] == pytest.approx(TABLE[shift], abs=1e-6)


def test_each_variant_has_its_own_shift_steps_and_guidance():
    turbo, base = sampling(TURBO), sampling(BASE)
    assert (turbo.count, base.count) == (8, 50)
    assert [step.time for step in turbo.steps] == pytest.approx(TABLE[3.0], abs=1e-6)
    assert base.steps[1].time == pytest.approx(0.98), "shift 1"
    assert (turbo.guidance, base.guidance.scale) == (None, 7.0)
    assert (turbo.dcw.mode, base.dcw) == ("double", None)
    assert sampling(recognise("acestep-v15-turbo-shift1", {})).steps[1].time == 0.875


def test_times_are_rounded_as_the_network_computes():
    assert sampling(TURBO, torch.bfloat16).steps[1].time == 0.953125
    assert sampling(BASE, torch.bfloat16, steps=3).steps[1].time == 0.66796875


def test_times_of_ones_own_are_snapped_for_turbo_alone():
    assert own_times((0.97, 0.5, 0.0), torch.float64, turbo=False) == (0.97, 0.5, 0.0)
    snapped = own_times((0.97, 0.955, 0.5), torch.float64, turbo=True)
    assert snapped == pytest.approx((0.954545, 0.5, 0.0), abs=1e-6), "each time once"


def test_a_strength_that_is_nothing_is_no_correction():
    assert sampling(TURBO, dcw="off").dcw is None
    assert sampling(TURBO, dcw_scaler=0.0, dcw_high_scaler=0.0).dcw is None
    assert sampling(BASE, dcw="low").dcw.strengths(0.5) == (0.025, 0.0, 0.0)
    assert sampling(BASE, dcw_scaler=0.1).dcw.strengths(0.4) == pytest.approx((0.04, 0.012, 0.0))


REFUSED = [
    (TURBO, {"guidance_scale": 7.0}, "guidance_scale"),
    (TURBO, {"guidance_mode": "adg"}, "guidance_mode"),
    (TURBO, {"cfg_interval_end": 0.5}, "cfg_interval_end"),
    (TURBO, {"steps": 21}, "steps"),
    (TURBO, {"task_type": "extract", "source_audio": "0" * 64}, "task_type"),
    (recognise("acestep-v15-sft", {}), {"task_type": "lego", "source_audio": "0" * 64}, "task_type"),
    (BASE, {"global_caption": "A rock song"}, "global_caption"),
    (BASE, {"vocal_language": "xx"}, "vocal_language"),
    (BASE, {"repaint_start": 1.0}, "repaint_start"),
    (BASE, {"track": "drums"}, "track"),
]


@pytest.mark.parametrize(("variant", "fields", "named"), REFUSED)
def test_what_a_checkpoint_cannot_do_is_refused_by_name(variant, fields, named):
    request = JobRequest(prompt="A calm song", **fields)
    assert [refusal.field for refusal in of_variant(variant).refusals(request)] == [named]


def test_what_it_can_is_not():
    assert not list(
        of_variant(BASE).refusals(JobRequest(prompt="A calm song", guidance_scale=3.0, steps=200))
    )
    assert not list(of_variant(TURBO).refusals(JobRequest(prompt="A calm song", guidance_scale=1.0)))
