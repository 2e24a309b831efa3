from __future__ import annotations

import pytest

from web.api.acestep import translate
from web.request.problems import Problem


def test_their_defaults_hold_where_a_client_says_nothing():
    wanted = translate({"prompt": "upbeat pop song"})
    assert (wanted.variations, wanted.format, wanted.seed) == (2, "mp3", None)


@pytest.mark.parametrize("name", ["prompt", "caption", "description", "sample_query"])
def test_the_description_has_many_names(name):
    assert translate({name: "upbeat pop song"}).prompt == "upbeat pop song"


def test_all_that_has_a_counterpart_is_translated():
    wanted = translate(
        {
            "caption": "jazz piano trio",
            "lyrics": "[verse]\nla la",
            "audioDuration": 30,
            "bpm": 120,
            "keyScale": "Am",
            "timesignature": "6",
            "vocal_language": "zh",
            "inference_steps": 8,
            "guidance_scale": 7.0,
            "shift": 3.0,
            "use_random_seed": False,
            "seed": 42,
            "batch_size": 1,
            "audio_format": "flac",
            "thinking": True,
            "lm_temperature": 0.85,
        }
    )
    assert wanted.model_dump(exclude_unset=True) == {
        "prompt": "jazz piano trio",
        "lyrics": "[verse]\nla la",
        "duration": 30.0,
        "bpm": 120,
        "key_scale": "A minor",
        "time_signature": "6/8",
        "vocal_language": "zh",
        "steps": 8,
        "guidance_scale": 7.0,
        "shift": 3.0,
        "seed": 42,
        "variations": 1,
        "format": "flac",
    }


def test_a_random_seed_is_ours_to_draw():
    assert translate({"prompt": "pop song", "seed": 42}).seed is None
    assert translate({"prompt": "pop song", "seed": -1, "use_random_seed": False}).seed is None


def test_paths_on_the_server_are_refused():
    with pytest.raises(Problem) as caught:
        translate({"prompt": "pop song", "src_audio_path": "/etc/passwd"})
    assert caught.value.kind.status == 422


def test_what_is_out_of_range_is_refused_by_our_name():
    with pytest.raises(Problem) as caught:
        translate({"prompt": "pop song", "audio_duration": 5_000})
    assert caught.value.extra["errors"][0]["field"] == "duration"
