"""One place logs and counts how jobs end, and says in both whose fault it was."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path

import orjson
import pytest

from observability import metrics
from observability.logging import configure
from tasks.ends import counted, log_end
from tasks.jobs import ErrorClass, Failure, Job, JobRequest, JobState, Timings

ROOT = Path(__file__).parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CAUSES = [*ErrorClass]


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.jsonl"
    configure("tutti-test", path)
    yield lambda: [orjson.loads(line) for line in path.read_bytes().splitlines()]
    configure("tutti-test", None, level="error")


def ended(state: JobState, error_class: ErrorClass | None = None, **values) -> Job:
    error = Failure(error_class=error_class, detail="so") if error_class else None
    known = {"id": "t_1", "request": JobRequest(prompt="calm piano"), "created_at": dt.datetime.now(dt.UTC)}
    return Job(state=state, error=error, traceparent=f"00-{TRACE}-b7ad6b7169203331-01", **known | values)


def count(state: JobState, error_class: str = "", ours: str = "") -> float:
    labels = {"state": state, "error_class": error_class, "ours": ours}
    return metrics.ENDS.get_sample_value("tutti_jobs_total", labels) or 0.0


@pytest.mark.parametrize("error_class", CAUSES)
def test_a_failure_leaves_one_line_and_one_count_that_say_whose_fault_it_is(lines, error_class):
    ours = str(error_class.ours).lower()
    before = count(JobState.FAILED, error_class, ours)
    log_end(ended(JobState.FAILED, error_class, attempt=2, worker="gpu0@a"), seconds=1.5)
    (line,) = lines()
    assert (line["event"]["action"], line["event"]["duration"]) == ("job.failed", 1_500_000_000)
    assert line["tutti"]["error"] == {"class": error_class, "ours": error_class.ours}
    assert (line["trace"]["id"], line["tutti"]["gpu"]["id"], line["message"]) == (TRACE, "gpu0@a", "so")
    assert line["log"]["level"] == ("error" if error_class.ours else "info")
    assert count(JobState.FAILED, error_class, ours) == before + 1


def test_a_song_of_its_own_tells_its_stages_and_one_that_was_there_what_it_saved(lines):
    made = ended(JobState.SUCCEEDED, timings=Timings(queue=9.0, denoise=2.0, store=0.5))
    before = count(JobState.SUCCEEDED)
    log_end(made, seconds=3.0, batch={"size": 4})
    log_end(ended(JobState.SUCCEEDED, cache_hit=True), made_by=made)
    first, second = lines()
    assert (first["tutti"]["timings"]["denoise"], first["tutti"]["batch"]["size"]) == (2.0, 4)
    assert "cache" not in first["tutti"]
    assert second["tutti"]["cache"] == {"hit": True, "saved_seconds": 2.5}
    assert "timings" not in second["tutti"]
    assert count(JobState.SUCCEEDED) == before + 2


def test_the_ledgers_counters_are_given_the_labels_that_a_process_gives(ledger):
    from tests.ledgers import accept, register, run

    epoch = register(ledger, slots=9)
    made, *others = accept(ledger, 1 + len(CAUSES))
    assert run(ledger, made, epoch=epoch)
    for job_id, error_class in zip(others, CAUSES, strict=True):
        ledger.workers.claim(job_id, "gpu0@a", epoch)
        ledger.workers.fail(job_id, 1, "gpu0@a", epoch, error_class, "so")
    jobs = [ledger.views.get(job_id) for job_id in (made, *others)]
    before = {name: sample(name) for name in all_labels()}
    for job in jobs:
        log_end(job)
    by_process = {name: sample(name) - before.get(name, 0.0) for name in all_labels()}
    by_ledger = Counter(dict(counted(ledger.views.counters())))
    assert {name: number for name, number in by_process.items() if number} == dict(by_ledger)


def all_labels() -> list[tuple[str, ...]]:
    (family,) = metrics.ENDS.collect()
    return [
        tuple(one.labels[name] for name in metrics.END)
        for one in family.samples
        if one.name.endswith("_total")
    ]


def sample(labels: tuple[str, ...]) -> float:
    return count(*labels)  # type: ignore[arg-type]


def test_nobody_else_logs_or_counts_an_end_or_lists_whose_fault_it_is():
    """A second place would come to differ from the first."""
    told = re.compile(r"""["']job\.(\{|succeeded["'],|failed["'],|cancelled["'],)""")
    for room in ("tasks", "web", "nginx", "compose"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            if path != ROOT / "tasks" / "ends.py":
                assert not told.search(text), path
                assert "metrics.jobs.labels" not in text, path
    for path in (*(ROOT / "observability").rglob("*.py"), *(ROOT / "observability").rglob("*.rules.yml")):
        listed = re.search(r"invalid_request\W+cancelled_by_user", path.read_text())
        assert listed is None, (path, listed)
