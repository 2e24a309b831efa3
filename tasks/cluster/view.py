"""The parts of a cluster, each with a state of its own and its cause in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.cluster.report import SILENT_SECONDS
from tasks.ledger import Ledger, PartView, QueueView, WorkerView

STATES: Final = {
    "gateway": ("ready", "blind", "silent"),
    "web": ("ready", "unwell", "silent"),
    "dispatch": ("leads", "stands by", "no broker", "silent"),
    "worker": (
        "ready", "loading", "no ledger", "no broker", "no storage", "no engine",
        "draining", "cordoned", "silent",
    ),
}  # fmt: skip
"""Every state that a part of each kind may be in."""

WELL: Final = frozenset({"ready", "loading", "leads", "stands by", "draining", "cordoned"})
Answering = Callable[[Sequence[str]], Collection[str]]
"""Of these workers, those that answer through the broker."""


@dataclass(frozen=True, kw_only=True)
class PartState:
    """One part: `silent_seconds` since its last word; `reason` says what is the matter."""

    kind: str
    name: str
    node: str
    version: str
    state: str
    reason: str | None
    silent_seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether nobody need look after it."""
        return self.state in WELL


@dataclass(frozen=True, kw_only=True)
class ClusterView:
    """All parts, what the broker's state is as far as anybody knows, and what is wrong, in sentences."""

    parts: Sequence[PartState]
    broker: str
    workers: Sequence[WorkerView]
    queues: Sequence[QueueView]
    troubles: Sequence[str]

    def of(self, kind: str) -> list[PartState]:
        """The parts of a kind."""
        return [part for part in self.parts if part.kind == kind]

    def count(self, kind: str) -> dict[str, int]:
        """How many parts of a kind are in each state that there is, those in which none is included."""
        states = [part.state for part in self.of(kind)]
        return {state: states.count(state) for state in STATES[kind]}

    @property
    def storage(self) -> dict[str, dict[str, Any]]:
        """What each machine says of its storage."""
        found = sorted(
            (part for part in self.parts if part.state != "silent"), key=lambda part: -part.silent_seconds
        )
        return {part.node: part.facts["storage"] for part in found if part.facts.get("storage")}


def survey(ledger: Ledger, answering: Answering = lambda _: ()) -> ClusterView:
    """See the cluster as it is now.

    Args:
        ledger: What all of them write to.
        answering: Asked of workers that the ledger does not hear any more.

    Raises:
        LedgerUnavailable: It cannot be read, so that nothing is known.
    """
    now, said = ledger.now(), ledger.parts.all()
    workers, queues = ledger.views.workers(), ledger.views.queues()
    told = {part.id: part for part in said}
    missed = [worker for worker in workers if not worker.alive and not worker.retired]
    here = set(answering([worker.id for worker in missed])) if missed else set()
    known = [worker for worker in workers if not worker.retired]
    parts = [
        *(_part(part, now) for part in said if part.kind != "worker"),
        *(_worker(worker, told.get(worker.id), now, here) for worker in known),
    ]
    return ClusterView(
        parts=parts,
        broker=_broker(parts),
        workers=workers,
        queues=queues,
        troubles=_troubles(parts),
    )


def _part(part: PartView, now: float) -> PartState:
    silent = max(0.0, now - part.seen_at)
    lost = silent > SILENT_SECONDS
    reason = _silence(silent) if lost else part.reason
    return PartState(
        kind=part.kind,
        name=part.node,
        node=part.node,
        version=part.version,
        state="silent" if lost else part.state,
        reason=reason,
        silent_seconds=silent,
        facts=part.facts,
    )


def _worker(worker: WorkerView, said: PartView | None, now: float, here: Collection[str]) -> PartState:
    silent = max(0.0, now - worker.seen_at)
    state, reason = _state_of(worker, said, silent, here)
    return PartState(
        kind="worker",
        name=worker.id,
        node=worker.node,
        version=said.version if said else "",
        state=state,
        reason=reason,
        silent_seconds=silent,
        facts=(said.facts if said else {}) | {"running": worker.running, "slots": worker.slots},
    )


def _state_of(
    worker: WorkerView, said: PartView | None, silent: float, here: Collection[str]
) -> tuple[str, str | None]:
    if not worker.alive:
        if worker.id in here:
            return "no ledger", f"it answers through the broker, but not in the ledger for {silent:.0f} s"
        return "silent", _silence(silent)
    if not worker.queues:
        return "draining", "it was told to end"
    if said and said.cordoned:
        return "cordoned", f"it takes no jobs until: tutti uncordon {worker.id}"
    return (said.state, said.reason) if said else ("ready", None)


def _silence(seconds: float) -> str:
    return f"no word for {seconds:.0f} s: its host is down or cut off, or it hangs"


def _broker(parts: Sequence[PartState]) -> str:
    """What the active dispatcher says of the broker, or else what workers do."""
    speak = [part for part in parts if part.kind == "dispatch" and part.state in {"leads", "no broker"}]
    if any(part.state == "leads" for part in speak):
        return "answers"
    if speak:
        return speak[0].reason or "does not answer"
    workers = {part.state for part in parts if part.kind == "worker" and part.well}
    return "answers workers; no dispatcher leads" if workers else "unknown: no dispatcher leads"


def _troubles(parts: Sequence[PartState]) -> list[str]:
    found = [f"{part.kind} {part.name}: {part.state}; {part.reason}" for part in parts if not part.well]
    if not any(part.kind == "dispatch" and part.state in {"leads", "no broker"} for part in parts):
        found.append("no dispatcher leads: jobs wait in the ledger; start one with `tutti dispatch`")
    if not any(part.kind == "worker" and part.state in {"ready", "loading"} for part in parts):
        found.append("no worker takes jobs: they wait in the ledger")
    versions = sorted({part.version for part in parts if part.version})
    if len(versions) > 1:
        found.append(f"different versions at once: {', '.join(versions)}")
    return found
