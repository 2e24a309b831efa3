"""A job over HTTP, from 202 to its file, with a real ledger."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import httpx
import pytest

from tasks.jobs import JOB_ID, ErrorClass
from tests.servers.player import Player
from tests.servers.web import GOOD, Web, in_app

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = TRACEPARENT.split("-")[1]


def test_202_means_the_job_is_in_the_ledger_with_its_trace(tmp_path):
    async def scenario(web: Web) -> None:
        answer = await web.client.post("/v1/jobs", json=GOOD, headers={"traceparent": TRACEPARENT})
        job = answer.json()
        assert answer.status_code == 202
        assert JOB_ID.match(job["id"])
        assert (job["state"], job["position"], job["trace_id"]) == ("queued", 1, TRACE)
        assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
        assert answer.headers["x-trace-id"] == TRACE
        kept = web.ledger.views.get(job["id"])
        assert kept is not None
        assert kept.trace_id == TRACE
        assert kept.request.prompt == GOOD["prompt"]

    in_app(tmp_path, scenario)


def test_the_same_key_and_body_name_the_same_job(tmp_path):
    async def scenario(web: Web) -> None:
        answers = await asyncio.gather(
            *[web.client.post("/v1/jobs", json=GOOD, headers={"idempotency-key": "k1"}) for _ in range(200)]
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert len(web.ledger.views.page().jobs) == 1

    in_app(tmp_path, scenario)


def test_the_same_key_with_another_body_conflicts(tmp_path):
    async def scenario(web: Web) -> None:
        await web.client.post("/v1/jobs", json=GOOD, headers={"idempotency-key": "k1"})
        other = GOOD | {"duration": 11}
        answer = await web.client.post("/v1/jobs", json=other, headers={"idempotency-key": "k1"})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/idempotency_conflict")
        async with web.another(("198.51.100.7", 1)) as stranger:
            answer = await stranger.post("/v1/jobs", json=other, headers={"idempotency-key": "k1"})
            assert answer.status_code == 202

    in_app(tmp_path, scenario)


def test_a_job_tells_all_about_itself_from_waiting_to_its_files(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit(variations=2)
        waiting = (await web.client.get(f"/v1/jobs/{job_id}")).json()
        assert (waiting["state"], waiting["position"], waiting["outputs"]) == ("queued", 1, [])
        job = await asyncio.to_thread(player.take, job_id)
        await asyncio.to_thread(player.say, job, 0.5, "Playing the drums")
        running = (await web.client.get(f"/v1/jobs/{job_id}")).json()
        assert (running["state"], running["attempt"], running["progress"]) == ("running", 1, 0.5)
        await asyncio.to_thread(player.finish, job)
        done = (await web.client.get(f"/v1/jobs/{job_id}")).json()
        assert done["state"] == "succeeded"
        assert [song["variation"] for song in done["outputs"]] == [1, 2]
        assert done["outputs"][0]["url"] == f"/output/{job_id}.wav"
        for song in done["outputs"]:
            assert (await web.client.get(song["url"])).status_code == 200
        peaks = (await web.client.get(f"/v1/jobs/{job_id}/peaks/2")).json()["peaks"]
        assert len(peaks) == 480
        assert peaks[20] < 0.1 < 0.9 < max(peaks) <= 1.0
        assert (await web.client.get(f"/v1/jobs/{job_id}/peaks/3")).status_code == 404

    in_app(tmp_path, scenario)


def test_a_client_that_has_the_newest_is_told_so(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit()
        path = f"/v1/jobs/{job_id}"
        first = await web.client.get(path)
        assert first.headers["cache-control"] == "private, no-cache"
        known = {"if-none-match": first.headers["etag"]}
        same = await web.client.get(path, headers=known)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", known["if-none-match"])
        await asyncio.to_thread(player.play, job_id)
        ended = await web.client.get(path, headers=known)
        assert (ended.status_code, ended.json()["state"]) == (200, "succeeded")
        for _ in range(2):
            again = await web.client.get(path)
            assert (again.content, again.headers["etag"]) == (ended.content, ended.headers["etag"])
        same = await web.client.get(path, headers={"if-none-match": f'"other", {ended.headers["etag"]}'})
        assert same.status_code == 304

    in_app(tmp_path, scenario)


def test_a_lossless_song_is_had_in_every_format(tmp_path):
    import io

    import soundfile

    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit()
        await asyncio.to_thread(player.play, job_id)
        for extension, kind in (("wav", "WAV"), ("flac", "FLAC"), ("mp3", "MP3"), ("opus", "OGG")):
            answer = await web.client.get(f"/v1/jobs/{job_id}/songs/1.{extension}")
            assert answer.status_code == 200, answer.text
            sound = soundfile.info(io.BytesIO(answer.content))
            assert (sound.format, round(sound.duration)) == (kind, 10)
            assert f'filename="{job_id}.{extension}"' in answer.headers["content-disposition"]
        assert (await web.client.get(f"/v1/jobs/{job_id}/songs/2.mp3")).status_code == 404
        assert (await web.client.get(f"/v1/jobs/{job_id}/songs/1.exe")).status_code == 422

    in_app(tmp_path, scenario)


def test_the_list_pages_through_your_own_jobs(tmp_path):
    async def scenario(web: Web) -> None:
        ids = [await web.submit(prompt=f"song number {number}") for number in range(7)]
        async with web.another(("198.51.100.7", 1)) as stranger:
            await stranger.post("/v1/jobs", json=GOOD)
        seen, cursor = [], None
        while True:
            query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
            page = (await web.client.get("/v1/jobs", params=query)).json()
            seen += [job["id"] for job in page["jobs"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == ids[::-1]
        assert (await web.client.get("/v1/jobs?state=succeeded")).json()["jobs"] == []

    in_app(tmp_path, scenario)


def test_waiting_jobs_are_cancelled_at_once_and_finished_ones_not(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit()
        answer = await web.client.post(f"/v1/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert (await web.client.post(f"/v1/jobs/{job_id}/cancel")).json()["state"] == "cancelled"
        done = await web.submit(prompt="another calm song")
        await asyncio.to_thread(player.play, done)
        answer = await web.client.post(f"/v1/jobs/{done}/cancel")
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong_state")

    in_app(tmp_path, scenario)


def test_failed_jobs_say_why_and_are_tried_again_as_new_ones(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit(seed=5)
        assert (await web.client.post(f"/v1/jobs/{job_id}/retry")).status_code == 409
        job = await asyncio.to_thread(player.take, job_id)
        await asyncio.to_thread(player.fail, job, ErrorClass.DEADLINE, "It took longer than 900 s.")
        failed = (await web.client.get(f"/v1/jobs/{job_id}")).json()
        assert failed["error"] == {"class": "deadline", "detail": "It took longer than 900 s."}
        page = await web.client.get(f"/songs/{job_id}", headers={"accept": "text/html"})
        assert "It took longer than 900 s." in page.text
        answer = await web.client.post(f"/v1/jobs/{job_id}/retry")
        assert answer.status_code == 202
        assert answer.json()["id"] != job_id
        again = web.ledger.views.get(answer.json()["id"])
        assert again is not None
        assert again.request == job.request

    in_app(tmp_path, scenario)


async def events_of(web: Web, job_id: str, **headers: str) -> list[tuple[str, str, dict]]:
    """All events of a stream, as (name, id, data). ASGITransport hands a stream over when it has ended."""
    answer = await web.client.get(f"/v1/jobs/{job_id}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
        if "event" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


async def until_watched(web: Web) -> None:
    while not web.state.watcher.watched:
        await asyncio.sleep(0.01)


def test_events_tell_position_progress_and_the_end(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        ahead, job_id = await web.submit(), await web.submit(prompt="the second song")
        listening = asyncio.create_task(events_of(web, job_id))
        watch = await watch_of(web, job_id)
        await told(watch, lambda shot: shot.position == 2)
        await asyncio.to_thread(player.play, ahead)
        job = await asyncio.to_thread(player.take, job_id)
        await asyncio.to_thread(player.say, job, 0.25, "Writing the chords")
        await told(watch, lambda shot: shot.progress == 0.25)
        await asyncio.to_thread(player.finish, job)
        events = await listening
        assert (events[0][0], events[0][2]["position"]) == ("queued", 2)
        assert any(name == "running" and data["progress"] == 0.25 for name, _, data in events)
        name, identity, data = events[-1]
        assert (name, identity, data["id"]) == ("succeeded", "end", job_id)
        assert data["outputs"][0]["url"] == f"/output/{job_id}.wav"
        assert web.state.watcher.watched == 0

    in_app(tmp_path, scenario)


async def watch_of(web: Web, job_id: str):
    await until_watched(web)
    (watch,) = web.state.watcher._subscriptions[job_id]
    return watch


async def told(watch, wanted) -> None:
    """Wait until the stream's newest snapshot is as wanted."""
    while not (watch.latest and wanted(watch.latest)):
        await asyncio.sleep(0.01)


def test_a_client_that_comes_back_is_not_told_the_same_again(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit()
        listening = asyncio.create_task(events_of(web, job_id, **{"last-event-id": "0.q.0.1"}))
        watch = await watch_of(web, job_id)
        await told(watch, lambda shot: shot.position == 1)
        await asyncio.to_thread(player.play, job_id)
        names = [name for name, _, _ in await listening]
        assert "queued" not in names
        assert names[-1] == "succeeded"
        again = await web.client.get(f"/v1/jobs/{job_id}/events", headers={"last-event-id": "end"})
        assert again.status_code == 204
        assert [name for name, _, _ in await events_of(web, job_id)] == ["succeeded"]

    in_app(tmp_path, scenario)


def test_nobody_listens_for_a_client_that_has_gone(tmp_path):
    async def scenario(web: Web) -> None:
        path = f"/v1/jobs/{await web.submit()}/events"
        sent: list[bytes] = []
        goes = asyncio.Event()
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict:
            if message := next(messages, None):
                return message
            await goes.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message.get("body", b""))

        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "scheme": "http", "headers": [(b"host", b"tutti.test")],
            "server": ("tutti", 80),
            "client": ("127.0.0.1", 1),
        }  # fmt: skip
        answering = asyncio.create_task(web.app(scope, receive, send))
        while not any(b"event: queued" in part for part in sent):
            await asyncio.sleep(0.01)
        assert web.state.watcher.watched == 1
        goes.set()
        await answering
        assert web.state.watcher.watched == 0

    in_app(tmp_path, scenario)


def test_a_thousand_listeners_share_one_question(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        job_id = await web.submit()
        asked: list[int] = []
        ask = web.ledger.views.snapshots

        def counted(ids):
            asked.append(len(ids))
            return ask(ids)

        web.state.watcher._ledger = SimpleNamespace(views=SimpleNamespace(snapshots=counted))
        listening = [asyncio.create_task(events_of(web, job_id)) for _ in range(1_000)]
        while web.state.watcher.watched < 1_000:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(player.play, job_id)
        for events in await asyncio.gather(*listening):
            assert events[-1][0] == "succeeded"
        assert set(asked) == {1}

    in_app(tmp_path, scenario)


def test_generate_waits_and_answers_with_the_address(tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        waiting = asyncio.create_task(web.client.post("/generate", json=GOOD, timeout=30))
        await until_watched(web)
        (job,) = web.ledger.views.page().jobs
        await asyncio.to_thread(player.play, job.id)
        answer = await waiting
        assert answer.status_code == 200
        assert answer.json()["status"] == "succeeded"
        assert answer.json()["url"] == f"http://127.0.0.1:8000/output/{job.id}.wav"
        path = httpx.URL(answer.json()["url"]).path
        assert (await web.client.get(path)).status_code == 200

    in_app(tmp_path, scenario)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_generate_tells_when_there_is_no_song(end, tmp_path):
    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        waiting = asyncio.create_task(web.client.post("/generate", json=GOOD, timeout=30))
        await until_watched(web)
        (job,) = web.ledger.views.page().jobs
        if end == "failed":
            taken = await asyncio.to_thread(player.take, job.id)
            await asyncio.to_thread(player.fail, taken, ErrorClass.OUT_OF_MEMORY, "Too large for the device.")
        else:
            await web.client.post(f"/v1/jobs/{job.id}/cancel")
        problem = (await waiting).json()
        assert problem["type"] == "/problems/job_failed"
        assert problem["job_id"] == job.id
        assert problem["error_class"] == ("out_of_memory" if end == "failed" else "cancelled_by_user")

    in_app(tmp_path, scenario)


def test_ace_steps_clients_find_their_way(tmp_path):
    """The steps of its documentation: release a task, ask for the result, fetch the audio."""

    async def scenario(web: Web) -> None:
        player = Player.register(web.ledger, web.settings)
        given = {"prompt": "upbeat pop song", "audio_duration": 10, "batch_size": 2, "audio_format": "wav"}
        released = (await web.client.post("/release_task", json=given)).json()
        assert (released["code"], released["error"], released["data"]["status"]) == (200, None, "queued")
        task = released["data"]["task_id"]
        for listed in ([task], json.dumps([task])):
            (row,) = (await web.client.post("/query_result", json={"task_id_list": listed})).json()["data"]
            assert (row["task_id"], row["status"]) == (task, 0)
        await asyncio.to_thread(player.play, task)
        (row,) = (await web.client.post("/query_result", data={"task_id_list": json.dumps([task])})).json()[
            "data"
        ]
        songs = json.loads(row["result"])
        assert (row["status"], len(songs)) == (1, 2)
        for song in songs:
            file = await web.client.get(song["file"])
            assert (file.status_code, file.headers["content-type"]) == (200, "audio/wav")
        (row,) = (await web.client.post("/query_result", json={"task_id_list": ["nothing"]})).json()["data"]
        assert (row["status"], row["result"]) == (0, "[]")
        stats = (await web.client.get("/v1/stats")).json()["data"]
        assert stats["jobs"]["succeeded"] == 1
        assert (await web.client.get("/v1/audio?path=/etc/passwd")).status_code == 404

    in_app(tmp_path, scenario)


def test_health_tells_what_the_devices_do(tmp_path):
    async def scenario(web: Web) -> None:
        alone = (await web.client.get("/health")).json()
        assert (alone["status"], alone["model_loaded"], alone["gpu_memory_used"]) == ("degraded", False, 0)
        Player.register(web.ledger, web.settings)
        await web.state.route.refresh()
        assert (await web.client.get("/health")).json()["status"] == "healthy"
        assert (await web.client.get("/health")).json()["devices"][0]["engine"] == "sketch"

    in_app(tmp_path, scenario)


def test_metrics_are_prometheus_and_for_admins_only(tmp_path):
    async def scenario(web: Web) -> None:
        await web.submit()
        text = (await web.client.get("/metrics")).text
        assert 'tutti_queue_depth{queue="sketch@2"} 1.0' in text
        assert "tutti_storage_free_bytes" in text
        assert 'route="/v1/jobs"' in text
        async with web.another(("198.51.100.7", 1)) as stranger:
            assert (await stranger.get("/metrics")).status_code == 403
            assert (await stranger.get("/flower/")).status_code == 403
        assert (await web.client.get("/flower/")).status_code == 503

    in_app(tmp_path, scenario)


def test_a_job_whose_record_went_is_as_unknown_as_one_that_never_was(tmp_path):
    async def scenario(web: Web) -> None:
        job_id = await web.submit()
        await web.client.post(f"/v1/jobs/{job_id}/cancel")
        assert await asyncio.to_thread(web.ledger.retention.prune, web.ledger.now() + 1) == 1
        for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/events"):
            async with asyncio.timeout(20):  # what was shown a moment ago is still shown
                while (answer := await web.client.get(path)).status_code == 200:
                    await asyncio.sleep(0.1)
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown_job")
        assert (await web.client.get("/v1/jobs")).json()["jobs"] == []

    in_app(tmp_path, scenario)


def test_an_upload_is_kept_by_its_hash_and_can_be_worked_on(tmp_path):
    from tests.servers.player import tone

    async def scenario(web: Web) -> None:
        plain = {name: value for name, value in GOOD.items() if name != "duration"}  # the source sets it
        cover = plain | {"task_type": "cover", "source_audio": "0" * 64}
        missing = await web.client.post("/v1/jobs", json=cover)
        assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "source_audio")
        headers = {"content-type": "audio/wav"}
        taken = [await web.client.post("/v1/uploads", content=tone(6), headers=headers) for _ in range(2)]
        assert {answer.status_code for answer in taken} == {201}
        upload = taken[0].json()
        assert (upload, upload["seconds"]) == (taken[1].json(), 6.0)
        assert [path.name for path in web.settings.upload_path.glob("[!.]*")] == [upload["id"]]
        answer = await web.client.post("/v1/jobs", json=cover | {"source_audio": upload["id"]})
        assert answer.status_code == 202

    in_app(tmp_path, scenario, engine="acestep")  # the sketch engine makes no covers


def test_uploads_too_large_too_long_or_no_audio_are_refused(tmp_path):
    async def scenario(web: Web) -> None:
        post, headers = web.client.post, {"content-type": "audio/flac"}
        large = await post("/v1/uploads", content=b"a" * 1_000_001, headers=headers)
        assert (large.status_code, large.json()["type"]) == (413, "/problems/body_too_large")
        assert (await post("/v1/uploads", content=b"", headers=headers)).status_code == 400
        text = await post("/v1/uploads", content=b"{}", headers={"content-type": "text/html"})
        assert text.status_code == 415
        assert list(web.settings.upload_path.iterdir()) == []

    in_app(tmp_path, scenario, max_body_megabytes=1)
