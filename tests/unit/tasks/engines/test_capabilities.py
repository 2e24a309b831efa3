"""What an engine cannot honour is named, field by field, whatever the field."""

from __future__ import annotations

import pytest

from tasks.engines.capabilities import ACE_STEP, COMMON, SKETCH, TASKS_OF
from tasks.jobs import JobRequest

UPLOAD = "0" * 64
GIVEN = {
    "audio_codes": tuple(range(25)),
    "loras": ({"name": "choir"},),
    "reference_audio": UPLOAD,
    "retake_seed": 5,
    "timesteps": (1.0, 0.5),
    "vocal_language": "en",
    "track": "drums",
    "lora": "choir",
    "global_caption": "A rock song",
    "bpm": 90,
    "key_scale": "A minor",
    "time_signature": "3/4",
}
WITH = {
    "retake_seed": {"retake_variance": 0.5},
    "repaint_strength": {"repaint_mode": "balanced"},
    "audio_cover_strength": {"task_type": "cover", "source_audio": UPLOAD},
}


def values() -> dict[str, object]:
    """One value for every field of a request that is not common to all engines."""
    found = dict(GIVEN)
    for name, schema in JobRequest.model_json_schema()["properties"].items():
        if name in COMMON or name in found or name == "source_audio":
            continue
        kind = next((k for k in schema.get("anyOf", [schema]) if k.get("type") != "null"), {})
        found[name] = kind["enum"][0] if "enum" in kind else 1 if kind.get("type") == "integer" else 0.5
    return found


@pytest.mark.parametrize("name", values())
def test_every_field_that_sketch_does_not_honour_is_refused(name):
    request = JobRequest(prompt="A calm song", **{name: values()[name]}, **WITH.get(name, {}))
    named = {refusal.field for refusal in SKETCH.refusals(request)}
    assert (name in named) == (name not in SKETCH.fields)
    wanted = TASKS_OF.keys() & {name, *WITH.get(name, {})}
    assert {refusal.field for refusal in ACE_STEP.refusals(request)} == wanted


def test_sketch_makes_music_from_text_alone():
    request = JobRequest(prompt="A calm song", task_type="cover", source_audio=UPLOAD)
    assert {refusal.field for refusal in SKETCH.refusals(request)} == {"task_type", "source_audio"}
    plain = JobRequest(
        prompt="A calm song", bpm=90, lyrics="[verse]\n[chorus]", seed=3, variations=2, format="mp3"
    )
    assert not list(SKETCH.refusals(plain))
    assert not SKETCH.sings
    assert ACE_STEP.sings


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"audio_cover_strength": 0.5}, "audio_cover_strength"),
        ({"dcw": "off", "dcw_scaler": 0.1}, "dcw_scaler"),
        ({"dcw": "low", "dcw_high_scaler": 0.1}, "dcw_high_scaler"),
        ({"guidance_scale": 1.0, "guidance_mode": "adg"}, "guidance_mode"),
        ({"guidance_scale": 0.5, "cfg_interval_end": 0.5}, "cfg_interval_end"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_another_field_leaves_without_effect_is_refused(given: dict, field: str) -> None:
    assert [refusal.field for refusal in ACE_STEP.refusals(JobRequest(prompt="A calm song", **given))] == [
        field
    ]
    for name in given.keys() - {field}:
        assert not list(ACE_STEP.refusals(JobRequest(prompt="A calm song", **{name: given[name]})))
