"""The canary: a share of the clients tries another version, and it ends by itself when it does worse.

`look` is called every few seconds by whoever leads (the dispatcher); it compares the lanes' finished jobs.
"""

from __future__ import annotations

import statistics
import threading
from typing import Protocol

from observability.logging import get_logger
from tasks.ledger import Canary, Sample

log = get_logger()

# The lanes are compared again and again, so a difference has to be far beyond chance before it counts.
CHANCE = 0.001
SLOWER = 1.3  # the canary's median over the stable lane's, in seconds of compute a second of audio
LEAST_JOBS = 8
LEAST_TIMES = 12
JUDGE_SECONDS = 5.0


class Lanes(Protocol):
    """Where the canary and the finished jobs are kept: `Ledger.canaries`."""

    def get(self) -> Canary | None:
        """Give the canary, stopped or not."""

    def sample(self, lane: str, since: float) -> Sample:
        """Give what ended in a lane since then."""

    def stop(self, reason: str) -> None:
        """Send no more clients there."""


def judge(stable: Sample, canary: Sample) -> str | None:
    """Say why the canary has to stop, or None.

    Failures are compared by Fisher's exact test, paces by the rank test of Mann and Whitney.
    """
    return _fails_more(stable, canary) or _is_slower(stable, canary)


def _fails_more(stable: Sample, canary: Sample) -> str | None:
    import numpy as np
    from scipy.stats import fisher_exact

    if canary.jobs < LEAST_JOBS or stable.jobs < LEAST_JOBS:
        return None
    table = np.array([[lane.failed, lane.jobs - lane.failed] for lane in (canary, stable)])
    if fisher_exact(table, alternative="greater").pvalue >= CHANCE:
        return None
    return (
        f"{canary.failed} of {canary.jobs} jobs failed, {stable.failed} of {stable.jobs} in the stable lane"
    )


def _is_slower(stable: Sample, canary: Sample) -> str | None:
    from scipy.stats import mannwhitneyu

    if min(len(stable.times), len(canary.times)) < LEAST_TIMES:
        return None
    theirs, ours = statistics.median(stable.times), statistics.median(canary.times)
    if (
        ours < theirs * SLOWER
        or mannwhitneyu(canary.times, stable.times, alternative="greater").pvalue >= CHANCE
    ):
        return None
    return f"{ours:.3g} s of compute a second of audio (median), {theirs:.3g} s in the stable lane"


def judge_once(lanes: Lanes) -> str | None:
    """Compare the lanes once and stop the canary where it does worse; the answer is the reason."""
    canary = lanes.get()
    if canary is None or not canary.active:
        return None
    reason = judge(lanes.sample("stable", canary.since), lanes.sample("canary", canary.since))
    if reason:
        lanes.stop(reason)
        log.warning(
            "canary.stopped", message=f"canary {canary.version} stopped: {reason}", tutti={"lane": "canary"}
        )
    return reason


def judge_until(lanes: Lanes, ended: threading.Event, seconds: float = JUDGE_SECONDS) -> None:
    """Judge again and again until `ended`. Several may do so at once: a canary stops only once."""
    while not ended.wait(seconds):
        try:
            judge_once(lanes)
        except Exception:  # the ledger may be away; a canary that cannot be judged goes on
            log.warning("canary.not_judged", message="the lanes' jobs cannot be read", exc_info=True)
