"""A process that accepts jobs as a web process does and says so: `python -m tests.faults.submit URL`."""

from __future__ import annotations

import sys

from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import Ledger, NewJob


def submit(url: str) -> None:
    """Accept one job after the other until killed; an id is printed when its job is accepted."""
    ledger = Ledger(url)
    while True:
        request = JobRequest(prompt="a plain tone", duration=5)
        answer = ledger.accept(NewJob(id=new_job_id("a"), request=request, model_queue="tone@1"))
        print(answer.result(30).job.id, flush=True)


if __name__ == "__main__":
    submit(sys.argv[1])
