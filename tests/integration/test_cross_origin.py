"""Pages of other sites: none may ask but those that TUTTI_CORS_ORIGINS names; keys may stand in a body."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.settings import Settings
from tests.servers import whole
from tests.servers.web import GOOD, Web, in_app

DAW = "https://daw.example.com"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


def test_nobody_by_default(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        asked = await web.client.options("/release_task", headers=PREFLIGHT | {"origin": DAW})
        assert "access-control-allow-origin" not in asked.headers
        sent = await web.client.post("/v1/jobs", json=GOOD, headers={"origin": DAW})
        assert sent.status_code == 403

    in_app(tmp_path, scenario)


def test_named_origins_only(tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        for path in ("/release_task", "/v1/jobs", "/v1/chat/completions", "/v1/jobs/x/events"):
            asked = await web.another().options(path, headers=PREFLIGHT | {"origin": DAW})
            assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, DAW), path
            other = await web.another().options(path, headers=PREFLIGHT | {"origin": f"{DAW}.evil.test"})
            assert "access-control-allow-origin" not in other.headers
        _, token = web.ledger.keys.add("ann")
        cross = {"sec-fetch-site": "cross-site", "authorization": f"Bearer {token}"}
        sent = await web.another().post("/v1/jobs", json=GOOD, headers=cross | {"origin": DAW})
        assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (202, DAW)
        refused = await web.another().post("/v1/jobs", json={}, headers=cross | {"origin": DAW})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, DAW)
        assert "access-control-allow-credentials" not in sent.headers
        foreign = await web.another().post(
            "/v1/jobs", json=GOOD, headers=cross | {"origin": "https://b.test"}
        )
        assert foreign.status_code == 403

    in_app(tmp_path, scenario, cors_origins=f"{DAW}, http://localhost:5173", keys="on")


@pytest.mark.parametrize("origins", ["*", "daw.example.com", "https://daw.example.com/app", "https://a b"])
def test_what_is_no_origin_is_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ValidationError, match="has to be an origin"):
        Settings(cors_origins=origins)


def test_through_the_gateway(tmp_path: Path) -> None:
    with whole.standing(tmp_path / "cell", cors_origins=DAW, keys="on") as house:
        _, token = house.system.ledger.keys.add("ann")
        client = house.client
        asked = client.options("/v1/jobs", headers=PREFLIGHT | {"origin": DAW})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, DAW)
        other = client.options("/v1/jobs", headers=PREFLIGHT | {"origin": "https://b.test"})
        assert other.status_code == 401
        wish = {"prompt": "a plain tone", "audio_duration": 5, "batch_size": 1, "audio_format": "wav"}
        assert client.post("/release_task", json=wish).status_code == 401
        task = client.post("/release_task", json=wish | {"ai_token": token})
        assert task.status_code == 200, task.text
        bare = client.post("/query_result", json={"task_id_list": []}, headers={"authorization": token})
        assert bare.status_code == 200
        assert client.post("/query_result", json={"task_id_list": []}).status_code == 401
        assert client.post("/format_input", json={"ai_token": token}).status_code == 503
        assert client.post("/v1/lora/load", json={}).status_code == 401
        house.system.start_worker()
        job = house.system.wait(task.json()["data"]["task_id"])
        song = client.get(f"/output/{job.outputs[0].name}", headers={"origin": DAW})
        assert (song.status_code, song.headers["access-control-allow-origin"]) == (200, DAW)
        plain = client.get(f"/output/{job.outputs[0].name}", headers={"origin": "https://b.test"})
        assert "access-control-allow-origin" not in plain.headers
        chat = client.post(
            "/v1/chat/completions",
            json={
                "messages": [{"role": "user", "content": "a plain tone"}],
                "audio_config": {"duration": 5, "format": "wav"},
                "stream": True,
            },
            headers={"authorization": f"Bearer {token}"},
        )
        assert '"audio_url"' in chat.text
        assert chat.text.endswith("data: [DONE]\n\n")
