"""Where a denial holds: from its word to the end of its clause, or to the word that takes it back.

"No drums, calm piano" denies the drums alone; "without drums or bass" both; "not too fast" the speed alone.
"""

from __future__ import annotations

import re

ENDS = re.compile(
    r"[,.;:!?()\[\]\n，。；：！？（）]|\b(?:but|yet|though|although|however|instead|rather)\b|但是|但|而是|不过|只要"
)
# "with" after a denial asks again: "without drums with piano"; "just" and "only" too.
RETURNS = re.compile(
    r"\S\s*(?P<back>\b(?:with|just|only|plus|featuring|use|add|at|in)\b|加上|加|带有|只有|用|有|的)"
)
DENIALS = re.compile(
    r"\b(?:no|not|without|w/o|minus|sans|never|avoid|avoiding|exclude|excluding|except|lacking|lacks|omit|skip"
    r"|remove|leave out|free of|devoid of|don'?t (?:want|use|add|include|need)"
    r"|do not (?:want|use|add|include|need)|nor)\b"
    r"|不要|没有|不用|不带|不含|不需要|不想要|无需|去掉|去除|别用|别加|除了|请勿|不太|不是|不|没|无|别"
)
# Said with a denial's word, these deny nothing.
ASSERTIONS = re.compile(
    r"\b(?:not (?:only|just|merely)|no (?:doubt|problem|less|matter|one|wonder)|nothing but"
    r"|without (?:a )?doubt)\b|不仅|不只|不但|无比|无限|无尽|不错|无伴奏|不断"
)
AFTERWARDS = re.compile(r"^[\s-]*(?:less|free)\b")  # "drumless", "drum-free"
LIST_GOES_ON = re.compile(r"^\s*(?:and\s+)?(?:or|nor)\b|^\s*或")

Span = tuple[int, int]


def clauses(text: str) -> list[Span]:
    """The text's clauses, without what ends them."""
    spans, start = [], 0
    for end in ENDS.finditer(text):
        if _inside_number(text, end):
            continue
        spans.append((start, end.start()))
        start = end.end()
    return [*spans, (start, len(text))]


def denied(text: str) -> list[Span]:
    """The parts of the text that a denial holds over."""
    found = []
    parts = clauses(text)
    for index, (start, end) in enumerate(parts):
        asserted = [match.span() for match in ASSERTIONS.finditer(text, start, end)]
        for denial in DENIALS.finditer(text, start, end):
            if any(a <= denial.start() < b for a, b in asserted):
                continue
            back = RETURNS.search(text, denial.end(), end)
            found.append((denial.start(), back.start("back") if back else end))
            if back is None:
                found.extend(_rest_of_list(text, parts[index + 1 :]))
    return found


def holds(spans: list[Span], start: int, end: int, text: str) -> bool:
    """Whether the words at start..end are denied, by a span or by a "-less" behind them."""
    return any(a <= start < b for a, b in spans) or bool(AFTERWARDS.match(text[end : end + 6]))


def _rest_of_list(text: str, parts: list[Span]) -> list[Span]:
    """Find the short clauses up to the one that begins with `or`: "no drums, bass, or strings"."""
    for count, (start, end) in enumerate(parts[:4]):
        if LIST_GOES_ON.match(text[start:end]):
            return parts[: count + 1]
        if len(text[start:end].split()) > 2:
            break
        if re.search(r"\b\w+ or \w+", text[start:end]):
            return parts[: count + 1]
    return []


def _inside_number(text: str, end: re.Match[str]) -> bool:
    before, after = text[end.start() - 1 : end.start()], text[end.end() : end.end() + 1]
    return end.group() in {".", ","} and before.isdigit() and after.isdigit()
