"""The answers that nginx gives by itself: RFC 9457 problem documents for programs, short pages for people."""

from __future__ import annotations

from dataclasses import dataclass

UNREADABLE = {400, 414, 494, 495}


@dataclass(frozen=True)
class NginxError:
    """One error of nginx. `status` is what nginx found, `answer` what the client gets."""

    status: int
    slug: str
    title: str
    detail: str
    answer: int = 0
    retry: bool = False

    @property
    def place(self) -> str:
        """Where nginx finds the answer. Without a readable address it cannot enter a named location."""
        return f"/-/problem/{self.status}" if self.status in UNREADABLE else f"@$tutti_error-{self.status}"

    @property
    def code(self) -> int:
        """The status code sent."""
        return self.answer or self.status


PROBLEMS = (
    NginxError(400, "bad_request", "Bad request", "The request cannot be read; check its line and headers."),
    NginxError(401, "unauthorized", "Key needed", "Send a valid key: 'Authorization: Bearer tutti_...'."),
    NginxError(403, "forbidden", "Not allowed", "This address is not open to you."),
    NginxError(404, "not_found", "Not found", "There is nothing here; check the address."),
    NginxError(405, "method_not_allowed", "Method not allowed", "This address does not take this method."),
    NginxError(408, "timeout", "Too slow", "The request did not arrive in time; send it again."),
    NginxError(
        410, "link_expired", "Link expired", "This link has expired; ask for the job again to get a new one."
    ),
    NginxError(412, "precondition", "It has changed", "What the request names is not here any more."),
    NginxError(
        413, "body_too_large", "Body too large", "The body is larger than this server takes; send less."
    ),
    NginxError(
        414, "bad_request", "Address too long", "The address is too long; send long texts in the body."
    ),
    NginxError(416, "range", "No such range", "The file has no such range of bytes."),
    NginxError(
        421, "unknown_host", "Not known by this name", "The server is not known by this name (TUTTI_HOSTS)."
    ),
    NginxError(
        429, "rate_limited", "Too many requests", "Slow down and try again after a moment.", retry=True
    ),
    NginxError(494, "bad_request", "Headers too large", "The headers are too large; send less.", answer=431),
    NginxError(
        495, "bad_request", "Bad certificate", "The client's certificate was not accepted.", answer=400
    ),
    NginxError(
        500, "unavailable", "Not available", "The server cannot check now; try again.", answer=503, retry=True
    ),
    NginxError(
        502, "unavailable", "Not available", "No web node answers now; try again.", answer=503, retry=True
    ),
    NginxError(
        503, "unavailable", "Not available", "The server cannot take this now; try again.", retry=True
    ),
    NginxError(
        504, "unavailable", "No answer in time", "The web node did not answer in time; try again.", retry=True
    ),
)
