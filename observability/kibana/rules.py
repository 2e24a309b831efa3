"""Alert rules, each with the page of the runbook that says what to do.

Rules that count lines are Elasticsearch queries; rules that compare need ES|QL. What may fail together with
Elasticsearch or the shipper (unshipped lines, room on the NAS, certificates) is watched by Prometheus too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from observability.panels.query import FINISHED, INDEX, USERS_OWN, action

Json = dict[str, Any]

RUNBOOK = "docs/runbooks.md"
OBJECTIVE = 0.99  # of jobs end well, people's own failures aside
FAST_BURN = 14.4  # spends a month's error budget in two days
OLDEST_SECONDS = 600
REFUSALS = 200
CERTIFICATE_DAYS = 14
STREAMS = INDEX


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert rule.

    Attributes:
        id: Its name, also that of its heading in the runbook.
        title: What is wrong when it fires.
        minutes: The window it looks at.
        query: An Elasticsearch query, or
        esql: an ES|QL query; it fires for each row.
        above: How many lines the query may match; `below` instead fires when there are fewer.
        by: Counts are per value of this field.

    """

    id: str
    title: str
    minutes: int
    query: Json | None = None
    esql: str = ""
    above: int = 0
    below: int | None = None
    by: str | None = None

    def body(self, runbooks: str) -> Json:
        """The rule as `POST /api/alerting/rule/{id}` takes it."""
        return {
            "name": f"Tutti: {self.title}",
            "rule_type_id": ".es-query",
            "consumer": "stackAlerts",
            "enabled": True,
            "schedule": {"interval": "1m"},
            "tags": ["tutti", f"runbook:{runbooks}#{self.id}"],
            "actions": [],
            "params": self._params(),
        }

    def _params(self) -> Json:
        comparator, threshold = ("<", self.below) if self.below is not None else (">", self.above)
        common: Json = {
            "timeField": "@timestamp",
            "timeWindowSize": self.minutes,
            "timeWindowUnit": "m",
            "threshold": [threshold],
            "thresholdComparator": comparator,
            "size": 10,
            "aggType": "count",
            "excludeHitsFromPreviousRun": False,
        }
        if self.esql:
            own: Json = {"searchType": "esqlQuery", "esqlQuery": {"esql": self.esql}, "groupBy": "row"}
            return common | own | {"threshold": [0], "thresholdComparator": ">", "size": 0}
        asked = orjson.dumps({"query": self.query}).decode()
        grouped = {"groupBy": "top", "termField": self.by, "termSize": 10} if self.by else {"groupBy": "all"}
        return common | grouped | {"searchType": "esQuery", "esQuery": asked, "index": [STREAMS]}


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _all(*filters: Json) -> Json:
    return {"bool": {"filter": list(filters)}}


_ENDED = (
    f"FROM {STREAMS} | WHERE event.action IN ({_quoted(FINISHED)})"
    f' AND COALESCE(tutti.error.class, "") NOT IN ({_quoted(USERS_OWN)})'
)
_SHARE = "TO_DOUBLE(failed) / ended"

RULES = (
    Rule(
        id="error-budget-burn",
        title="jobs fail faster than the error budget allows",
        minutes=60,
        esql=f'{_ENDED} | STATS failed = COUNT(*) WHERE event.action == "job.failed", ended = COUNT(*)'
        f" | EVAL share = {_SHARE} | WHERE ended >= 20 AND share > {FAST_BURN * (1 - OBJECTIVE):.3f}",
    ),
    Rule(
        id="oldest-queued",
        title=f"a job has waited for over {OLDEST_SECONDS // 60} minutes",
        minutes=5,
        query=_all(action("queue.state"), {"range": {"tutti.queued.oldest_seconds": {"gt": OLDEST_SECONDS}}}),
    ),
    Rule(
        id="silent-heartbeat",
        title="a worker has fallen silent",
        minutes=60,
        esql=f'FROM {STREAMS} | WHERE event.action == "worker.heartbeat"'
        " | STATS last = MAX(@timestamp) BY tutti.gpu.id | WHERE last < NOW() - 2 minutes",
    ),
    Rule(
        id="accepted-not-ended",
        title="an accepted job has not ended for an hour",
        minutes=1440,
        esql=f"FROM {STREAMS} | WHERE tutti.job.id IS NOT NULL"
        ' | STATS accepted = MIN(@timestamp) WHERE event.action == "job.accepted", ended = COUNT(*)'
        f" WHERE event.action IN ({_quoted((*FINISHED, 'job.cancelled'))}) BY tutti.job.id"
        " | WHERE accepted < NOW() - 1 hour AND ended == 0",
    ),
    Rule(
        id="slow-gpu",
        title="a GPU takes much longer than its fellows",
        minutes=60,
        esql=f'FROM {STREAMS} | WHERE event.action == "job.succeeded"'
        " AND COALESCE(tutti.cache.hit, false) == false"
        " | STATS work = SUM(event.duration), audio = SUM(tutti.audio.seconds), jobs = COUNT(*)"
        " BY tutti.gpu.id"
        " | WHERE jobs >= 10 | EVAL cost = work / audio | INLINE STATS middle = MEDIAN(cost)"
        " | WHERE cost > 1.3 * middle",
    ),
    Rule(
        id="storage",
        title="songs cannot be written to the NAS",
        minutes=5,
        query={
            "bool": {
                "should": [
                    {"terms": {"tutti.error.class": ["storage_full", "storage_unavailable"]}},
                    {"term": {"event.action": "storage.full"}},
                    {"prefix": {"tutti.worker.obstacle": "storage"}},
                ],
                "minimum_should_match": 1,
            }
        },
    ),
    Rule(
        id="dead-letters",
        title="Elasticsearch refuses log lines",
        minutes=10,
        query=_all(action("shipper.shipped"), {"range": {"tutti.shipper.lines.dead": {"gt": 0}}}),
    ),
    Rule(id="unshipped", title="no log lines arrive", minutes=10, query={"match_all": {}}, below=1),
    Rule(
        id="canary-delta",
        title="the canary fails more than the stable lane",
        minutes=60,
        esql=f"{_ENDED} | STATS"
        ' failed = COUNT(*) WHERE event.action == "job.failed" AND tutti.lane == "canary",'
        ' ended = COUNT(*) WHERE tutti.lane == "canary",'
        ' others_failed = COUNT(*) WHERE event.action == "job.failed" AND tutti.lane == "stable",'
        ' others = COUNT(*) WHERE tutti.lane == "stable"'
        f" | EVAL delta = {_SHARE} - TO_DOUBLE(others_failed) / others"
        " | WHERE ended >= 20 AND others >= 20 AND delta > 0.05",
    ),
    Rule(
        id="abnormal-address",
        title=f"an address was refused over {REFUSALS} times",
        minutes=5,
        query=_all(action("job.refused")),
        above=REFUSALS,
        by="source.ip",
    ),
    Rule(
        id="certificate",
        title=f"the TLS certificate ends in under {CERTIFICATE_DAYS} days",
        minutes=1440,
        query=_all({"range": {"tutti.certificate.days_left": {"lt": CERTIFICATE_DAYS}}}),
    ),
)
