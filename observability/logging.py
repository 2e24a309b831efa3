"""Log lines: structlog to nested ECS, one JSON object a line, one write.

    configure(service="tutti-web", path=folder / "web.jsonl")
    log = get_logger()
    log.info("job.accepted", event={"outcome": "success"}, tutti={"job": {"id": job.id}})

The first argument is `event.action`; keywords are ECS objects and are merged field by field over what
`bind` put into the context. Names: Elastic Common Schema 9; own fields live under `tutti`.
Libraries that log by the standard library (uvicorn, Celery, SQLAlchemy) land in the same file; start uvicorn
with `log_config=None` and Celery with `worker_hijack_root_logger=False`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import logging
import os
import secrets
import socket
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import structlog
from structlog.stdlib import ProcessorFormatter

from observability import console, metrics
from observability.ecs import MESSAGE_MAX, Fields, add_exception, drop_secrets, merge, render
from observability.lines import LineFile
from observability.redact import scrub
from observability.rotation import RotationLimits
from observability.unshipped import Loss

ECS_VERSION = "9.2.0"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
# These say at "info" what our own http.request lines say better, or repeat addresses with their queries.
QUIET = ("uvicorn.access", "httpx", "httpcore", "elastic_transport", "asyncio", "kombu", "amqp", "multipart")

_context: ContextVar[Fields] = ContextVar("log_fields", default={})  # noqa: B039 - it is replaced, never changed


class _Output:
    """Where this process's lines go and what each of them carries. One a process."""

    def __init__(self) -> None:
        self.threshold = LEVELS["warning"]
        self.file: LineFile | None = None
        self.descriptor = 2  # where there is no file: standard error, until a process is configured
        self.fixed: Fields = {}
        self.dataset = "tutti"
        self.prefix = ""
        self.count = itertools.count()

    def write_line(self, level: str, action: str, fields: Fields) -> None:
        """Say on the console why something failed, where the lines themselves go to a file."""
        if self.file is not None and LEVELS[level] >= LEVELS["error"]:
            console.write_error(self.fixed["service"]["name"], action, fields)

    def msg(self, line: bytes) -> None:
        if self.file is not None:
            self.file.write(line)
            return
        try:  # one call a line: a worker and its engine's process write to the same place
            os.write(self.descriptor, line)
        except OSError:  # whoever read it has gone
            metrics.log_dropped.inc()

    debug = info = warning = error = critical = msg


_output = _Output()


class EcsLogger(structlog.BoundLoggerBase):
    """A logger whose keywords are ECS objects, `event` included, which structlog's own keeps for itself."""

    def debug(self, action: str, /, **fields: Any) -> None:
        """Log what only a developer looks for."""
        self._line("debug", action, fields)

    def info(self, action: str, /, **fields: Any) -> None:
        """Log what happened."""
        self._line("info", action, fields)

    def warning(self, action: str, /, **fields: Any) -> None:
        """Log what somebody may have to look at."""
        self._line("warning", action, fields)

    def error(self, action: str, /, **fields: Any) -> None:
        """Log what went wrong; `exc_info=True` or an exception adds `error.*`."""
        self._line("error", action, fields)

    def exception(self, action: str, /, **fields: Any) -> None:
        """Log an error with the exception being handled."""
        self._line("error", action, {"exc_info": True, **fields})

    def _line(self, level: str, action: str, fields: Fields) -> None:
        if LEVELS[level] < _output.threshold:
            return
        fields["event"] = {"action": action, **fields.get("event", {})}
        if level == "error":
            fields = add_exception(None, level, fields)
            _output.write_line(level, action, fields)
        arguments, _ = self._process_event(level, None, fields)
        self._logger.msg(*arguments)


def configure(
    service: str,
    path: Path | None,
    level: str = "info",
    host: str | None = None,
    *,
    bounds: RotationLimits | None = RotationLimits(),  # noqa: B008 - it is frozen
) -> None:
    """Set where this process logs; once, before its first line.

    Args:
        service: `service.name`, such as "tutti-web"; `event.dataset` is made of it ("tutti.web").
        path: The line file, which many processes may share; None for standard output.
        level: The least level written: debug, info, warning, error.
        host: `host.name`; the machine's by default.
        bounds: When this process rotates the file; None leaves that to others.
    """
    if _output.file:
        _output.file.close()
    _output.threshold = LEVELS[level]
    _output.file = LineFile(path, bounds, warn_of_loss) if path else None
    _output.descriptor = 1
    _output.prefix = f"{os.getpid():x}-{secrets.token_hex(6)}-"
    _output.dataset = service.replace("-", ".", 1)
    _output.fixed = {
        "service": {"name": service},
        "host": {"name": host or socket.gethostname()},
        "process": {"pid": os.getpid()},
        "ecs": {"version": ECS_VERSION},
    }
    _configure_structlog(cache=True)
    _catch_standard_logging(level)


def get_logger(**fields: Any) -> EcsLogger:
    """Give a logger, optionally with ECS objects that each of its lines carries."""
    return cast("EcsLogger", structlog.get_logger(**fields))


def warn_of_loss(loss: Loss) -> None:
    """Log and count log lines that were deleted before they were shipped; who deletes log files ends here."""
    metrics.log_unshipped_deleted.inc(loss.bytes)
    get_logger().error(
        "log.unshipped_deleted",
        event={"outcome": "failure"},
        message=f"{loss.path.name} was deleted with {loss.bytes} bytes not shipped, because the log files"
        " outgrew their bound; see why `tutti ship` does not deliver",
    )


def bind(**fields: Any) -> None:
    """Merge ECS objects into all lines of this thread or asyncio task, from now on."""
    _context.set(merge(_context.get(), fields))


def clear() -> None:
    """Forget what `bind` added in this thread or task."""
    _context.set({})


@contextlib.contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Like `bind`, for the duration of a `with` block."""
    token = _context.set(merge(_context.get(), fields))
    try:
        yield
    finally:
        _context.reset(token)


def _configure_structlog(*, cache: bool) -> None:
    structlog.configure(
        processors=[_add_context, add_exception, drop_secrets, _add_fixed, render],
        wrapper_class=EcsLogger,
        logger_factory=lambda *_: _output,
        cache_logger_on_first_use=cache,
    )


def _add_context(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Fields:
    context = _context.get()
    return merge(context, fields) if context else cast("Fields", fields)


def _add_fixed(_logger: Any, method: str, fields: MutableMapping[str, Any]) -> Fields:
    event = {"id": f"{_output.prefix}{next(_output.count):x}", "dataset": _output.dataset}
    line = {"@timestamp": dt.datetime.now(dt.UTC), "log": {"level": method}, **_output.fixed, "event": event}
    if not line.keys().isdisjoint(fields.keys() - {"event"}):
        return merge(line, fields)
    line.update(fields)  # much quicker than a merge, and all but libraries' lines go this way
    line["event"] = {**event, **fields.get("event", {})}
    return line


class _Handler(logging.Handler):
    """Writes what libraries log to this process's line file."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _output.msg(self.format(record).encode())
        except Exception:
            self.handleError(record)


def _foreign(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Fields:
    """Turn a library's record into our fields: its text is the message, its logger's name `log.logger`."""
    record = cast("logging.LogRecord", fields["_record"])
    line: Fields = {"message": scrub(fields["event"])[:MESSAGE_MAX], "log": {"logger": record.name}}
    if record.exc_info:
        line["exc_info"] = record.exc_info
    # The formatter's base class would write these behind our line; `record` is the formatter's own copy.
    record.exc_info = record.exc_text = record.stack_info = None
    return line


def _level_of(record: logging.LogRecord) -> str:
    return next((name for name in reversed(LEVELS) if record.levelno >= LEVELS[name]), "debug")


def _foreign_line(logger: Any, _method: str, fields: MutableMapping[str, Any]) -> str:
    level = _level_of(cast("logging.LogRecord", fields["_record"]))
    line: Any = _foreign(logger, level, fields)
    if level in {"error", "critical"}:
        line = add_exception(logger, level, line)
        _output.write_line(level, str(line["log"]["logger"]), line)
    for step in (_add_context, add_exception, drop_secrets, _add_fixed, render):
        line = step(logger, level, line)
    return cast("bytes", line).decode()


def _catch_standard_logging(level: str) -> None:
    handler = _Handler()
    handler.setFormatter(ProcessorFormatter(processors=[_foreign_line], keep_exc_info=True))
    root = logging.getLogger()
    root.handlers[:] = [kept for kept in root.handlers if not isinstance(kept, _Handler)] + [handler]
    root.setLevel(LEVELS[level])
    for name in QUIET:
        logging.getLogger(name).setLevel(max(LEVELS[level], LEVELS["warning"]))
    logging.captureWarnings(True)


_configure_structlog(cache=False)
