"""What never reaches a log line: prompt text, lyrics, keys, passwords, signed queries.

Callers are asked not to log these; this module makes sure of it, for our own lines by the names of their
fields and for text of others (libraries' messages, stack traces) by its shape.
"""

from __future__ import annotations

import re
from typing import Any

SECRET_NAMES = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "api_key",
        "apikey",
        "password",
        "secret",
        "token",
        "access_token",
        "signature",
        "csrf",
        "callback_url",
        "broker_url",
        "ledger_url",
    }
)
# Objects of these names hold counts and hashes (`tutti.prompt.chars`); text is what a person wrote.
TEXT_NAMES = frozenset({"prompt", "lyrics", "caption", "query"})
DROPPED = frozenset(
    spelling for name in SECRET_NAMES | TEXT_NAMES for spelling in (name, name.title(), name.upper())
)

_IN_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic|apikey)\s+[\w.~+/=-]{6,}"), r"\1 [removed]"),
    (
        re.compile(
            r"(?i)\b(api[_-]?key|sig(?:nature)?|token|password|secret|expires|md5|csrf)"
            r"(['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&,;)}\]]+)"
        ),
        r"\1\2[removed]",
    ),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), "[removed]"),
    # pydantic repeats the input, SQLAlchemy the parameters, and either may be a prompt
    (re.compile(r"(?s)input_value=.*?, input_type="), "input_value=[removed], input_type="),
    (re.compile(r"(?s)\[parameters: .*?\](?=\n|$)"), "[parameters removed]"),
    (
        re.compile(
            r"(?i)(['\"](?:prompt|lyrics|caption)['\"]\s*:\s*)(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
        ),
        r"\1[removed]",
    ),
)


def without_secrets(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave secret fields out of a nested dictionary.

    Args:
        fields: One line's fields. Dictionaries inside are cleaned too; lists hold plain values.

    Returns:
        The same dictionary if it holds none, else a new one; the caller's are never changed.
    """
    if _is_clean(fields):
        return fields
    return {
        name: without_secrets(value) if type(value) is dict else value
        for name, value in fields.items()
        if type(value) is dict or name not in DROPPED
    }


def _is_clean(fields: dict[str, Any]) -> bool:
    """Whether there is nothing to leave out; nearly always so, and quick, for this runs for every line."""
    for name, value in fields.items():
        if type(value) is dict:
            if not _is_clean(value):
                return False
        elif name in DROPPED:
            return False
    return True


def scrub(text: str) -> str:
    """Text of somebody else without what looks like a secret or like a person's words."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text
