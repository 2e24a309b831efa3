"""One view of all hosts: what each part says of itself, and what that means in words."""

from tasks.cluster.beginning import open_ledger
from tasks.cluster.report import EVERY_SECONDS, SILENT_SECONDS, Reporter
from tasks.cluster.view import STATES, ClusterView, PartState, survey

__all__ = [
    "EVERY_SECONDS",
    "SILENT_SECONDS",
    "STATES",
    "ClusterView",
    "PartState",
    "Reporter",
    "open_ledger",
    "survey",
]
