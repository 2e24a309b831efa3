"""The vocabulary: what a person asks for, and what becomes of it.

Everything here is plain data: the web app, the ledger, the dispatcher and the worker all speak it, and
nothing here knows of any of them.
"""

from tasks.jobs.ids import BASE32, DATED_JOB_ID, JOB_ID, new_job_id
from tasks.jobs.job import FINAL_STATES, ErrorClass, Failure, Job, JobError, JobState, Lane, Output, Timings
from tasks.jobs.request import (
    ADAPTERS_MAX,
    AUDIO_CODE,
    CODE_MAX,
    KEY_SCALE,
    LYRICS_MAX,
    PROMPT_MAX,
    PROMPT_MIN,
    REQUEST_BYTES_MAX,
    SECONDS_MAX,
    SECONDS_MIN,
    SEED_MAX,
    UPLOAD_ID,
    VARIATIONS_MAX,
    Adapter,
    AdapterName,
    AudioFormat,
    CleanText,
    JobRequest,
    Priority,
    TaskType,
    clean_text,
)

__all__ = [
    "ADAPTERS_MAX",
    "AUDIO_CODE",
    "BASE32",
    "CODE_MAX",
    "DATED_JOB_ID",
    "FINAL_STATES",
    "JOB_ID",
    "KEY_SCALE",
    "LYRICS_MAX",
    "PROMPT_MAX",
    "PROMPT_MIN",
    "REQUEST_BYTES_MAX",
    "SECONDS_MAX",
    "SECONDS_MIN",
    "SEED_MAX",
    "UPLOAD_ID",
    "VARIATIONS_MAX",
    "Adapter",
    "AdapterName",
    "AudioFormat",
    "CleanText",
    "ErrorClass",
    "Failure",
    "Job",
    "JobError",
    "JobRequest",
    "JobState",
    "Lane",
    "Output",
    "Priority",
    "TaskType",
    "Timings",
    "clean_text",
    "new_job_id",
]
