"""The steps from keywords to one line of JSON in the shape of the Elastic Common Schema."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import orjson

from observability.redact import scrub, without_secrets

MESSAGE_MAX = 8_192
STACK_MAX = 16_384
OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

Fields = dict[str, Any]


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> Fields:
    """`top` over `base`, objects merged field by field; neither is changed."""
    merged = dict(base)
    for name, value in top.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if type(below) is dict and type(value) is dict else value
    return merged


def add_exception(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Fields:
    """Turn `exc_info` into `error.*`, without the secrets that exceptions like to repeat."""
    failure = fields.pop("exc_info", None)
    if failure is True or isinstance(failure, tuple):
        failure = failure[1] if isinstance(failure, tuple) else sys.exc_info()[1]
    if isinstance(failure, BaseException):
        stack = "".join(traceback.format_exception(failure))[-STACK_MAX:]
        told = {"type": type(failure).__name__, "message": str(failure)[:MESSAGE_MAX], "stack_trace": stack}
        fields["error"] = {**told, **fields.get("error", {})}
    return cast("Fields", fields)


def drop_secrets(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Fields:
    """Leave out secret fields and people's words, in case a caller forgot."""
    clean = without_secrets(cast("Fields", fields))
    told = clean.get("error")
    if type(told) is dict:  # some callers format their exceptions themselves
        clean["error"] = {name: scrub(text) if type(text) is str else text for name, text in told.items()}
    return clean


def render(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> bytes:
    """Write one line, whatever is in the fields."""
    try:
        return orjson.dumps(fields, default=str, option=OPTIONS)
    except TypeError:  # lone surrogates, and integers beyond 64 bits, which Elasticsearch cannot hold
        return orjson.dumps(_plain(fields), default=str, option=OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(_plain(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
