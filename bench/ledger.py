"""What the ledger asks of PostgreSQL: a job's statements, an idle cell's, and how many finishes a second.

A job goes by itself through all that is written of it (accepted, released, claimed, its lease renewed once,
finished), so that nothing is shared with others. The idle cell is a dispatcher and three workers, real
processes. Finishes are of one model, by as many workers as there are, each with a process of its own; each
finish is a compare-and-set that is durable when it is answered. Beside them pgbench writes a row a
transaction with as many clients: what this server does at most where each writes for itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.cell import Cell
from tasks.jobs import JobRequest, Output, new_job_id
from tasks.ledger import Ledger, NewJob, WorkerInfo
from tests.servers import valkey
from tests.servers.postgresql import Postgresql, program
from tests.servers.surroundings import PASSED

QUEUE = "tone@1"
JOBS = 200
WORKERS, IDLE_SECONDS = 3, 20.0
FINISHERS, THREADS, FINISHES = 4, 64, 2_000
PRELOAD = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top")
TOTALS = """
SELECT sum(calls), sum(wal_bytes),
    sum(total_exec_time + total_plan_time) FILTER (WHERE query NOT SIMILAR TO '(COMMIT|CREATE|ALTER|NOTIFY)%')
FROM pg_stat_statements
WHERE query NOT LIKE '%pg_stat_%'
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
INSERT = "INSERT INTO rows (job) VALUES (:client_id);\n"


def main() -> None:
    server = Postgresql(*PRELOAD, "pg_stat_statements.track_planning=on")
    try:
        server.start()
        statements, kilobytes, milliseconds = _job(server)
        print(
            f"a job           {statements:6.1f} statements  {milliseconds:5.2f} ms of the server  ",
            end="",
        )
        print(f"{kilobytes:5.1f} kB WAL   (asked: 20, 1.5 ms)")
        idle, sessions = _idle(server.ledger_url())
        print(
            f"idle            {idle:6.1f} statements/s, {sessions} connections of a dispatcher and ", end=""
        )
        print(f"{WORKERS} workers   (asked: 10)")
        finishes, peer = _finishes(server.ledger_url()), _pgbench(server)
        print(f"finishes        {finishes:6.0f} /s by {FINISHERS} workers of one model   (asked: 2,000)")
        print(f"pgbench         {peer:6.0f} rows/s, one a transaction, by {FINISHERS} clients")
    finally:
        server.close()


def _totals(url: str) -> tuple[float, ...]:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(TOTALS).fetchone()
    return tuple(float(value or 0) for value in row or ())


def _watched(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _job(server: Postgresql) -> tuple[float, float, float]:
    """Statements, kilobytes of the server's log and its milliseconds, commits left out, for one job."""
    url = server.ledger_url()
    _watched(url)
    with Ledger(url) as web, Ledger(url) as dispatcher, Ledger(url) as worker:
        epoch = _register(worker, "gpu0@bench")
        for _ in range(20):  # until what is prepared is so, and the planner has seen what it will see
            _through(web, dispatcher, worker, epoch)
        before = _totals(url)
        for _ in range(JOBS):
            _through(web, dispatcher, worker, epoch)
        after = _totals(url)
    calls, written, spent = (new - old for new, old in zip(after, before, strict=True))
    return calls / JOBS, written / JOBS / 1024, spent / JOBS


def _through(web: Ledger, dispatcher: Ledger, worker: Ledger, epoch: int) -> None:
    job_id = _accept(web)
    dispatcher.dispatch.release(8)
    job = worker.workers.claim(job_id, "gpu0@bench", epoch)
    worker.workers.renew("gpu0@bench", epoch, {job_id: (0.5, "sounding")})
    if job is None or not worker.workers.finish(job_id, job.attempt, "gpu0@bench", epoch, [_song(job_id)]):
        raise RuntimeError("the job was another's")


def _idle(url: str) -> tuple[float, int]:
    """Statements a second while nothing is to be done, and the connections it takes."""
    _watched(url)
    with tempfile.TemporaryDirectory() as folder, valkey.running() as broker:
        cell = Cell(Path(folder), broker.url)
        cell.environment |= {"TUTTI_LEDGER_URL": url, **PASSED}
        try:
            cell.start("compose.cli", "dispatch")
            for number in range(WORKERS):
                cell.start("compose.cli", "worker", node=f"n{number}")
            with Ledger(url) as ledger:
                _until(lambda: sum(worker.alive for worker in ledger.views.workers()) == WORKERS)
            time.sleep(3)
            before = _totals(url)
            time.sleep(IDLE_SECONDS)
            after = _totals(url)
            with psycopg.connect(url, autocommit=True) as connection:
                row = connection.execute(SESSIONS, [sa.make_url(url).database]).fetchone()
        finally:
            cell.close()
    return (after[0] - before[0]) / IDLE_SECONDS, int(row[0] if row else 0) - 1


def _until(what: Any) -> None:
    until = time.monotonic() + 120
    while not what():
        if time.monotonic() > until:
            raise TimeoutError("the cell does not come up")
        time.sleep(0.1)


def _finishes(url: str) -> float:
    """Finishes a second, of jobs that were claimed before."""
    command = [sys.executable, "-m", "bench.ledger", url]
    processes = [
        subprocess.Popen([*command, f"gpu0@n{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(FINISHERS)
    ]
    for process in processes:
        _said(process, "ready")
    began = time.perf_counter()
    for process in processes:
        print("go", file=process.stdin, flush=True)
    for process in processes:
        _said(process, "done")
    seconds = time.perf_counter() - began
    for process in processes:
        process.communicate()
    return FINISHERS * FINISHES / seconds


def _finisher(url: str, worker: str) -> None:
    """One worker of `_finishes`."""
    with Ledger(url, lease_seconds=600.0) as ledger, ThreadPoolExecutor(THREADS) as pool:
        epoch = _register(ledger, worker)
        new = [_new() for _ in range(FINISHES)]
        wait([ledger.submissions.accept(one) for one in new])
        claimed = list(pool.map(lambda one: ledger.workers.claim(one.id, worker, epoch), new))
        print("ready", flush=True)
        sys.stdin.readline()
        done = pool.map(
            lambda job: ledger.workers.finish(job.id, job.attempt, worker, epoch, [_song(job.id)]), claimed
        )
        if all(done):
            print("done", flush=True)


def _pgbench(server: Postgresql) -> float:
    url = server.url()
    name = sa.make_url(url).database
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE rows (id bigserial PRIMARY KEY, job int)")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(INSERT)
        script.flush()
        command = [program("pgbench"), "-h", server.folder, "-U", "tutti", "-n", "-f", script.name]
        command += ["-c", FINISHERS, "-j", 2, "-T", 5, name]
        said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([\d.]+)", said.stdout)
    return float(found[1]) if found else 0.0


def _said(process: subprocess.Popen[str], word: str) -> None:
    line = process.stdout.readline().strip() if process.stdout else ""
    if line != word:
        raise RuntimeError(f"a worker said {line!r} rather than {word!r}")


def _register(ledger: Ledger, name: str) -> int:
    node = name.split("@")[1]
    info = WorkerInfo(id=name, node=node, queues=(QUEUE,), engine="tone", model_version="1", slots=THREADS)
    return ledger.workers.register(info)


def _new() -> NewJob:
    return NewJob(
        id=new_job_id("a"), request=JobRequest(prompt="a plain tone", duration=5), model_queue=QUEUE
    )


def _accept(ledger: Ledger) -> str:
    return ledger.submissions.accept(_new()).result(60).job.id


def _song(job_id: str) -> Output:
    return Output(name=f"{job_id}.wav", format="wav", seconds=5, bytes=1, sha256="0" * 64)


if __name__ == "__main__":
    _finisher(*sys.argv[1:]) if len(sys.argv) > 1 else main()
