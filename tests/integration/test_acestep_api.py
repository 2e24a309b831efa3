"""ACE-Step's own API, asked as its known clients ask: their shapes, our words, a real ledger and store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.storage.folders import located
from tests.servers.player import Player, tone
from tests.servers.web import Web, in_app

WAV = tone(6)
DIGEST = hashlib.sha256(WAV).hexdigest()
ENCODED = base64.b64encode(WAV).decode()


def real_model(**values: Any) -> dict[str, Any]:
    """Settings of a server whose model can do every task; no worker is started."""
    return {"engine": "tests.engines:Tone"} | values


# What each client sends, as its own code builds it.
SHELL = {
    "prompt": "warm piano and strings", "lyrics": "", "sample_query": "", "thinking": True,
    "use_format": False, "use_cot_caption": True, "use_cot_language": False, "vocal_language": "en",
    "audio_format": "mp3", "use_random_seed": True, "audio_duration": 30, "bpm": 90, "batch_size": 1,
    "inference_steps": 8, "key_scale": "C Major", "time_signature": "4",
}  # fmt: skip
SHELL_RANDOM = {
    "prompt": "", "lyrics": "", "sample_query": "", "sample_mode": True, "thinking": True,
    "vocal_language": "en", "audio_format": "mp3", "use_random_seed": True,
}  # fmt: skip
DAW = {
    "prompt": "drum loop", "lyrics": "", "audio_duration": "8", "bpm": "120", "key_scale": "A minor",
    "time_signature": "4", "inference_steps": "8", "guidance_scale": "7", "shift": "3", "batch_size": "1",
    "audio_format": "wav", "thinking": "false", "seed": "-1", "use_random_seed": "true",
    "use_cot_caption": "false", "vocal_language": "en", "audio_cover_strength": "1", "negative_prompt": "",
}  # fmt: skip
DAW_LEGO = DAW | {
    "task_type": "lego", "track_name": "drums", "global_caption": "a folk song", "repainting_start": "0",
    "repainting_end": "6", "instruction": "Generate the DRUMS track based on the audio context:",
    "sample_mode": "false", "use_format": "false", "chunk_mask_mode": "auto",
}  # fmt: skip
PLUGIN = {
    "prompt": "a soft pad", "lyrics": "", "task_type": "text2music", "audio_duration": 12, "batch_size": 1,
    "audio_format": "wav", "thinking": False, "use_random_seed": False, "seed": 77, "inference_steps": 8,
    "guidance_scale": 7.0,
}  # fmt: skip
WRANGLER = {
    "prompt": "indie folk, key of C major, 96 BPM, 4/4 time", "lyrics": "[Verse]\nla la", "shift": 3.0,
    "audio_duration": 60.0, "guidance_scale": 7.0, "inference_steps": 8, "batch_size": 2, "seed": "11,22",
    "use_random_seed": False, "infer_method": "ode", "audio_format": "mp3", "audio_guidance_scale": 1.0,
    "use_adg": False, "cfg_interval_start": 0.0, "cfg_interval_end": 1.0, "thinking": False,
    "task_type": "text2music",
}  # fmt: skip


async def release(web: Web, given: dict[str, Any], **how: Any) -> tuple[dict[str, Any], list[str], Any]:
    """The job's request, the notes of the answer, and the answer."""
    answer = await web.client.post("/release_task", **({"json": given} if not how else {"data": given} | how))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["code"], body["error"]) == (200, None)
    job = web.ledger.views.get(body["data"]["task_id"])
    assert job is not None
    return job.request.model_dump(exclude_unset=True), (body["extra"] or {}).get("notes", []), body


def test_the_command_line_client(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        wanted, notes, body = await release(web, SHELL)
        assert (wanted["duration"], wanted["bpm"], wanted["key_scale"]) == (30, 90, "C Major")
        assert any(note.startswith("thinking:") for note in notes)
        task = body["data"]["task_id"]
        (row,) = (await web.client.post("/query_result", json={"task_id_list": [task]})).json()["data"]
        assert row["status"] == 0
        Player.register(web.ledger, web.settings).play(task)
        (row,) = (await web.client.post("/query_result", json={"task_id_list": [task]})).json()["data"]
        assert row["status"] == 1
        (item,) = json.loads(row["result"])
        assert (item["metas"]["bpm"], item["metas"]["keyscale"], item["metas"]["duration"]) == (
            90,
            "C Major",
            30,
        )
        assert item["metas"]["genres"] == "N/A"
        got = await web.client.get(item["file"])
        head = await web.client.head(item["file"])
        assert len(got.content) == int(head.headers["content-length"]) > 1000
        assert head.content == b""

    in_app(tmp_path, scenario)


def test_its_random_mode_takes_a_kept_example(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        wanted, notes, _ = await release(web, SHELL_RANDOM)
        assert len(wanted["prompt"]) > 5
        assert any(note.startswith("sample_mode:") for note in notes)
        wanted, notes, _ = await release(web, SHELL_RANDOM | {"sample_query": "a polka for two"})
        assert wanted["prompt"] == "a polka for two"

    in_app(tmp_path, scenario)


def test_the_daw_sends_text_and_files(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        file = {"src_audio": ("src.wav", WAV, "audio/wav")}
        wanted, notes, _ = await release(web, DAW, files=file)
        assert (wanted["duration"], wanted["variations"], wanted["format"]) == (8, 1, "wav")
        assert "source_audio" not in wanted
        assert any(note.startswith("src_audio:") for note in notes)
        assert any("negative_prompt" in note for note in notes)
        wanted, _, _ = await release(web, DAW_LEGO, files=file)
        assert (wanted["task_type"], wanted["track"]) == ("lego", "drums")
        assert (wanted["repaint_start"], wanted["repaint_end"]) == (0, 6)
        assert wanted["source_audio"] == DIGEST
        assert (web.settings.upload_path / DIGEST).read_bytes() == WAV
        assert not list(web.settings.upload_path.glob("*.tmp"))

    in_app(tmp_path, scenario, **real_model())


def test_the_plugin_reads_the_envelope(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        health = (await web.client.get("/health")).json()
        assert health["data"]["status"] == "ok"
        assert health["status"] == "degraded"  # ours, with no worker
        wanted, _, _ = await release(web, PLUGIN)
        assert (wanted["seed"], wanted["steps"], wanted["duration"]) == (77, 8, 12)
        refused = await web.client.post(
            "/release_task", json=PLUGIN | {"audio_code_string": "<|audio_code_1|>"}
        )
        document = refused.json()
        assert refused.status_code == document["code"] == 422
        assert document["error"] == document["detail"]
        assert document["errors"][0]["field"] == "audio_code_string"

    in_app(tmp_path, scenario, **real_model())


def test_wrangler_asks_for_a_seed_each(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        wanted, notes, _ = await release(web, WRANGLER)
        assert wanted["seeds"] == (11, 22)
        assert any("audio_guidance_scale" in note for note in notes)
        models = (await web.client.get("/v1/models")).json()
        assert models["data"][0]["id"].rpartition("/")[2] == models["models"][0]["name"] == "sketch"
        with_model, _, _ = await release(web, WRANGLER | {"model": models["data"][0]["id"]})
        assert with_model["prompt"] == WRANGLER["prompt"]

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"src_audio_path": "/srv/a.wav"}, "src_audio_path"),
        ({"srcAudioPath": "/srv/a.wav", "task_type": "cover"}, "src_audio_path"),
        ({"sourceAudioPath": "a.wav", "taskType": "repaint"}, "src_audio_path"),
        ({"ctxAudioPath": "a.wav", "task_type": "lego"}, "src_audio_path"),
        ({"refAudioPath": "/etc/passwd"}, "reference_audio_path"),
        ({"task_type": "cover"}, "src_audio"),
        ({"task_type": "stem_separation"}, "task_type"),
        ({"instruction": "Make it weird:"}, "instruction"),
        ({"analysisOnly": True}, "analysis_only"),
        ({"extract_codes_only": "1"}, "extract_codes_only"),
        ({"audio_codes": "<|audio_code_5|>"}, "audio_code_string"),
        ({"audio_format": "aac"}, "audio_format"),
        ({"model": "acestep-v15-xl-base"}, "model"),
        ({"audio_duration": 6000}, "audio_duration"),
        ({"bpm": 500}, "bpm"),
        ({"time_signature": "7"}, "time_signature"),
        ({"key_scale": "H dur"}, "key_scale"),
        ({"prompt": "", "lyrics": ""}, "prompt"),
    ],
)
def test_what_would_change_the_song_is_refused_by_its_name(
    tmp_path: Path, fields: dict[str, Any], name: str
) -> None:
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/release_task", json={"prompt": "a plain tone"} | fields)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == name
        assert web.ledger.views.page().jobs == []

    in_app(tmp_path, scenario, **real_model())


CODES = "".join(f"<|audio_code_{number}|>" for number in range(30))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"task_type": "cover"}, "task_type"),
        ({"infer_method": "sde"}, "infer_method"),
        ({"use_adg": "yes"}, "use_adg"),
        ({"cfg_interval_start": "0.2"}, "cfg_interval_start"),
        ({"audio_cover_strength": 0.4}, "audio_cover_strength"),
        ({"coverNoiseStrength": "0.1"}, "cover_noise_strength"),
        ({"timesteps": [1, 0.5, 0.1]}, "timesteps"),
        ({"audioCodeString": CODES}, "audio_code_string"),
        ({"inference_steps": 12}, "inference_steps"),
        ({"vocal_language": "fr"}, "vocal_language"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_their_name(
    tmp_path: Path, fields: dict[str, Any], name: str
) -> None:
    async def scenario(web: Web) -> None:
        plain = {"prompt": "a plain tone", "inference_steps": 8, "guidance_scale": 7.0, "shift": 3.0}
        assert (await web.client.post("/release_task", json=plain)).status_code == 200  # nobody chose these
        answer = await web.client.post("/release_task", json=plain | fields)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == name
        assert len(web.ledger.views.page().jobs) == 1

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"audio_duration": -1}, {"duration": 120}),
        ({"target_duration": "0"}, {"duration": 120}),
        ({"audio_duration": None, "duration": 20}, {"duration": 20}),
        ({"bpm": 0}, {"bpm": None}),
        ({"bpm": "ninety"}, {"bpm": None}),
        ({"inference_steps": 8.0}, {"steps": 8}),
        ({"batch_size": 20}, {"variations": 8}),
        ({"batch_size": "0"}, {"variations": 1}),
        ({}, {"variations": 2, "format": "mp3", "vocal_language": "en"}),
        ({"metas": {"bpm": 77, "keyscale": "Am"}}, {"bpm": 77, "key_scale": "A minor"}),
        ({"metas": '{"timesignature": "6"}'}, {"time_signature": "6/8"}),
        ({"user_metadata": {"bpm": 70}, "bpm": 80}, {"bpm": 80}),
        ({"param_obj": '{"duration": 33}', "metas": {"duration": 44}}, {"duration": 33}),
        ({"use_random_seed": "false", "seed": "-1, x, 5"}, {"seed": 5}),
        ({"use_random_seed": False, "seed": "1,2,3", "batch_size": 2}, {"seeds": (1, 2)}),
        ({"prompt": "pop"}, {"prompt": "pop music"}),
        ({"prompt": "", "lyrics": "[verse]\nla"}, {"prompt": "a song", "lyrics": "[verse]\nla"}),
        ({"language": "unknown"}, {"vocal_language": None}),
        ({"instruction": "Fill the audio semantic mask based on the given conditions:"}, {}),
        ({"repaint_mode": "aggressive"}, {"repaint_mode": None}),  # it has no effect on text2music
        ({"infer_method": "sde", "use_adg": 1}, {"infer_method": "sde", "guidance_mode": "adg"}),
        ({"audio_codes": CODES}, {"audio_codes": tuple(range(30))}),
        ({"timesteps": "1, 0.5, 0.1"}, {"timesteps": (1.0, 0.5, 0.1)}),
        ({"audio_cover_strength": 1}, {"audio_cover_strength": None}),
    ],
)
def test_lenient_values(tmp_path: Path, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    async def scenario(web: Web) -> None:
        wanted, _, _ = await release(web, {"prompt": "a plain tone"} | fields)
        assert {name: wanted.get(name) for name in expected} == expected

    in_app(tmp_path, scenario, **real_model())


def test_bodies_of_every_kind(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        text = json.dumps({"prompt": "a plain tone", "bpm": 80})
        kinds: list[dict[str, Any]] = [
            {"content": text, "headers": {"content-type": "application/json; charset=utf-8"}},
            {"content": text, "headers": {"content-type": "application/vnd.daw+json"}},
            {"content": text},
            {"content": text, "headers": {"content-type": "text/plain"}},
            {"data": {"prompt": "a plain tone", "bpm": "80"}},
            {"files": {"prompt": (None, "a plain tone"), "bpm": (None, "80")}},
        ]
        for kind in kinds:
            answer = await web.client.post("/release_task", **kind)
            assert answer.status_code == 200, (kind, answer.text)
            job = web.ledger.views.get(answer.json()["data"]["task_id"])
            assert job
            assert job.request.bpm == 80
        strange = await web.client.post(
            "/release_task", content="<xml/>", headers={"content-type": "text/xml"}
        )
        assert strange.status_code == 415
        many = await web.client.post("/release_task", files={f"f{n}": ("a.wav", WAV) for n in range(9)})
        assert many.status_code == 400
        other = await web.client.post(
            "/release_task", files={"stems": ("a.wav", WAV)}, data={"prompt": "a tone"}
        )
        assert other.status_code == 422

    in_app(tmp_path, scenario)


def test_a_body_has_a_limit(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        big = {"src_audio": ("a.wav", b"x" * 1_500_000)}
        answer = await web.client.post("/release_task", files=big, data={"prompt": "a plain tone"})
        assert answer.status_code == 413
        assert not web.settings.upload_path.exists()

    in_app(tmp_path, scenario, max_body_megabytes=1)


def test_what_is_served(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        known = (await web.client.get("/v1/model_inventory")).json()["data"]
        assert known["models"] == [
            {"name": "sketch", "is_default": True, "is_loaded": False, "supported_task_types": ["text2music"]}
        ]
        assert known["llm_initialized"] is False
        init = (await web.client.post("/v1/init", json={"model": "sketch", "slot": 1})).json()
        assert (init["code"], init["data"]["loaded_model"]) == (200, "sketch")
        for wish in ({"model": "other"}, {"slot": 2}, {"init_llm": True}):
            declined = await web.client.post("/v1/init", json=wish)
            assert (declined.status_code, declined.json()["code"]) == (200, 400)
        assert (await web.client.post("/v1/reinitialize")).json()["data"]["reloaded"] == []
        task = (await release(web, PLUGIN))[2]["data"]["task_id"]
        Player.register(web.ledger, web.settings).play(task)
        stats = (await web.client.get("/v1/stats")).json()["data"]
        assert stats["jobs"]["succeeded"] == stats["jobs"]["total"] == 1
        assert stats["avg_job_seconds"] >= 0
        cover = await web.client.post("/release_task", json=PLUGIN | {"task_type": "cover"})
        assert cover.json()["errors"][0]["field"] == "task_type"  # the sketch engine has no covers

    in_app(tmp_path, scenario)


def test_an_adapter_is_its_key_s_own(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        (web.settings.lora_path / "warm-tape").mkdir(parents=True)
        mine, other = web.another(("10.0.0.1", 1)), web.another(("10.0.0.2", 1))
        assert (await mine.post("/v1/lora/toggle", json={"use_lora": True})).json()["code"] == 400
        for path in ("nobody", "/etc/pass wd", "", "../x/.."):
            assert (await mine.post("/v1/lora/load", json={"lora_path": path})).status_code == 422, path
        loaded = await mine.post("/v1/lora/load", json={"lora_path": "C:\\loras\\warm-tape.safetensors"})
        assert loaded.json()["data"]["adapter_name"] == "warm-tape"

        async def lora(client: Any) -> str | None:
            task = (await client.post("/release_task", json=PLUGIN)).json()["data"]["task_id"]
            job = web.ledger.views.get(task)
            assert job
            return job.request.lora

        assert (await lora(mine), await lora(other)) == ("warm-tape", None)
        status = (await mine.get("/v1/lora/status")).json()["data"]
        assert (status["lora_loaded"], status["use_lora"], status["active_adapter"]) == (
            True,
            True,
            "warm-tape",
        )
        assert (await other.get("/v1/lora/status")).json()["data"]["lora_loaded"] is False
        assert (await mine.post("/v1/lora/scale", json={"scale": 2})).status_code == 422
        await mine.post("/v1/lora/toggle", json={"use_lora": False})
        assert await lora(mine) is None
        await mine.post("/v1/lora/toggle", json={"use_lora": "true"})
        assert await lora(mine) == "warm-tape"
        await mine.post("/v1/lora/scale", json={"scale": 0.5})
        assert await lora(mine) is None
        newest = web.ledger.views.page().jobs[0].request
        assert [(one.name, one.scale) for one in newest.loras] == [("warm-tape", 0.5)]
        await mine.post("/v1/lora/unload", json={})
        assert await lora(mine) is None

    in_app(tmp_path, scenario, **real_model())


def test_the_language_model_s_own_endpoints(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        simple = (await web.client.post("/create_random_sample", json={"sample_type": "simple_mode"})).json()
        assert set(simple["data"]) == {"description", "instrumental", "vocal_language"}
        custom = (await web.client.post("/create_random_sample", json={"sample_type": "custom_mode"})).json()
        assert {"caption", "lyrics", "bpm", "keyscale", "timesignature"} <= set(custom["data"])
        for path, wish in (
            ("/format_input", {"prompt": "x", "lyrics": "y", "param_obj": '{"language": "en"}'}),
            ("/v1/create_sample", {"query": "a waltz"}),
        ):
            answer = await web.client.post(path, json=wish)
            assert answer.status_code == 503
            assert answer.json()["type"] == "/problems/no_language_model"

    in_app(tmp_path, scenario)


def test_keys_in_every_place(tmp_path: Path) -> None:

    async def scenario(web: Web) -> None:
        _, token = web.ledger.keys.add("ann")
        _, reader = web.ledger.keys.add("bob", ["read"])

        async def status(path: str, body: dict[str, Any], **headers: str) -> int:
            return (await web.another(**headers).post(path, json=body)).status_code

        assert await status("/release_task", PLUGIN) == 401
        assert await status("/release_task", PLUGIN, authorization=token) == 200
        assert await status("/release_task", PLUGIN, authorization=f"Bearer {token}") == 200
        assert await status("/release_task", PLUGIN | {"ai_token": token}) == 200
        assert await status("/release_task", PLUGIN | {"ai_token": "wrong"}, authorization=token) == 401
        assert await status("/release_task", PLUGIN | {"ai_token": reader}) == 403
        for path in ("/query_result", "/format_input", "/create_random_sample", "/v1/create_sample"):
            assert await status(path, {}) == 401, path
            assert await status(path, {"ai_token": token}) in {200, 503}, path
        assert await status("/v1/chat/completions", {"messages": []}) == 401
        owned = {job.owner for job in web.ledger.views.page().jobs}
        assert len(owned) == 1
        assert owned.pop().startswith("key:")

    in_app(tmp_path, scenario, keys="on")


CHAT = {
    "model": "acestep/sketch",
    "messages": [
        {"role": "system", "content": "ignored"},
        {"role": "user", "content": "<prompt>a calm piano</prompt>\n<lyrics>[verse]\nla la</lyrics>"},
    ],
    "stream": False, "thinking": True, "use_format": False, "sample_mode": False, "use_cot_caption": True,
    "use_cot_language": False, "task_type": "text2music", "seed": 5, "batch_size": 1, "guidance_scale": 7.0,
    "audio_config": {
        "format": "mp3", "vocal_language": "en", "duration": 6, "bpm": 90, "key_scale": "C major",
    },
}  # fmt: skip


SHELL_CHAT = {
    "stream": False, "thinking": True, "use_format": True, "sample_mode": False, "use_cot_caption": True,
    "use_cot_language": True, "guidance_scale": 7, "seed": 7, "batch_size": 1,
    "audio_config": {"format": "flac", "vocal_language": "en", "duration": 10, "bpm": 70},
}  # fmt: skip
SHELL_CHAT_SONG = {
    "prompt": "slow blues", "lyrics": "[verse] rain", "seed": 7, "duration": 10, "bpm": 70, "format": "flac",
}  # fmt: skip
SHELL_CHAT_RANDOM = {
    "stream": False, "sample_mode": True, "thinking": True, "audio_config": {"format": "mp3"},
}  # fmt: skip
FULL_CHAT = {
    "temperature": 0.9, "top_p": 0.9, "thinking": False, "use_cot_caption": True, "use_cot_language": False,
    "use_format": True, "audio_config": {"bpm": 85, "duration": 30, "instrumental": True},
}  # fmt: skip
FULL_CHAT_SONG = {
    "prompt": "tape hiss and drums", "lyrics": "[inst]", "bpm": 85, "duration": 30, "variations": 1,
}  # fmt: skip


async def play_next(web: Web) -> None:
    """A worker that makes the next song."""
    while not (waiting := [job for job in web.ledger.views.page().jobs if job.state == "queued"]):
        await asyncio.sleep(0.05)
    await asyncio.to_thread(Player.register(web.ledger, web.settings).play, waiting[0].id)


def test_a_chat_gets_its_song(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        answer, _ = await asyncio.gather(
            web.client.post("/v1/chat/completions", json=CHAT, timeout=60), play_next(web)
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        (choice,) = body["choices"]
        assert choice["finish_reason"] == "stop"
        url = choice["message"]["audio"][0]["audio_url"]["url"]
        kind, _, data = url.partition(";base64,")
        (job,) = web.ledger.views.page().jobs
        assert base64.b64decode(data) == located(web.settings.storage_path, job.outputs[0].name).read_bytes()
        assert kind.startswith("data:audio/")
        assert "**BPM:** 90" in choice["message"]["content"]
        assert "thinking:" in choice["message"]["content"]
        assert (job.request.prompt, job.request.lyrics, job.request.seed) == (
            "a calm piano",
            "[verse]\nla la",
            5,
        )

    in_app(tmp_path, scenario)


def test_a_chat_streams(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        answer, _ = await asyncio.gather(
            web.client.post("/v1/chat/completions", json=CHAT | {"stream": True}, timeout=60), play_next(web)
        )
        events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
        assert events[-1] == "[DONE]"
        chunks = [json.loads(event)["choices"][0] for event in events[:-1]]
        assert chunks[0]["delta"]["role"] == "assistant"
        assert [chunk["finish_reason"] for chunk in chunks][-1] == "stop"
        assert any(chunk["delta"].get("audio") for chunk in chunks)
        failed = CHAT | {"stream": True, "seed": 6}  # not the song that is there already
        task = asyncio.create_task(web.client.post("/v1/chat/completions", json=failed, timeout=60))
        while not (waiting := [job for job in web.ledger.views.page().jobs if job.state == "queued"]):
            await asyncio.sleep(0.05)
        web.ledger.submissions.cancel(waiting[0].id)
        text = (await task).text
        assert '"finish_reason":"error"' in text
        assert "Error:" in text

    in_app(tmp_path, scenario)


@pytest.mark.parametrize(
    ("message", "fields", "expected"),
    [
        ("a calm piano", {}, {"prompt": "a calm piano", "lyrics": ""}),
        ("[Verse]\nla la\nla", {}, {"prompt": "a song", "lyrics": "[Verse]\nla la\nla"}),
        ("one\ntwo\nthree\nfour", {}, {"lyrics": "one\ntwo\nthree\nfour"}),
        ("one\ntwo\nthree\nfour", {"lyrics": "own"}, {"prompt": "one\ntwo\nthree\nfour", "lyrics": "own"}),
        ("a polka", {"sample_mode": True}, {"prompt": "a polka"}),
        ("a polka", {"audio_config": {"instrumental": True}}, {"lyrics": "[inst]"}),
        ([{"type": "text", "text": "a polka"}], {}, {"prompt": "a polka", "variations": 1}),
        ("<prompt>slow blues</prompt><lyrics>[verse] rain</lyrics>", SHELL_CHAT, SHELL_CHAT_SONG),
        ("Make up a song", SHELL_CHAT_RANDOM, {"prompt": "Make up a song", "format": "mp3"}),
        ("<prompt>tape hiss and drums</prompt><lyrics>[inst]</lyrics>", FULL_CHAT, FULL_CHAT_SONG),
        (
            [
                {"type": "text", "text": "as a waltz"},
                {
                    "type": "input_audio",
                    "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"},
                },
            ],
            {"task_type": "cover"},
            {"task_type": "cover", "source_audio": DIGEST},
        ),
        (
            [
                {"type": "text", "text": "as a waltz"},
                {
                    "type": "input_audio",
                    "input_audio": {"data": f"data:audio/wav;base64,{ENCODED}"},
                },
            ],
            {},
            {"task_type": "text2music", "reference_audio": DIGEST},
        ),
    ],
)
def test_what_a_chat_says(
    tmp_path: Path, message: Any, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    async def scenario(web: Web) -> None:
        chat = {"messages": [{"role": "user", "content": message}], "stream": True} | fields
        asking = asyncio.create_task(web.client.post("/v1/chat/completions", json=chat, timeout=60))
        while not (found := web.ledger.views.page().jobs):
            assert not asking.done(), asking.result().text
            await asyncio.sleep(0.05)
        web.ledger.submissions.cancel(found[0].id)
        await asking
        wanted = found[0].request.model_dump()
        assert {name: wanted[name] for name in expected} == expected

    in_app(tmp_path, scenario, **real_model())


@pytest.mark.parametrize(
    "chat",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "assistant", "content": "hello"}]},
        {"messages": "hello"},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "!!"}}]}]},
    ],
)
def test_a_chat_that_says_nothing(tmp_path: Path, chat: dict[str, Any]) -> None:
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/v1/chat/completions", json=chat)
        assert answer.status_code == 422
        assert answer.json()["detail"]

    in_app(tmp_path, scenario)
