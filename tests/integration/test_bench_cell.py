"""The figures about jobs are measured on a cell of real processes, which has to go on working."""

from __future__ import annotations

from bench import accept, queue
from bench.cell import cell
from tasks.ledger import Ledger
from tests.servers.tutti import free_port


def test_a_job_goes_through_the_cell_that_the_figures_are_measured_on() -> None:
    with cell() as made:
        port = free_port()
        made.start("compose.cli", "web", port=port)
        made.start("compose.cli", "dispatch")
        worker = made.start("bench.noop_worker", "ledger", "0")
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        accept._wait(f"http://127.0.0.1:{port}", "/v1/jobs")
        with Ledger(made.ledger_url) as ledger:
            queue._through(ledger, 3, 4)
            assert ledger.views.counters()["succeeded"] == 4


def test_the_cell_has_a_peer_to_measure_beside() -> None:
    with cell() as made:
        rate, cpu = queue._bare(made, jobs=20)
        assert rate > 0
        assert cpu > 0
