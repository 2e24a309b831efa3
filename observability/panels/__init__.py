"""The dashboards, described once: for Kibana, and for the log files without any server."""

from __future__ import annotations

from dataclasses import dataclass

from observability.panels import cache, canary, clients, failures, latency, load, queue
from observability.panels.panel import Panel


@dataclass(frozen=True)
class Dashboard:
    """Panels that answer one question together."""

    id: str
    title: str
    question: str
    panels: tuple[Panel, ...]


DASHBOARDS = (
    Dashboard(
        "tutti-latency",
        "Latency",
        "Does the length of the prompt or the length of the audio drive latency?",
        latency.PANELS,
    ),
    Dashboard("tutti-load", "Load", "How loaded is each instance, and is one GPU slow?", load.PANELS),
    Dashboard("tutti-failures", "Failures", "Why do jobs fail, when and where?", failures.PANELS),
    Dashboard("tutti-clients", "Clients", "Which addresses and keys behave unusually?", clients.PANELS),
    Dashboard("tutti-cache", "Cache", "What does reuse of finished audio save?", cache.PANELS),
    Dashboard("tutti-queue", "Queue", "Do jobs wait, or take long?", queue.PANELS),
    Dashboard("tutti-canary", "Canary", "Is the canary as good as the stable lane?", canary.PANELS),
)
PANELS = tuple(panel for dashboard in DASHBOARDS for panel in dashboard.panels)

__all__ = ["DASHBOARDS", "PANELS", "Dashboard", "Panel"]
