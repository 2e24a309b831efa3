"""What is wrong with a field, in plain words.

pydantic's own messages speak to programmers ("Input should be ..."); these speak to whoever filled the form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from web.request.problems import INVALID, INVALID_JSON, Problem


def _number(value: float) -> str:
    """5.0 as 5, and large whole numbers in full."""
    return str(int(value)) if value == int(value) else str(value)


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is not a field of a job; check its spelling",
    "string_type": lambda _: "has to be text",
    "int_type": lambda _: "has to be a whole number",
    "int_parsing": lambda _: "has to be a whole number",
    "int_from_float": lambda _: "has to be a whole number",
    "float_type": lambda _: "has to be a number",
    "float_parsing": lambda _: "has to be a number",
    "finite_number": lambda _: "has to be a finite number",
    "bool_type": lambda _: "has to be true or false",
    "too_short": lambda c: f"needs at least {c['min_length']} characters; describe the music",
    "string_too_short": lambda c: f"needs at least {c['min_length']} characters",
    "too_long": lambda c: f"has {c['actual_length']:,} characters; {c['max_length']:,} are allowed",
    "string_too_long": lambda c: f"has more than {c['max_length']:,} characters",
    "greater_than": lambda c: f"has to be more than {_number(c['gt'])}",
    "greater_than_equal": lambda c: f"has to be {_number(c['ge'])} or more",
    "less_than_equal": lambda c: f"has to be {_number(c['le'])} or less",
    "literal_error": lambda c: f"has to be one of {c['expected']}",
    "enum": lambda c: f"has to be one of {c['expected']}",
    "string_pattern_mismatch": lambda _: "does not have the right form",
    "value_error": lambda c: str(c["error"]),
    "model_type": lambda _: "has to be a JSON object",
}
_LISTS: Final = frozenset({"audio_codes", "timesteps", "seeds", "loras"})  # fields of numbers and things
_COUNTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "too_short": lambda c: f"needs at least {c['min_length']:,} of them",
    "too_long": lambda c: f"has {c['actual_length']:,} of them; {c['max_length']:,} are allowed",
}


def say(item: Mapping[str, Any]) -> str:
    """What one of pydantic's error items means."""
    if item["type"] in _COUNTED and set(item.get("loc", ())) & _LISTS:
        return _COUNTED[item["type"]](item.get("ctx", {}))
    words = _WORDS.get(item["type"])
    return words(item.get("ctx", {})) if words else str(item["msg"])


def of_fields(error: ValidationError) -> dict[str, str]:
    """Each wrong field's name and what is wrong with it; the name of the whole body is `body`."""
    words: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in item["loc"]) or "body"
        words.setdefault(field, say(item))
    return words


def problem_of(error: ValidationError) -> Problem:
    """The problem document of a body that is no valid request."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Problem(INVALID_JSON, f"The body cannot be read as JSON: {first['ctx']['error']}.")
    words = of_fields(error)
    detail = "; ".join(f"{field} {what}" for field, what in words.items()) + "."
    return Problem(
        INVALID, detail, errors=[{"field": field, "detail": what} for field, what in words.items()]
    )
