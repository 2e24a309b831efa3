"""The one way by which jobs enter, whichever door they came through."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any

import anyio
from starlette.requests import Request

from observability import metrics
from observability.logging import get_logger
from tasks.ends import log_end
from tasks.engines import KNOWN
from tasks.engines.capabilities import Capabilities
from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import (
    Accepted,
    IdempotencyConflict,
    LedgerFull,
    LedgerUnavailable,
    LedgerUncertain,
    NewJob,
    QuotaExceeded,
)
from tasks.queue.names import version_of
from tasks.storage.uploads import Uploads
from web.request import client
from web.request.auth import Owner, identify
from web.request.context import RequestContext, context_of
from web.request.fields import fields
from web.request.lane import preferred_node
from web.request.lane import wanted as wanted_lane
from web.request.problems import BAD_REQUEST, IDEMPOTENCY, INVALID, QUEUE_FULL, QUOTA, UNAVAILABLE, Problem
from web.request.state import AppState, app_state

log = get_logger()

IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
FULL_AGAIN, AWAY_AGAIN, QUOTA_AGAIN = 30, 5, 60  # seconds of Retry-After


async def accept(request: Request, wanted: JobRequest, body: bytes | None = None) -> Accepted:
    """Put a job into the ledger.

    Args:
        request: The HTTP request, for who asks and the trace.
        wanted: What is asked for.
        body: The raw body, which a reused Idempotency-Key has to repeat.

    Returns:
        The job; it is on disk.

    Raises:
        Problem: With what to do instead.
    """
    state, context = app_state(request), context_of(request)
    key = _idempotency_key(request)
    owner = await identify(request)
    if not client.held_in_front(request.scope, state.proxies):
        state.gate.admit(client.bucket(owner.address), owner.key_id)
    lane, queue = state.route.shared(wanted_lane(request, owner.address))
    can = capabilities_of(state, queue)
    _check_engine(wanted, can)
    await _check(state, wanted, owner)
    new = NewJob(
        id=new_job_id(state.settings.cell),
        request=wanted,
        model_queue=queue,
        lane=lane,
        preferred_queue=state.route.preferred(preferred_node(request)) if lane == "stable" else None,
        owner=owner.id,
        traceparent=context.traceparent,
        idempotency_key=key,
        body_hash=hashlib.sha256(body).hexdigest() if key and body is not None else None,
        source_ip_hash=client.hashed(owner.address),
        quota=owner.quota,
        sound=can.sound if can else 1,
    )
    accepted = await _write(state, new)
    if accepted.created:  # so that nginx's line names them too
        context.add_header("x-tutti-lane", lane)
        context.add_header("x-tutti-model-version", version_of(queue))
    _note(state, context, accepted, owner, version_of(queue))
    if accepted.created:
        await _note_reuse(state, accepted)
    return accepted


def _idempotency_key(request: Request) -> str | None:
    key = fields(request.scope).get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(BAD_REQUEST, "Idempotency-Key has to be 1 to 255 visible ASCII characters.")
    return key


def capabilities_of(state: AppState, queue: str) -> Capabilities | None:
    """What the engine behind a model's queue, such as `sketch@2`, can be asked; None where nobody says it.

    It is the queue's engine that counts: a web node without a GPU would choose another for itself.
    """
    name = queue.partition("@")[0]
    if name == state.model.name:
        return state.model.capabilities
    return KNOWN[name].capabilities if name in KNOWN else None


def _check_engine(wanted: JobRequest, can: Capabilities | None) -> None:
    """Refuse what the engine would leave out without a word."""
    if can is not None and (wrong := list(can.refusals(wanted))):
        errors = [{"field": refusal.field, "detail": refusal.detail} for refusal in wrong]
        words = "; ".join(f"{refusal.field} {refusal.detail}" for refusal in wrong)
        raise Problem(INVALID, f"{words}.", errors=errors)


async def _check(state: AppState, wanted: JobRequest, owner: Owner) -> None:
    """What the request cannot see by itself."""
    for name in ("source_audio", "reference_audio"):
        upload = getattr(wanted, name)
        if upload and not await _may_use(state, upload, owner):
            raise _field(name, "is not here; upload it first: POST /v1/uploads")
    if wanted.callback_url is not None:
        from tasks.security.addresses import CallbackRefused, allowing, check_url

        allowed, at = allowing(state.settings.callback_networks), state.settings.callback_ports
        try:
            await asyncio.to_thread(check_url, wanted.callback_url, allowed=allowed, at=at)
        except CallbackRefused as error:
            raise _field("callback_url", str(error).removeprefix("callback_url: ")) from error


async def _may_use(state: AppState, upload: str, owner: Owner) -> bool:
    uploads, owners = Uploads(state.settings.upload_path), None if owner.admin else owner.names
    return await anyio.to_thread.run_sync(uploads.use, upload, owners)


def _field(name: str, words: str) -> Problem:
    return Problem(INVALID, f"{name} {words}.", errors=[{"field": name, "detail": words}])


async def _write(state: AppState, new: NewJob) -> Accepted:
    try:
        return await state.intake.ask(new)
    except IdempotencyConflict as error:
        raise Problem(
            IDEMPOTENCY, "This Idempotency-Key came before with another body. Use a new one."
        ) from error
    except LedgerFull as error:
        raise Problem(QUEUE_FULL, f"{error}", headers=_again(FULL_AGAIN)) from error
    except QuotaExceeded as error:
        raise Problem(QUOTA, f"{error}", headers=_again(QUOTA_AGAIN)) from error
    except LedgerUncertain as error:
        detail = f"This may have been accepted or not: {error}."
        raise Problem(UNAVAILABLE, detail, headers=_again(AWAY_AGAIN), reason="ledger_unavailable") from error
    except LedgerUnavailable as error:
        detail = f"Nothing was accepted: {error}."
        raise Problem(UNAVAILABLE, detail, headers=_again(AWAY_AGAIN), reason="ledger_unavailable") from error


def _again(seconds: int) -> dict[str, str]:
    return {"retry-after": str(seconds)}


def _note(state: AppState, context: RequestContext, accepted: Accepted, owner: Owner, version: str) -> None:
    job = accepted.job
    if accepted.created:
        metrics.jobs_accepted.inc()
    log.info(
        "job.accepted",
        message=f"accepted {job.id}" if accepted.created else f"accepted {job.id} again",
        event={"outcome": "success"},
        trace={"id": context.trace_id},
        source={"ip": owner.address},
        tutti={
            "job": {"id": job.id, "created": accepted.created},
            "audio": {"seconds": job.request.duration},
            "variations": job.request.variations,
            "lane": job.lane,
            "model": {"version": version},
            **_lengths(state, job.request),
            **({"key": {"id": owner.key_id}} if owner.key_id else {}),
        },
    )


async def _note_reuse(state: AppState, accepted: Accepted) -> None:
    """Tell of a song that was there already: it succeeds here, and no worker ever sees it."""
    job = accepted.job
    metrics.cache_requests.labels("hit" if job.cache_hit else "miss").inc()
    if not job.cache_hit:
        return
    try:
        made_by = await asyncio.to_thread(state.ledger.views.get, job.extra["cache_of"])
    except LedgerUnavailable:
        made_by = None
    log_end(job, made_by=made_by)


def _lengths(state: AppState, wanted: JobRequest) -> dict[str, Any]:
    """What the log may know of the text: how long it is, and whether two are the same."""
    return {
        "prompt": {"chars": len(wanted.prompt), "hmac": state.signer.token("prompt", wanted.prompt)},
        "lyrics": {"chars": len(wanted.lyrics)},
    }
