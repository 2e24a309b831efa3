"""The way of one job through a worker: claim, engine, audio, storage, finish."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from observability import metrics
from observability.logging import bound, get_logger
from observability.tracing import trace_id
from tasks.ends import log_end
from tasks.jobs import ErrorClass, Failure, Job, JobError, JobState, Output, Timings
from tasks.ledger import LedgerUnavailable
from tasks.storage.songs import Stored
from tasks.worker.attempts import Attempt, HandedBack, Interrupted
from tasks.worker.files import keep
from tasks.worker.host import Host
from tasks.worker.messages import Made

T = TypeVar("T")

log = get_logger()

HOLD: Final = 3.0  # seconds a message waits for a slot here before another worker may have it
AGAIN: Final = 1.0  # seconds between two tries to reach the ledger
STAGES: Final = ("condition", "denoise", "decode")


def generate(host: Host, job_id: str) -> None:
    """Run a job if it is to be had; whatever becomes of it stands in the ledger.

    Raises:
        NotNow: This worker cannot take a job at present.
    """
    with host.admission.entered(HOLD) as engine_is_free:
        run = host.claim(job_id)
        if run is None:
            return
        try:
            with bound(**_context(host, run.job)):
                _attempt(host, run, engine_is_free)
        finally:
            host.release(run)


def _attempt(host: Host, run: Attempt, engine_is_free: Callable[[], None]) -> None:
    log.info("job.started", tutti={"timings": {"queue": _waited(run.job)}})
    metrics.queue_wait_seconds.observe(_waited(run.job))
    kept: list[Stored] = []
    try:
        _make(host, run, engine_is_free, kept)
    except JobError as error:
        _fail(host, run, error, kept)
    except HandedBack as back:
        host.give_back(run.job, run.epoch, back.reason, charged=back.charged, alone=back.alone)
    except Interrupted as interrupted:
        _end_early(host, run, interrupted, kept)
    except Exception:
        log.exception("worker.error", message="a job failed for a reason nobody foresaw")
        _fail(host, run, JobError(ErrorClass.INTERNAL, "something broke here; retry the job"), kept)


def _make(host: Host, run: Attempt, engine_is_free: Callable[[], None], kept: list[Stored]) -> None:
    outputs: list[Output] = []
    timings = Timings(queue=_waited(run.job))
    batch = 1
    for made in run.songs(engine_is_free):
        batch = max(batch, made.batch)
        _add(timings, made)
        outputs += keep(host, run, made, timings, kept)
    # songs in the order of their variations (`<id>.wav` before `<id>-2.wav`), scores after them
    outputs.sort(key=lambda output: (output.format == "mid", len(output.name), output.name))
    run.check()
    if _persist(run, lambda: host.ledger.workers.finish(*_mine(host, run), outputs=outputs, timings=timings)):
        _succeeded(run, timings, batch)
    else:
        _discard(host, run, kept)


def _add(timings: Timings, made: Made) -> None:
    """Variations in one batch take their time together, others one after another."""
    for stage in STAGES:
        spent, more = getattr(timings, stage), made.audio.timings.get(stage, 0.0)
        setattr(timings, stage, max(spent, more) if made.batch > 1 else spent + more)


def _persist(run: Attempt, write: Callable[[], T]) -> T:
    """Write to the ledger, however long it is away; only the loss of the lease ends that."""
    while True:
        try:
            return write()
        except LedgerUnavailable as error:
            log.warning("worker.ledger_unavailable", message=str(error))
            run.stage = "waiting for the ledger"
            time.sleep(AGAIN)
            run.check_mine()


def _fail(host: Host, run: Attempt, error: JobError, kept: list[Stored]) -> None:
    detail, error_class = error.detail, error.error_class
    try:
        mine = _persist(run, lambda: host.ledger.workers.fail(*_mine(host, run), error_class, detail))
    except Interrupted as interrupted:
        return _end_early(host, run, interrupted, kept)
    _discard(host, run, kept)
    if mine:
        cancelled = error_class == ErrorClass.CANCELLED_BY_USER
        failure = Failure(error_class=error_class, detail=detail)
        end = {"state": JobState.CANCELLED if cancelled else JobState.FAILED, "error": failure}
        log_end(run.job.model_copy(update=end), seconds=_took(run))
    return None


def _end_early(host: Host, run: Attempt, interrupted: Interrupted, kept: list[Stored]) -> None:
    if interrupted.reason == "cancelled":
        cancelled = JobError(ErrorClass.CANCELLED_BY_USER, "cancelled by the person who asked for it")
        return _fail(host, run, cancelled, kept)
    if interrupted.reason == "drained":  # given back already, unless the ledger was away
        host.give_back(run.job, run.epoch, "drained", alone=run.alone)
    _discard(host, run, kept)
    return None


def _discard(host: Host, run: Attempt, kept: list[Stored]) -> None:
    """Take back files of a job that ended without them. While another attempt may come it adopts them."""
    names = [stored.name for stored in kept if stored.mine]
    try:
        job = host.ledger.views.get(run.job.id) if names else None
        if job and job.state in {JobState.FAILED, JobState.CANCELLED}:
            host.storage.remove(names)
    except (LedgerUnavailable, JobError) as error:
        log.warning(
            "worker.leftover", message=f"files of a job that ended stay until they are swept: {error}"
        )


def _succeeded(run: Attempt, timings: Timings, batch: int) -> None:
    took = _took(run)
    # before all else: a worker that dies between its commit and this leaves no line of the end
    ended = run.job.model_copy(update={"state": JobState.SUCCEEDED, "timings": timings})
    log_end(ended, seconds=took, batch={"size": batch})
    request = run.job.request
    metrics.batch_size.observe(batch)
    metrics.realtime_factor.observe(request.duration * request.variations / max(took, 1e-9))
    for stage, seconds in timings.model_dump().items():
        metrics.stage_seconds.labels(stage).observe(seconds)


def _mine(host: Host, run: Attempt) -> tuple[str, int, str, int]:
    return run.job.id, run.job.attempt, host.name, run.epoch


def _context(host: Host, job: Job) -> dict[str, object]:
    """What every line about this run carries."""
    request = job.request
    tutti = {
        "job": {"id": job.id},
        "attempt": job.attempt,
        "prompt": {"chars": len(request.prompt)},
        "lyrics": {"chars": len(request.lyrics)},
        "audio": {"seconds": request.duration},
        "steps": request.steps,
        "variations": request.variations,
        "engine": host.model.name,
        "model": {"version": host.model.version},
        "lane": job.lane,
        "queue": job.queue,
        "gpu": {"id": host.name},
    }
    trace = trace_id(job.traceparent)
    return {"tutti": tutti, "trace": {"id": trace}} if trace else {"tutti": tutti}


def _waited(job: Job) -> float:
    return max(0.0, (job.started_at - job.created_at).total_seconds()) if job.started_at else 0.0


def _took(run: Attempt) -> float:
    return time.monotonic() - run.started
