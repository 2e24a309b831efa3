"""The answers that nginx gives by itself: RFC 9457 problem documents for programs, short pages for people."""

from __future__ import annotations

from dataclasses import dataclass

UNREADABLE = {400, 414, 494, 495}


@dataclass(frozen=True)
class Problem:
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
    Problem(400, "bad_request", "Bad request", "The request cannot be read; check its line and headers."),
    Problem(401, "unauthorized", "Key needed", "Send a valid key: 'Authorization: Bearer tutti_...'."),
    Problem(403, "forbidden", "Not allowed", "This address is not open to you."),
    Problem(404, "not_found", "Not found", "There is nothing here; check the address."),
    Problem(405, "method_not_allowed", "Method not allowed", "This address does not take this method."),
    Problem(408, "timeout", "Too slow", "The request did not arrive in time; send it again."),
    Problem(
        410, "link_expired", "Link expired", "This link has expired; ask for the job again to get a new one."
    ),
    Problem(412, "precondition", "It has changed", "What the request names is not here any more."),
    Problem(413, "body_too_large", "Body too large", "The body is larger than this server takes; send less."),
    Problem(414, "bad_request", "Address too long", "The address is too long; send long texts in the body."),
    Problem(416, "range", "No such range", "The file has no such range of bytes."),
    Problem(
        421, "unknown_host", "Not known by this name", "The server is not known by this name (TUTTI_HOSTS)."
    ),
    Problem(429, "rate_limited", "Too many requests", "Slow down and try again after a moment.", retry=True),
    Problem(494, "bad_request", "Headers too large", "The headers are too large; send less.", answer=431),
    Problem(495, "bad_request", "Bad certificate", "The client's certificate was not accepted.", answer=400),
    Problem(
        500, "unavailable", "Not available", "The server cannot check now; try again.", answer=503, retry=True
    ),
    Problem(
        502, "unavailable", "Not available", "No web node answers now; try again.", answer=503, retry=True
    ),
    Problem(503, "unavailable", "Not available", "The server cannot take this now; try again.", retry=True),
    Problem(
        504, "unavailable", "No answer in time", "The web node did not answer in time; try again.", retry=True
    ),
)
