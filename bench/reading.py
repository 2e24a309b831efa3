"""How many prompts the sketch engine reads right, of the corpus in tests/, and how long it takes for one.

The open part was there while the reader was made. The held-out part was written with it and never tuned on,
so its misses are counted and not shown.
"""

from __future__ import annotations

import time

from tasks.engines.sketch.reading import read
from tasks.jobs import JobRequest
from tests.unit.tasks.engines.sketch.corpus import HELD_OUT, OPEN, misread, rows


def main() -> None:
    """Print the shares."""
    parts = {"open, English": OPEN[:1], "open, Chinese": OPEN[1:], "open": OPEN, "held out": HELD_OUT}
    for title, names in {**parts, "all": (*OPEN, *HELD_OUT)}.items():
        corpus = [row for name in names for row in rows(name)]
        wrong = [(row["says"], faults) for row in corpus if (faults := misread(row))]
        right = len(corpus) - len(wrong)
        print(f"{title:15} {right:3} of {len(corpus):3} read right, {right / len(corpus):.1%}")
        if title == "open":
            for says, faults in wrong:
                print(f"    {says!r}: {'; '.join(faults)}")
    requests = [JobRequest(prompt=row["says"]) for name in (*OPEN, *HELD_OUT) for row in rows(name)]
    begin = time.perf_counter()
    for request in requests:
        read(request)
    print(f"{(time.perf_counter() - begin) / len(requests) * 1000:.2f} ms a prompt")
