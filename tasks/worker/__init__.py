"""The worker of one device: Celery's threads outside, one engine process inside."""

from __future__ import annotations

from tasks.settings import Settings


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; the exit code comes back."""
    from tasks.worker.service import serve  # the engine process imports this package too, and no Celery

    return serve(settings)
