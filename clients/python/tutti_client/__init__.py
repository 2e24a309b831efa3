"""Ask a Tutti server for music.

    from tutti_client import Tutti

    with Tutti("https://music.example.com", key="tutti_...") as tutti:
        tutti.generate("a calm lo-fi beat with soft piano", duration=30, save_to="song.wav")

`AsyncTutti` is the same with `await`. `tutti_client.errors` draws what can go wrong.
"""

from tutti_client.aio import AsyncTutti
from tutti_client.errors import (
    BadAnswer,
    Busy,
    Conflict,
    Corrupt,
    InvalidRequest,
    JobCancelled,
    JobEnded,
    JobFailed,
    NotAllowed,
    NotFound,
    Refused,
    ServerFault,
    StillRunning,
    TuttiError,
    Unreachable,
)
from tutti_client.fields import JobFields
from tutti_client.models import Accepted, Job, Output, Problem, Upload
from tutti_client.sync import Tutti
from tutti_client.wire import Update

__all__ = [
    "Accepted", "AsyncTutti", "BadAnswer", "Busy", "Conflict", "Corrupt", "InvalidRequest", "Job",
    "JobCancelled", "JobEnded", "JobFailed", "JobFields", "NotAllowed", "NotFound", "Output", "Problem",
    "Refused", "ServerFault", "StillRunning", "Tutti", "TuttiError", "Unreachable", "Update", "Upload",
]  # fmt: skip
