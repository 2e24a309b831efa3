"""`tutti ship`: the process around the shipper."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from observability import metrics
from observability.logging import get_logger
from observability.shipper import bulk
from observability.shipper.checkpoint import OtherVersion, StateInUse
from observability.shipper.report import Report
from observability.shipper.shipper import Shipper

GARBAGE = 50_000  # objects, 700 by default: a line is one, and none of them is part of a cycle

log = get_logger()


def run(
    *,
    url: str,
    api_key: str | None,
    patterns: Sequence[str],
    state: Path,
    once: bool = False,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
    bundle: Path | None = None,
) -> int:
    """Ship log files to Elasticsearch until SIGTERM or SIGINT.

    Args:
        url: Where Elasticsearch is.
        api_key: Its API key, as `tutti observe setup` makes one; None for a server without security.
        patterns: Absolute glob patterns of the files.
        state: Folder of the checkpoint and the dead letters.
        once: End when everything there is has been shipped.
        metrics_port: Where to show `/metrics`; None for nowhere.
        metrics_host: At which address.
        bundle: PEM file of authorities to believe besides the machine's.

    Returns:
        An exit code: 0, or 1 if another shipper already runs with this state.
    """
    stopping = threading.Event()
    server = bulk.client(url, api_key, bundle=bundle)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signals(stopping))
        stack.callback(server.close)
        try:
            shipper = Shipper(server, patterns, state, stopping)
        except (StateInUse, OtherVersion) as problem:
            log.error("shipper.refused_to_start", event={"outcome": "failure"}, message=str(problem))
            return 1
        if metrics_port is not None:
            stack.callback(metrics.serve(metrics_port, metrics_host, metrics.SHIP)[0])
        stack.enter_context(Report(url, api_key, stopping, bundle))
        log.info("shipper.started", tutti={"shipper": {"patterns": list(patterns)}})
        stack.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(GARBAGE)
        shipper.run(once=once)
    log.info("shipper.stopped", event={"outcome": "success"})
    return 0


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Set `stopping` on SIGTERM and SIGINT, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
