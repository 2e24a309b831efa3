"""Kibana's query language, as much of it as our panels use, made into Elasticsearch's queries.

written from examples of it (elastic/kibana, src/platform/packages/shared/kbn-es-query/grammar/kuery.peggy):
`or` binds weaker than `and`, `not` strongest; `field : value`, `field : (a or b)`, `field : *`, `field >=
number`.
"""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
TOKEN = re.compile(r'\s*(?:(>=|<=|>|<|:|\(|\))|"([^"]*)"|([^\s()":<>=]+))')
RANGES = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, bool]] = []
        place = 0
        while place < len(text.rstrip()):
            found = TOKEN.match(text, place)
            if not found:
                raise ValueError(f"no KQL at {text[place:]!r}")
            sign, quoted, word = found.groups()
            self.tokens.append((quoted if quoted is not None else sign or word, quoted is not None))
            place = found.end()

    def peek(self) -> str:
        word, quoted = self.tokens[0] if self.tokens else ("", True)
        return "" if quoted else word

    def take(self) -> str:
        return self.tokens.pop(0)[0]

    def either(self) -> Json:
        parts = [self.both()]
        while self.peek() == "or":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}}

    def both(self) -> Json:
        parts = [self.single()]
        while self.peek() == "and":
            self.take()
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}

    def single(self) -> Json:
        if self.peek() == "not":
            self.take()
            return {"bool": {"must_not": self.single()}}
        if self.peek() == "(":
            self.take()
            inside = self.either()
            assert self.take() == ")"
            return inside
        return self.compared(self.take())

    def compared(self, field: str) -> Json:
        sign = self.take()
        if sign in RANGES:
            return {"range": {field: {RANGES[sign]: float(self.take())}}}
        assert sign == ":", sign
        if self.peek() == "*":
            self.take()
            return {"exists": {"field": field}}
        values = [self.take()] if self.peek() != "(" else self.listed()
        parts: list[Json] = [{"match_phrase": {field: value}} for value in values]
        return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}}

    def listed(self) -> list[str]:
        self.take()
        values = [self.take()]
        while (word := self.take()) != ")":
            assert word == "or"
            values.append(self.take())
        return values


def query(text: str) -> Json:
    """The Elasticsearch query for this KQL; all lines where there is none."""
    if not text.strip():
        return {"match_all": {}}
    reader = _Reader(text)
    made = reader.either()
    assert not reader.tokens, f"left over: {reader.tokens}"
    return made
