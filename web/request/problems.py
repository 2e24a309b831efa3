"""Problem documents (RFC 9457): every error the API gives, each with a type that never changes.

The types are relative references, `/problems/<slug>`; that page of the web app explains them. Clients
compare the type, people read the title and the detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
PATH_SAFE = "/-._~!$&'()*+,;=:@"  # RFC 3986: what a path may hold as it is


@dataclass(frozen=True)
class Kind:
    """One type of problem: what it is called, its status, and its meaning for a person."""

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def uri(self) -> str:
        """The stable `type` of the document."""
        return f"/problems/{self.slug}"


INVALID_JSON = Kind("invalid_json", 400, "The body is not JSON", "Send one JSON object, UTF-8, not nested.")
BAD_REQUEST = Kind(
    "bad_request", 400, "The request cannot be read", "The detail names what is wrong with it."
)
UNAUTHORIZED = Kind("unauthorized", 401, "A key is needed", "Send a valid key: Authorization: Bearer <key>.")
FORBIDDEN = Kind("forbidden", 403, "Not allowed", "The key or session may not do this.")
NOT_FOUND = Kind("not_found", 404, "There is nothing here", "The address is wrong, or the thing has expired.")
UNKNOWN_JOB = Kind("unknown_job", 404, "No such job", "The id is wrong, or the job has expired.")
METHOD = Kind("method_not_allowed", 405, "Wrong method", "The header Allow lists the methods that work.")
NOT_READY = Kind("not_ready", 503, "Not ready", "A part that is needed is away; the detail names it.")
IDEMPOTENCY = Kind(
    "idempotency_conflict", 409, "The key was used for another request", "Use a new Idempotency-Key."
)
WRONG_STATE = Kind("wrong_state", 409, "Too late for that", "The job is in a state that does not allow this.")
LINK_EXPIRED = Kind("link_expired", 410, "The link has expired", "Ask for the job again to get a new one.")
UNKNOWN_HOST = Kind(
    "unknown_host", 421, "Not known by this name", "Whoever runs this server can add the name: TUTTI_HOSTS."
)
PRECONDITION = Kind(
    "precondition", 412, "It has changed", "What If-Match or If-Unmodified-Since names is not here any more."
)
TOO_LARGE = Kind("body_too_large", 413, "The body is too large", "The detail gives the limit.")
MEDIA = Kind("unsupported_media_type", 415, "Wrong content type", "Send Content-Type: application/json.")
RANGE = Kind("range", 416, "No such range", "The range starts beyond the end of the file.")
INVALID = Kind(
    "invalid_request", 422, "The request is not valid", "`errors` names each field and what to do."
)
RATE_LIMITED = Kind("rate_limited", 429, "Too many requests", "Wait for the seconds in Retry-After.")
QUOTA = Kind("quota_exceeded", 429, "The quota is used up", "Wait for the seconds in Retry-After.")
INTERNAL = Kind("internal", 500, "Something broke here", "Give the trace id to whoever runs this server.")
QUEUE_FULL = Kind("queue_full", 503, "Too many songs are waiting", "Try again after Retry-After seconds.")
UNAVAILABLE = Kind("unavailable", 503, "Not available now", "Try again after Retry-After seconds.")
NO_MODEL = Kind(
    "no_language_model", 503, "No language model is served", "This needs a model that is not here."
)
JOB_FAILED = Kind("job_failed", 500, "The song could not be made", "`error_class` and the detail say why.")
TIMEOUT = Kind("timeout", 504, "The song is not finished yet", "It goes on; ask for the job by its id.")

KINDS = {kind.slug: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
_BY_STATUS = {
    400: BAD_REQUEST, 401: UNAUTHORIZED, 403: FORBIDDEN, 404: NOT_FOUND, 405: METHOD, 412: PRECONDITION,
    413: TOO_LARGE,
    415: MEDIA, 416: RANGE, 421: UNKNOWN_HOST, 422: INVALID, 429: RATE_LIMITED, 503: UNAVAILABLE,
}  # fmt: skip


class Problem(Exception):
    """An answer that is an error.

    Args:
        kind: The type of problem.
        detail: What happened this time and what to do, for a person.
        headers: More headers, such as Retry-After.
        reason: The word in `job.refused` lines, where a job was refused.
        extra: More members of the document, such as `errors`.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.reason = reason or kind.slug
        self.extra = extra

    def document(self, *, path: str, trace_id: str | None) -> dict[str, Any]:
        """The members of the document for one request."""
        members: dict[str, Any] = {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": quote(path, safe=PATH_SAFE),
        }
        return members | ({"trace_id": trace_id} if trace_id else {}) | self.extra

    def response(self, *, path: str, trace_id: str | None) -> Response:
        """The whole answer."""
        body = orjson.dumps(self.document(path=path, trace_id=trace_id))
        headers = {"cache-control": "no-store"} | self.headers
        return Response(body, self.kind.status, headers, media_type=MEDIA_TYPE)


def internal() -> Problem:
    """What is told of a mistake of our own."""
    return Problem(INTERNAL, "The server made a mistake. It has been logged under this trace id.")


def of_status(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an error that only has a status, such as those of the router."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = (
            INTERNAL if status >= 500 else Kind("bad_request", status, BAD_REQUEST.title, BAD_REQUEST.meaning)
        )
    return Problem(kind, detail or kind.meaning, headers=headers)
