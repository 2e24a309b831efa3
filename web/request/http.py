"""Facts of HTTP that the gateway and the web app both state; each stands here once.

The gateway imports this module alone of the web app, so it imports nothing but the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tasks.jobs import DATED_JOB_ID, JOB_ID, REQUEST_BYTES_MAX
from tasks.settings import Settings

JOB_ID_PATTERN: Final = JOB_ID.pattern.removeprefix("^").removesuffix("$")
DATED_JOB_ID_PATTERN: Final = DATED_JOB_ID.pattern.removeprefix("^").removesuffix("$")
"""The same with the groups `hours` and `moment`, which name the folders that a job's songs lie in."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "mid": "audio/midi",
}
"""The type of each file below /output/, by its ending."""

API_PREFIXES: Final = (
    "/v1/",
    "/generate",
    "/release_task",
    "/query_result",
    "/format_input",
    "/create_random_sample",
    "/output/",
    "/auth/",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
)
"""Below these, errors are problem documents whatever the client accepts: programs ask here."""

KEY_IN_BODY: Final = frozenset(
    {"/release_task", "/query_result", "/format_input", "/create_random_sample", "/v1/create_sample"}
)
"""Here the body may show the key (ACE-Step's `ai_token`), so the handler asks for it, and nobody before."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
"""On every answer, beside the content security policy."""

# A body that nginx passes on has to be one that the web app reads to its end: where the app refuses it midway
# it closes the connection, and nginx counts that as a failure of the node.
JSON_MAX: Final = REQUEST_BYTES_MAX  # of every body but those below
FLOWER_MAX: Final = 1024 * 1024


def upload_max(settings: Settings) -> int:
    """Bytes that an upload of audio may have."""
    return settings.max_body_megabytes * 10**6


def shared_cache_may_keep(settings: Settings) -> bool:
    """Whether a finished file is anyone's; where that takes a key or a signature, it is one person's."""
    return not (settings.keys_required or settings.sign_output)
