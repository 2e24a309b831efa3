"""The table of docs/api.md is the one that the code makes, and each of its rows is true of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.servers.player import tone
from tests.servers.web import Web, in_app
from web.api.acestep import conformance
from web.api.acestep.fields import FIELDS, Field, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
PLAIN = {"prompt": "a plain tone", "task_type": "repaint"}
WAV = ("a.wav", tone(6))
OTHER: dict[str, Any] = {  # a value that is not the default
    "instruction": "Sing:", "model": "another", "use_cot_caption": False, "use_cot_language": False,
    "sample_query": "a longer wish",
}  # fmt: skip
HONOURED: dict[str, tuple[Any, str, Any]] = {
    "prompt": ("another tone", "prompt", "another tone"),
    "lyrics": ("[verse]\nla", "lyrics", "[verse]\nla"),
    "bpm": (99, "bpm", 99),
    "batch_size": (3, "variations", 3),
    "key_scale": ("Em", "key_scale", "E minor"),
    "time_signature": ("3", "time_signature", "3/4"),
    "audio_duration": (17, "duration", 17),
    "vocal_language": ("fr", "vocal_language", "fr"),
    "inference_steps": (5, "steps", 5),
    "guidance_scale": (4.5, "guidance_scale", 4.5),
    "shift": (2.0, "shift", 2.0),
    "repainting_start": (1.5, "repaint_start", 1.5),
    "repainting_end": (4.5, "repaint_end", 4.5),
    "audio_format": ("flac", "format", "flac"),
    "task_type": ("repaint", "task_type", "repaint"),
    "global_caption": ("a whole album", "global_caption", "a whole album"),
    "infer_method": ("sde", "infer_method", "sde"),
    "repaint_mode": ("aggressive", "repaint_mode", "aggressive"),
    "repaint_strength": (0.9, "repaint_strength", 0.9),
    "chunk_mask_mode": ("explicit", "chunk_mask_mode", "explicit"),
    "audio_cover_strength": (0.3, "audio_cover_strength", 0.3),
    "cover_noise_strength": (0.3, "cover_noise_strength", 0.3),
    "use_adg": (True, "guidance_mode", "adg"),
    "cfg_interval_start": (0.3, "cfg_interval_start", 0.3),
    "cfg_interval_end": (0.3, "cfg_interval_end", 0.3),
    "timesteps": ("1,0.5", "timesteps", (1.0, 0.5)),
}


def test_the_page_has_the_table() -> None:
    assert conformance.block() in PAGE.read_text(), (
        "run: python -m web.api.acestep.conformance, into docs/api.md"
    )


async def ask(web: Web, fields: dict[str, Any]) -> Any:
    files = {"src_audio": WAV} if fields.get("task_type", PLAIN["task_type"]) == "repaint" else None
    data = {name: str(value) for name, value in (PLAIN | fields).items()}
    return await web.client.post("/release_task", data=data, files=files)


async def wanted(web: Web, fields: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    answer = await ask(web, fields)
    assert answer.status_code == 200, answer.text
    job = web.ledger.views.get(answer.json()["data"]["task_id"])
    assert job
    request = job.request.model_dump()
    request.pop("seed")
    return request, (answer.json()["extra"] or {}).get("notes", [])


async def check(web: Web, field: Field, name: str, base: dict[str, Any]) -> None:
    """One name of a field does what its verdict says."""
    value = OTHER.get(field.name, True if isinstance(field.default, bool) and not field.default else "0.77")
    if field.verdict in {Verdict.HONOURED, Verdict.ENGINE} and field.name in HONOURED:
        given, ours, expected = HONOURED[field.name]
        drop = {"prompt": ""} if field.name == "prompt" else {}
        fields = {key: text for key, text in ({**drop, name: given}).items() if key == name or text}
        if field.name == "prompt" and name != "prompt":
            answer = await web.client.post("/release_task", data={name: given}, files=None)
            job = web.ledger.views.get(answer.json()["data"]["task_id"])
            assert job
            assert job.request.prompt == expected
            return
        assert (await wanted(web, fields))[0][ours] == expected
    elif field.verdict in {Verdict.REFUSED, Verdict.UPLOAD}:
        answer = await ask(web, {name: value if field.verdict is Verdict.REFUSED else "/srv/a.wav"})
        if field.verdict is Verdict.UPLOAD and field.name.startswith("src"):
            answer = await web.client.post("/release_task", json={"prompt": "a tone", name: "/srv/a.wav"})
        assert answer.status_code == 422, (name, answer.text)
        assert answer.json()["errors"][0]["field"] == field.name
    elif field.verdict in {Verdict.NO_EFFECT, Verdict.TUNES_PLANNER}:
        assert (await wanted(web, {name: value}))[0] == base
    elif field.verdict is Verdict.PLANNER and not field.default:
        notes = (await wanted(web, {name: value}))[1]
        assert any(note.startswith(f"{field.name}:") for note in notes), (name, notes)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_name_of_a_field_does_what_the_table_says(tmp_path: Path, field: Field) -> None:
    async def scenario(web: Web) -> None:
        base, _ = await wanted(web, {})
        for name in field.names:
            await check(web, field, name, base)

    in_app(tmp_path, scenario, engine="tests.engines:Tone")


def test_every_endpoint_of_the_table_is_there(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        known = web.app.openapi()["paths"]
        for method, path, verdict in conformance.ENDPOINTS:
            if method == "ANY":
                for part in path.split(", "):
                    answer = await web.client.post(part.replace("*", "start"), json={})
                    assert answer.status_code == 404
            else:
                assert method.lower() in known[path], path
                if verdict.startswith("503"):
                    assert (await web.client.post(path, json={})).status_code == 503

    in_app(tmp_path, scenario)


def test_no_endpoint_of_ours_is_left_out(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        listed = {(method.lower(), path) for method, path, _ in conformance.ENDPOINTS}
        for path, operations in web.app.openapi()["paths"].items():
            for method, operation in operations.items():
                if "ACE-Step's own API" in operation.get("tags", []):
                    assert (method, path) in listed

    in_app(tmp_path, scenario)
