"""Jobs' states against a model: whatever happens in whatever order, the ledger says what the model says."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasks.jobs import ErrorClass, JobState
from tasks.ledger import Ledger
from tasks.ledger.views.views import Views
from tests.ledgers import Clock, accept_one, register, song

LEASE, ATTEMPTS = 10.0, 3
WORKERS = ("gpu0@a", "gpu1@a")
ENDS = ("finish", "fail", "charged", "uncharged")


@dataclass
class Model:
    state: JobState = JobState.QUEUED
    seed: int | None = None
    attempt: int = 0
    charged: int = 0
    holder: tuple[str, int] | None = None
    cancel: bool = False
    leader: str | None = None

    @property
    def final(self) -> bool:
        return self.state.final


class Jobs(RuleBasedStateMachine):
    """Two workers, a handful of jobs, a few of them equal; time passes only in `wait`."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        url = f"sqlite:///{Path(self.folder.name) / 'ledger.db'}"
        self.ledger = Ledger(url, clock=self.clock, lease_seconds=LEASE, max_attempts=ATTEMPTS)
        self.jobs: dict[str, Model] = {}
        self.ended: dict[str, JobState] = {}
        self.leases: dict[str, tuple[int, float]] = {}
        self.finished: set[int] = set()
        for worker in WORKERS:
            self.register(worker)
        for seed in (None, 1, 1, 2):
            self.accept(seed)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()

    def pick(self, data, state: JobState | None = None) -> str | None:
        ids = [job_id for job_id, job in self.jobs.items() if state in {None, job.state}]
        return data.draw(st.sampled_from(ids)) if ids else None

    def lead(self, seed: int | None) -> str | None:
        """The job in flight that makes this seed's audio."""
        return next(
            (
                i
                for i, j in self.jobs.items()
                if seed is not None and j.seed == seed and not j.final and not j.leader
            ),
            None,
        )

    def end(self, job_id: str, state: JobState) -> None:
        job = self.jobs[job_id]
        job.state, job.holder = state, None
        followers = [other for other in self.jobs.values() if other.leader == job_id and not other.final]
        if state is JobState.SUCCEEDED and job.seed is not None:
            self.finished.add(job.seed)
        if state is JobState.CANCELLED:
            for other in followers[1:]:
                other.leader = next(i for i, j in self.jobs.items() if j is followers[0])
            for other in followers[:1]:
                other.leader = None
            return
        for other in followers:
            other.state = state

    def back(self, job_id: str, charged: bool) -> None:
        job = self.jobs[job_id]
        if job.cancel:
            self.end(job_id, JobState.CANCELLED)
        elif charged and job.charged + 1 >= ATTEMPTS:
            self.end(job_id, JobState.FAILED)
        else:
            job.state, job.holder = JobState.QUEUED, None
            job.charged += charged

    def lose(self, keep) -> None:
        for job_id, job in list(self.jobs.items()):
            if job.state is JobState.RUNNING and not keep(job):
                self.back(job_id, charged=True)

    def holds(self, worker: str) -> bool:
        return worker in self.leases and self.leases[worker][1] > self.clock.now

    @rule(seed=st.sampled_from([None, None, 1, 2]))
    def accept(self, seed) -> None:
        job_id = accept_one(self.ledger, seed=seed)
        job = self.jobs[job_id] = Model(leader=self.lead(seed), seed=seed)
        if seed in self.finished:
            job.state, job.leader = JobState.SUCCEEDED, None

    @rule(worker=st.sampled_from(WORKERS))
    def register(self, worker) -> None:
        epoch = register(self.ledger, worker)
        self.leases[worker] = (epoch, self.clock.now + LEASE)
        self.lose(lambda job: job.holder[0] != worker)

    @rule(worker=st.sampled_from(WORKERS), data=st.data(), again=st.booleans())
    def claim_many(self, worker, data, again) -> None:
        """As a worker does that starts anew and takes what there is."""
        if again:
            self.register(worker)
        for _ in range(3):
            self.claim(worker, data)

    @rule(worker=st.sampled_from(WORKERS), data=st.data())
    def claim(self, worker, data) -> None:
        job_id = self.pick(data, JobState.QUEUED) if data.draw(st.booleans()) else self.pick(data)
        if job_id is None or worker not in self.leases:
            return
        job, epoch = self.jobs[job_id], self.leases[worker][0]
        may = job.state is JobState.QUEUED and job.leader is None and self.holds(worker)
        assert (self.ledger.workers.claim(job_id, worker, epoch) is not None) == may
        if may:
            job.state, job.holder = JobState.RUNNING, (worker, epoch)
            job.attempt += 1

    @rule(
        data=st.data(), how=st.sampled_from(["finish", "fail", "charged", "uncharged"]), stale=st.booleans()
    )
    def end_run(self, data, how, stale) -> None:
        job_id = self.pick(data, JobState.RUNNING)
        if job_id is None:
            return
        job = self.jobs[job_id]
        mine = (job_id, job.attempt - stale, *job.holder)
        if how == "finish":
            done = self.ledger.workers.finish(*mine, [song(job_id)])
        elif how == "fail":
            done = self.ledger.workers.fail(*mine, ErrorClass.INTERNAL, "broken")
        else:
            done = self.ledger.workers.hand_back(*mine, "engine_crash", charged=how == "charged")
        assert done is not stale
        if done and how in {"finish", "fail"}:
            self.end(job_id, JobState.SUCCEEDED if how == "finish" else JobState.FAILED)
        elif done:
            self.back(job_id, charged=how == "charged")

    @rule(data=st.data())
    def cancel(self, data) -> None:
        job_id = self.pick(data)
        if job_id is None:
            return
        job = self.jobs[job_id]
        self.ledger.submissions.cancel(job_id)
        if job.state is JobState.QUEUED:
            self.end(job_id, JobState.CANCELLED)
        elif job.state is JobState.RUNNING:
            job.cancel = True

    @rule(window=st.integers(1, 4))
    def release(self, window) -> None:
        for release in self.ledger.dispatch.release(window):
            job = self.jobs[release.job_id]
            assert (job.state, job.leader) == (JobState.QUEUED, None)

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker) -> None:
        if worker in self.leases:
            epoch = self.leases[worker][0]
            assert self.ledger.workers.renew(worker, epoch).alive == self.holds(worker)
            if self.holds(worker):
                self.leases[worker] = (epoch, self.clock.now + LEASE)

    @rule(seconds=st.sampled_from([1.0, 4.0, 11.0]))
    def wait(self, seconds) -> None:
        self.clock.now += seconds

    @rule()
    def expire(self) -> None:
        self.ledger.dispatch.expire_workers()
        self.lose(lambda job: self.leases[job.holder[0]][0] == job.holder[1] and self.holds(job.holder[0]))
        self.leases = {worker: lease for worker, lease in self.leases.items() if self.holds(worker)}

    @precondition(lambda self: self.jobs)
    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        said = {job_id: snapshot.state for job_id, snapshot in self.ledger.views.snapshots(self.jobs).items()}
        assert said == {job_id: job.state for job_id, job in self.jobs.items()}

    @precondition(lambda self: self.jobs)
    @invariant()
    def final_states_never_change(self) -> None:
        for job_id, state in self.ended.items():
            assert self.jobs[job_id].state is state
        self.ended |= {job_id: job.state for job_id, job in self.jobs.items() if job.final}

    @precondition(lambda self: self.jobs)
    @invariant()
    def what_can_run_waits_in_the_outbox_or_is_out(self) -> None:
        waiting = sum(view.waiting + view.released for view in Views(self.ledger._store).queues())
        queued = [job for job in self.jobs.values() if job.state is JobState.QUEUED and job.leader is None]
        assert waiting == len(queued)

    @precondition(lambda self: self.jobs)
    @invariant()
    def counters_are_right(self) -> None:
        counters = self.ledger.views.counters()
        for state in JobState:
            assert counters.get(state, 0) == sum(job.state is state for job in self.jobs.values())


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
)
