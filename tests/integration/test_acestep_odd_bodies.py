"""Bodies that no client sends on purpose: honoured, said or refused, but never taken for something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_acestep_api import CHAT, CODES, WAV, real_model, release
from tests.servers.web import Web, in_app

PLAIN = {"prompt": "a plain tone", "audio_duration": 10, "batch_size": 1}
FORM = {name: str(value) for name, value in PLAIN.items()}
SECOND = ("second.wav", WAV, "audio/wav")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"prompt": ["a", "plain", "tone"]}, "prompt"),
        ({"prompt": {"text": "a plain tone"}}, "prompt"),
        ({"prompt": True}, "prompt"),
        ({"lyrics": ["la", "la"]}, "lyrics"),
        ({"inference_steps": [8]}, "inference_steps"),
        ({"thinking": ["yes"]}, "thinking"),
        ({"metas": '{"bpm": 90'}, "metas"),
        ({"metas": [90]}, "metas"),
        ({"param_obj": "bpm=90"}, "param_obj"),
        ({"user_metadata": 90}, "user_metadata"),
        ({"src_audio": "data:audio/wav;base64,AAAA"}, "src_audio"),
        ({"reference_audio": "/srv/a.wav"}, "reference_audio"),
        ({"audio_codes": [1]}, "audio_code_string"),
        ({"use_random_seed": False, "seed": 2**40}, "seed"),
        ({"use_random_seed": False, "seed": "1.5"}, "seed"),
        ({"use_random_seed": False, "seed": [-7]}, "seed"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(
    tmp_path: Path, fields: dict[str, Any], name: str
) -> None:
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/release_task", json=PLAIN | fields)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == name
        assert ("characters" in answer.text) is False  # lists are counted, not spelt
        assert web.ledger.views.page().jobs == []

    in_app(tmp_path, scenario, **real_model())


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"seed": 42}, "seed: it counts only"),
        ({"use_random_seed": False, "seed": "a,5"}, "seed: 'a' is no number"),
        ({"use_random_seed": False, "seed": "5,6"}, "seed: 2 seeds for 1 songs"),
        ({"use_random_seed": "maybe"}, "use_random_seed: 'maybe' is neither"),
        ({"bpm": True}, "bpm: 'True' is no number"),
        ({"metas": {"bpm": 90, "style": "jazz"}}, "style: no fields"),
        ({"metas": {"bpm": 90}, "metadata": {"keyscale": "C major"}}, "metadata: it has no effect"),
        ({"repainting_start": 5}, "repainting_start: it has no effect on text2music"),
        ({"repaint_mode": "aggressive"}, "repaint_mode: it has no effect"),
        ({"track_name": "drums"}, "track_name: it has no effect"),
        ({"instruments": ["drums"]}, "track_classes: it has no effect"),
        ({"sample_mode": True}, "sample_mode: the language model is not here, so the prompt"),
        ({"prompt": "", "sample_mode": True, "thinking": True}, "thinking: the language model"),
    ],
)
def test_what_has_no_effect_is_said(tmp_path: Path, fields: dict[str, Any], note: str) -> None:
    async def scenario(web: Web) -> None:
        _, notes, _ = await release(web, PLAIN | fields)
        assert any(said.startswith(note) for said in notes), notes

    in_app(tmp_path, scenario, **real_model())


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": -1, "use_random_seed": True},
        {"seed": "-1", "use_random_seed": "false"},
        {"metas": "", "param_obj": None, "src_audio": "", "repainting_start": 0.0, "repainting_end": -1},
        {"track_name": "", "track_classes": [], "chunk_mask_mode": "auto", "repaint_strength": "0.5"},
        {"metas": {"bpm": "N/A", "genres": "N/A", "keyscale": "N/A", "timesignature": "N/A"}},
    ],
)
def test_what_is_done_anyway_needs_no_word(tmp_path: Path, fields: dict[str, Any]) -> None:
    async def scenario(web: Web) -> None:
        _, notes, _ = await release(web, PLAIN | fields)
        assert [note for note in notes if not note.startswith("bpm: 'N/A'")] == []

    in_app(tmp_path, scenario, **real_model())


def test_songs_without_a_seed_of_their_own_get_one_by_chance(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        wish = PLAIN | {"use_random_seed": False, "seed": "1,2", "batch_size": 4}
        wanted, _, _ = await release(web, wish)
        assert wanted["variations"] == 4
        assert wanted["seeds"][:2] == (1, 2)
        assert len(set(wanted["seeds"])) == 4
        coded, _, _ = await release(web, PLAIN | {"audio_codes": list(range(30))})
        assert coded["audio_codes"] == (await release(web, PLAIN | {"audio_codes": CODES}))[0]["audio_codes"]

    in_app(tmp_path, scenario, **real_model())


def test_a_kept_example_is_taken_whole(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        wanted, _, _ = await release(web, {"sample_mode": True})
        assert wanted["duration"] != 120 or wanted["bpm"]
        assert wanted["bpm"]
        assert wanted["key_scale"]
        own, _, _ = await release(web, {"sample_mode": True, "bpm": 77, "audio_duration": 9})
        assert (own["bpm"], own["duration"]) == (77, 9)

    in_app(tmp_path, scenario, **real_model())


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ([("reference_audio", ("a.wav", b"", "audio/wav"))], "reference_audio"),
        ([("src_audio", ("a.wav", WAV, "audio/wav")), ("ctx_audio", SECOND)], "ctx_audio"),
        ([("stems", ("a.wav", WAV, "audio/wav"))], "stems"),
    ],
)
def test_files_that_would_be_lost_are_refused(tmp_path: Path, files: list[Any], name: str) -> None:
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/release_task", data=FORM | {"task_type": "cover"}, files=files)
        assert answer.status_code == 422, answer.text
        assert name in answer.json()["detail"]
        assert web.ledger.views.page().jobs == []

    in_app(tmp_path, scenario, **real_model())


@pytest.mark.parametrize("task", ["cover", "cover-nofsq", "repaint", "lego", "extract", "complete"])
def test_each_task_by_multipart(tmp_path: Path, task: str) -> None:
    async def scenario(web: Web) -> None:
        files = {"src_audio": ("a.wav", WAV, "audio/wav")}
        extra = {"track_name": "drums", "track_classes": "drums,bass", "metas": '{"bpm": "90"}'}
        wanted, _, _ = await release(web, FORM | {"task_type": task} | extra, files=files)
        assert (wanted["task_type"], wanted["bpm"]) == (task, 90)
        assert wanted["source_audio"]

    in_app(tmp_path, scenario, **real_model())


def test_text_is_read_as_it_was_written(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        urlencoded = {"content-type": "application/x-www-form-urlencoded"}

        async def post(content: bytes, kind: str) -> tuple[int, str]:
            headers = {"content-type": kind}
            answer = await web.client.post("/release_task", content=content, headers=headers)
            jobs = web.ledger.views.page().jobs
            return answer.status_code, jobs[0].request.prompt if jobs else ""

        assert (await post(b"prompt=caf%E9+music", urlencoded["content-type"]))[0] == 400
        assert (await post(b"prompt=caf\xe9+music", urlencoded["content-type"]))[0] == 400
        assert (await post(b"prompt=one+song&prompt=two+songs", urlencoded["content-type"]))[0] == 422
        latin = "application/x-www-form-urlencoded; charset=iso-8859-1"
        assert await post(b"prompt=caf\xe9+music", latin) == (200, "café music")
        marked = "\ufeff" + json.dumps({"prompt": "naïve music"})
        assert await post(marked.encode(), "application/json") == (200, "naïve music")

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"messages": [{"role": "user", "content": 5}]}, "messages"),
        ({"messages": [{"role": "user", "content": {"text": "a tone"}}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ["a"]}]}]}, "messages"),
        ({"audio_config": "mp3"}, "audio_config"),
        ({"instruction": "make it weird"}, "instruction"),
        ({"task_type": "cover-nofsq"}, "src_audio"),
    ],
)
def test_chats_that_cannot_be_followed(tmp_path: Path, fields: dict[str, Any], word: str) -> None:
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/v1/chat/completions", json=CHAT | {"model": None} | fields)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == word

    in_app(tmp_path, scenario, **real_model())


def test_nothing_is_trained_and_nothing_is_promised(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        for method, path in (("POST", "/v1/training/start"), ("GET", "/v1/dataset/samples"),
                             ("PUT", "/v1/dataset/sample/3")):  # fmt: skip
            answer = await web.client.request(method, path, json={})
            assert answer.status_code == answer.json()["code"] == 404
            assert "trained" in answer.json()["error"]
        chosen = await web.client.post("/v1/lora/load", json={"lora_path": "warm-tape"})
        assert chosen.json()["errors"][0]["field"] == "lora_path"  # the sketch engine takes none
        await release(web, PLAIN)  # nor is a song refused for it later
        wrong = await web.client.post("/query_result", json={"task_id": "a_1"})
        assert wrong.json()["errors"][0]["field"] == "task_id_list"

    in_app(tmp_path, scenario)
