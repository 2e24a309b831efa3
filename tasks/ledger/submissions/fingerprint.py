"""Finished audio by fingerprint: equal fingerprints, equal audio, so one run serves all who ask for it."""

from __future__ import annotations

import hashlib
import json

from tasks.jobs import JobRequest

NOT_HEARD = {"priority", "callback_url", "seed"}  # these change when a job runs, or stand apart


def fingerprint(request: JobRequest, seed: int, engine: str, model_version: str, sound: int = 1) -> str:
    """The SHA-256 of everything that decides the audio, as 64 hexadecimal digits.

    `sound` rises when the engine comes to make another sound of the same request. Uploads are named by the
    hash of their bytes, so their content counts too.
    """
    heard = request.model_dump(mode="json", exclude=NOT_HEARD, exclude_none=True)
    known = [engine, model_version, sound, seed, heard]
    text = json.dumps(known, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
