"""From samples to files on the NAS: one song's audio, and its score where there is one."""

from __future__ import annotations

import io
import time
from typing import Final

from observability import metrics
from tasks.audio.encoding import encode
from tasks.audio.tags import title_of
from tasks.jobs import ErrorClass, JobError, Output, Timings
from tasks.storage.songs import Stored
from tasks.worker.attempts import Attempt
from tasks.worker.host import Host
from tasks.worker.messages import Made

AGAIN: Final = 1.0  # seconds between two tries to reach the storage
STORAGE_ERRORS: Final = frozenset({ErrorClass.STORAGE_FULL, ErrorClass.STORAGE_UNAVAILABLE})


def keep(host: Host, run: Attempt, made: Made, timings: Timings, kept: list[Stored]) -> list[Output]:
    """Encode one song and put it, and its score, on the NAS."""
    request, audio = run.job.request, made.audio
    started = time.perf_counter()
    file = io.BytesIO()
    encoded = encode(audio.samples, audio.sample_rate, file, request.format, title=title_of(request))
    timings.encode += time.perf_counter() - started
    started, run.stage = time.perf_counter(), "storing"
    stem = run.job.id if made.variation == 1 else f"{run.job.id}-{made.variation}"
    stored = _store(host, run, f"{stem}.{request.format}", file.getbuffer(), encoded.seconds)
    kept.append(stored)
    outputs = [_output(stored, request.format, encoded.seconds, made)]
    if audio.midi:
        score = _store(host, run, f"{stem}.mid", audio.midi, None)
        kept.append(score)
        outputs.append(_output(score, "mid", encoded.seconds, made))
    timings.store += time.perf_counter() - started
    return outputs


def _output(stored: Stored, audio_format: str, seconds: float, made: Made) -> Output:
    return Output(
        name=stored.name,
        format=audio_format,
        seconds=seconds,
        bytes=stored.bytes,
        sha256=stored.sha256,
        seed=made.seed,
        notes=list(made.audio.notes),
    )


def _store(host: Host, run: Attempt, name: str, data: bytes | memoryview, seconds: float | None) -> Stored:
    """Publish a file; while the NAS is full or away the song waits, for a bounded time."""
    until = time.monotonic() + host.settings.storage_wait
    while True:
        run.check()
        try:
            with metrics.storage_write_seconds.time():
                return host.storage.publish(name, run.job.attempt, data, seconds=seconds)
        except JobError as error:
            if error.error_class not in STORAGE_ERRORS or time.monotonic() >= until:
                raise
            metrics.storage_errors.labels(error.error_class).inc()
            host.admission.storage(works=False)
            run.stage = error.detail
        time.sleep(AGAIN)
