"""The dispatcher's process: its loops in threads, until it is told to stop."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable
from typing import Final

from observability import metrics, trust
from observability.logging import configure, get_logger
from tasks.cluster import Reporter, open_ledger
from tasks.dispatch import canary
from tasks.dispatch.callbacks import CallbackSender
from tasks.dispatch.delivery import post
from tasks.dispatch.dispatcher import STANDBY_PAUSE, TROUBLE_PAUSE, Dispatcher
from tasks.dispatch.retention import RecordRetention, RetentionSteps, SongRetention, UploadRetention
from tasks.ledger import Ledger, LedgerUnavailable
from tasks.queue.application import make_app
from tasks.queue.publisher import Publisher
from tasks.security.addresses import allowing
from tasks.security.folders import claim
from tasks.security.links import SongLinks
from tasks.security.secret import secret_of
from tasks.settings import Settings
from tasks.storage.songs import Storage
from tasks.storage.uploads import Uploads

log = get_logger()

PATIENCE: Final = 4.0  # seconds for a broker that does not answer: less than the lease
REPORT_LOOK: Final = 1.0
LAST_ROUND: Final = 1.0  # seconds for a round with the broker to end; what it leaves undone is found again


class Threads:
    """Loops that go on until all end: on a signal, or because one of them broke."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.broke = False

    def start(self, name: str, step: Callable[[], float]) -> threading.Thread:
        """Repeat `step`, which gives the seconds to pause after it, in a thread of its own."""
        thread = threading.Thread(target=self.repeat, args=(name, step), name=name, daemon=True)
        thread.start()
        return thread

    def repeat(self, name: str, step: Callable[[], float]) -> None:
        """Repeat `step` in this thread. A loop that broke ends the process, which is then started anew."""
        try:
            while not self.ended.wait(_bearing_absence(step)):
                pass
        except Exception:
            log.exception("dispatcher.broke", message=f"{name} ended")
            self.broke = True
            self.ended.set()


def _bearing_absence(step: Callable[[], float]) -> float:
    try:
        return step()
    except LedgerUnavailable as error:
        log.warning("dispatcher.ledger_unavailable", message=str(error))
        return TROUBLE_PAUSE


def run(settings: Settings) -> int:
    """Dispatch until SIGTERM or SIGINT.

    Returns:
        The exit code.
    """
    claim(settings)
    configure(service="tutti-dispatch", path=settings.log_file("worker.jsonl"), level=settings.log_level)
    ledger = open_ledger(settings)
    threads = Threads()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threads.ended.set())
    stop_serving = _serve_metrics(settings)
    publisher = Publisher(make_app(settings, PATIENCE), settings.broker)
    dispatcher = Dispatcher(ledger, publisher)
    metrics.dispatcher_leads.set_function(lambda: dispatcher.leads)
    threads.start("retention", _while_leading(dispatcher, _retention(settings, ledger, dispatcher)))
    threads.start("courier", _while_leading(dispatcher, _courier(settings, ledger)))
    lanes = ledger.canaries
    threading.Thread(
        target=canary.judge_until, args=(lanes, threads.ended), name="canary", daemon=True
    ).start()
    reporter = Reporter(ledger, "dispatch", settings.node)
    threads.start("report", lambda: _report(reporter, dispatcher))
    carrying = threads.start("carry", dispatcher.carry)
    threads.repeat("watch", dispatcher.maintain)
    carrying.join(LAST_ROUND)
    if not carrying.is_alive():
        publisher.close()
    _leave(dispatcher)
    reporter.leave()
    ledger.close()
    stop_serving()
    return int(threads.broke)


def _report(reporter: Reporter, dispatcher: Dispatcher) -> float:
    """Tell the ledger whether this dispatcher leads, and whether the broker hears it."""
    if not dispatcher.leads:
        reporter.report("stands by")
    elif dispatcher.broker_trouble:
        reporter.report("no broker", f"jobs wait in the ledger: {dispatcher.broker_trouble}")
    else:
        reporter.report("leads")
    return REPORT_LOOK


def _serve_metrics(settings: Settings) -> Callable[[], None]:
    if settings.dispatch_metrics_port is None:
        return lambda: None
    stop, _ = metrics.serve(settings.dispatch_metrics_port, settings.metrics_host, metrics.DISPATCH)
    return stop


def _courier(settings: Settings, ledger: Ledger) -> Callable[[], float]:
    allowed, verify = allowing(settings.callback_networks), trust.context(settings.ca_bundle)
    deliver = functools.partial(post, allowed=allowed, at=settings.callback_ports, verify=verify)
    return CallbackSender(ledger, _addresses(settings), settings.callback_hours, deliver).hand_out_due


def _addresses(settings: Settings) -> Callable[[str], str]:
    """Whole addresses of songs, signed where the settings want that."""
    if not settings.sign_output:
        return lambda name: f"{settings.base_url}/output/{name}"
    links = SongLinks(secret_of(settings), settings.link_seconds)
    return lambda name: settings.base_url + links.to(name)


def _retention(settings: Settings, ledger: Ledger, dispatcher: Dispatcher) -> Callable[[], float]:
    """Uploads go before songs: where both lie on one full disk, they are missed less."""
    share, storage = settings.keep_share, Storage(settings.storage_path)
    uploads = Uploads(settings.upload_path)
    steps = (
        UploadRetention(uploads, ledger.uploads.needed, settings.upload_days, share).expire,
        SongRetention(ledger, storage, settings.keep_days, share).expire,
        RecordRetention(ledger, settings.history_days, lambda: dispatcher.leads).expire,
    )
    return RetentionSteps(steps).step


def _while_leading(dispatcher: Dispatcher, step: Callable[[], float]) -> Callable[[], float]:
    return lambda: step() if dispatcher.leads else STANDBY_PAUSE


def _leave(dispatcher: Dispatcher) -> None:
    try:
        dispatcher.leave()
    except LedgerUnavailable:
        log.warning("dispatcher.ledger_unavailable", message="a standby takes over when the lease ends")
