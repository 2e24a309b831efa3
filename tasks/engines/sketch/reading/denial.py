"""Which of the things said are refused: by a denial, a correction, or because they were taken back.

"Not 140 bpm, rather 90"; "piano instead of guitar"; "120, no wait, 95 bpm"; 把吉他换成钢琴; 鼓不要.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from tasks.engines.sketch.reading import clauses
from tasks.engines.sketch.reading.clauses import Span, words
from tasks.engines.sketch.reading.mention import Mention, Mentions
from tasks.engines.sketch.reading.phrases import any_of, with_slots
from tasks.engines.sketch.reading.tempi import about

LESS = re.compile(r"-?less\b|[\s-]free\b")  # "drumless", "drum-free"
LEFT_OPEN = frozenset({"instrument", "refused", "genre"})  # by a hedge: "less drums" are some
ONE_ONLY = frozenset({"bpm", "key", "mode", "metre", "genre", "tempo"})  # a song has one
RETRACTED_FROM, RETRACTED_TO = (
    16,
    24,
)  # letters between what is taken back, the word for it, and what is meant


@cache
def _corrections() -> tuple[re.Pattern[str], ...]:
    return tuple(with_slots(phrase) for phrase in words("correction"))


@cache
def _retractions() -> re.Pattern[str]:
    return re.compile(any_of(words("retraction")))


@cache
def _afterwards() -> tuple[re.Pattern[str], re.Pattern[str]]:
    between = rf"\s*[:?=，-]*\s*(?:{any_of(words('between'))}\s*)*"
    end = rf"(?=\s*(?:$|{clauses.PUNCTUATION}|{any_of(words('ends'))}))"
    after = any_of(words("after"))
    plain = f"{between}{after}{end}"
    return re.compile(plain), re.compile(f"{plain}|{between}{any_of(words('after_tempo'))}")


@cache
def _turns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What stands between two tempi of which the second is meant; what stands before a bound."""
    little = any_of((*words("skip"), *about(), *words("between")))
    turn = any_of(words("turns"), beside_digits=True)
    gap = rf"[\s,;:.!?()，。；]*(?:{little}[\s,]*)*(?:{turn}[\s,:]*)+(?:{little}\s*)*(?:\w+\s+)?[\s,]*"
    return re.compile(gap), re.compile(rf"{any_of(words('bounds'))}\s*(?:{little}\s*)*$")


class Denials:
    """What a text refuses, asked about one mention at a time."""

    def __init__(self, text: str, facts: Mentions) -> None:
        self._text, self._facts = text, sorted(facts, key=lambda fact: (fact.start, fact.end))
        self._harmless = [match.span() for match in clauses.harmless().finditer(text)]
        found = [
            match
            for match in clauses.openers().finditer(text)
            if not any(a <= match.start() < b for a, b in self._harmless)
        ]
        keep = [*self._harmless, *(match.span() for match in found)]
        self._parts = clauses.clauses(text, keep=keep)
        self._refused: list[Span] = []
        self._hedged: list[Span] = []
        self._asked: list[Span] = []
        for match in found:
            if clauses.near(self._facts, match.end(), match.group()):
                spans = clauses.reach(text, self._facts, self._begin(match), self._parts)
                (self._hedged if match["hedge"] else self._refused).extend(spans)
        self._correct()
        self._after = self._refused_afterwards()
        self._retract()
        self._turn()

    def _begin(self, match: re.Match[str]) -> int:
        """Where a refusal begins: "not very fast" takes the "very" of "very fast" as its own."""
        inside = [f.start for f in self._facts if match.start() < f.start < match.end() < f.end]
        return min(inside, default=match.end())

    def refuses(self, fact: Mention[object]) -> bool:
        """Whether a thing said is not wanted."""
        return self._is_refused(fact) or (fact.kind not in LEFT_OPEN and _within(self._hedged, fact))

    def leaves_open(self, fact: Mention[object]) -> bool:
        """Whether less of it is wanted, which is neither asked for nor refused."""
        return fact.kind in LEFT_OPEN and not self._is_refused(fact) and _within(self._hedged, fact)

    def _is_refused(self, fact: Mention[object]) -> bool:
        if fact in self._after:
            return True
        return _within(self._refused, fact) and not _within(self._asked, fact)

    def _correct(self) -> None:
        for pattern in _corrections():
            for match in pattern.finditer(self._text):
                self._asked.append(match.span("yes"))
                for name in match.re.groupindex:
                    if name.startswith("no"):
                        start, end = match.span(name)
                        reach = clauses.reach(self._text, self._facts, start, [(start, end)])
                        self._refused.extend(reach)

    def _refused_afterwards(self) -> set[Mention[object]]:
        plain, tempo = _afterwards()
        found: set[Mention[object]] = set()
        following: Mention[object] | None = None
        for fact in reversed(self._facts):
            behind = self._text[fact.end : fact.end + 40]
            listed = following in found and following is not None and self._listed(fact, following)
            pattern = tempo if fact.kind in {"bpm", "tempo"} else plain
            match = LESS.match(behind) or pattern.match(behind)
            if listed or (match and not self._is_harmless(fact.end, fact.end + match.end())):
                found.add(fact)
            following = fact
        return found

    def _listed(self, fact: Mention[object], following: Mention[object]) -> bool:
        """Whether two things stand in one list; a comma alone makes none."""
        gap = self._text[fact.end : following.start]
        joined = gap.strip(" ,") != "" and bool(clauses.list_goes_on().fullmatch(gap))
        return joined and fact.kind == following.kind

    def _retract(self) -> None:
        """Take back what stands before "no wait" and its like, where another of its kind comes after."""
        for match in _retractions().finditer(self._text):
            if _covered(self._harmless, match.start()) and not self._is_own(match):
                continue
            for kind in {fact.kind for fact in self._facts}:
                standing = [f for f in self._facts if f.kind == kind and not self._is_refused(f)]
                before = [f for f in standing if f.end <= match.start()]
                after = [f for f in standing if f.start >= match.end()]
                if not before or not after or after[0].start - match.end() > RETRACTED_TO:
                    continue
                if kind in ONE_ONLY:
                    self._after.update(before)
                elif match.start() - before[-1].end <= RETRACTED_FROM and kind == "instrument":
                    self._after.add(before[-1])

    def _turn(self) -> None:
        """Of two tempi the later where one becomes it: "from 140 bpm down to 90 bpm", "140 bpm → 90 bpm"."""
        gap, bound = _turns()
        said = [fact for fact in self._facts if fact.kind == "bpm"]
        for first, then in pairwise(said):
            if gap.fullmatch(self._text, first.end, then.start) and not self._is_refused(then):
                self._after.add(first)
        standing = [fact for fact in said if not self._is_refused(fact)]
        bounds = [fact for fact in standing if bound.search(self._text[max(0, fact.start - 40) : fact.start])]
        if len(bounds) < len(standing):
            self._after.update(bounds)

    def _is_harmless(self, start: int, end: int) -> bool:
        return any(start <= a < end < b for a, b in self._harmless)

    def _is_own(self, match: re.Match[str]) -> bool:
        return match.span() in self._harmless


def _within(spans: list[Span], fact: Mention[object]) -> bool:
    return any(a <= fact.start < b for a, b in spans)


def _covered(spans: list[Span], place: int) -> bool:
    return any(a <= place < b for a, b in spans)
