"""Alert rules, each with the page of the runbook that says what to do.

Every rule is a plain query over lines, of which too many or too few are an alarm. What has to be compared
first (shares, medians, ages) is in the lines: the dispatcher works it out once a minute (`service.state` and
its kin), so no rule needs a script or a query language that only some servers have. What may fail together
with Elasticsearch or the shipper is watched by Prometheus too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from observability.kibana import runbook
from observability.panels.query import INDEX, action

Json = dict[str, Any]

OWN_TAG, RUNBOOK_TAG = "tutti", "runbook:"
OBJECTIVE = 0.99  # of jobs end well, people's own failures aside
FAST_BURN = 14.4  # spends a month's error budget in two days
LEAST_ENDED = 20  # jobs in the hour; a share of fewer says little
OLDEST_SECONDS = 600
OPEN_SECONDS = 3600
SILENT_SECONDS = 120
SLOW = 1.3  # times the fleet's median
FULL = 0.95
UNACKNOWLEDGED_SECONDS = 300
WORSE = 0.05  # more of the canary's jobs fail than of the stable lane's
REFUSALS = 200
CERTIFICATE_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert rule.

    Attributes:
        id: Its name, also that of its heading in the runbook.
        title: What is wrong when it fires.
        minutes: The window it looks at.
        query: Which lines count.
        above: How many lines the query may match; `below` instead fires when there are fewer.
        by: Counts are per value of this field.
        delay: So many looks in a row, a minute apart, have to see it: a blip is not worth waking anybody.
        dashboard: Where to look first.
    """

    id: str
    title: str
    minutes: int
    query: Json
    above: int = 0
    below: int | None = None
    by: str | None = None
    delay: int = 1
    dashboard: str = "tutti-load"

    def body(self, runbooks: str) -> Json:
        """The rule as `POST /api/alerting/rule/{id}` takes it."""
        return {
            "name": f"Tutti: {self.title}",
            "rule_type_id": ".es-query",
            "consumer": "stackAlerts",
            "enabled": True,
            "schedule": {"interval": "1m"},
            "tags": [OWN_TAG, f"{RUNBOOK_TAG}{runbooks}#{self.id}"],
            "actions": [],
            "params": self._params(),
            "alert_delay": {"active": self.delay},
        }

    def artifacts(self, runbooks: str) -> Json:
        """What people find beside an alert: the dashboard, and what the runbook says."""
        found: Json = {"dashboards": [{"id": self.dashboard}]}
        guide = runbook.guide(self.id, runbooks)
        return found | ({"investigation_guide": {"blob": guide}} if guide else {})

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
        asked = orjson.dumps({"query": self.query}).decode()
        grouped = {"groupBy": "top", "termField": self.by, "termSize": 10} if self.by else {"groupBy": "all"}
        return common | grouped | {"searchType": "esQuery", "esQuery": asked, "index": [INDEX]}


def _all(*filters: Json) -> Json:
    return {"bool": {"filter": list(filters)}}


def _over(field: str, number: float) -> Json:
    return {"range": {f"tutti.{field}": {"gt": number}}}


def _at_least(field: str, number: float) -> Json:
    return {"range": {f"tutti.{field}": {"gte": number}}}


def _any(*queries: Json) -> Json:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


RULES = (
    Rule(
        id="error-budget-burn",
        dashboard="tutti-failures",
        title="jobs fail faster than the error budget allows",
        minutes=5,
        query=_all(
            action("service.state"),
            _at_least("service.hour.ended", LEAST_ENDED),
            _over("service.hour.failed_share", FAST_BURN * (1 - OBJECTIVE)),
            _over("service.recent.failed_share", FAST_BURN * (1 - OBJECTIVE)),
        ),
    ),
    Rule(
        id="oldest-queued",
        delay=2,
        dashboard="tutti-queue",
        title=f"a job has waited for over {OLDEST_SECONDS // 60} minutes",
        minutes=5,
        query=_all(action("queue.state"), _over("queued.oldest_seconds", OLDEST_SECONDS)),
        by="tutti.queue",
    ),
    Rule(
        id="silent-heartbeat",
        title="a worker has fallen silent",
        minutes=5,
        query=_all(action("worker.silent"), _over("worker.silent_seconds", SILENT_SECONDS)),
        by="tutti.worker.id",
    ),
    Rule(
        id="accepted-not-ended",
        dashboard="tutti-queue",
        title="an accepted job has not ended for an hour",
        minutes=5,
        query=_all(action("service.state"), _over("service.open.oldest_seconds", OPEN_SECONDS)),
    ),
    Rule(
        id="slow-gpu",
        delay=3,
        title="a GPU takes much longer than its fellows",
        minutes=5,
        query=_all(action("gpu.state"), _over("gpu.pace.times_median", SLOW)),
        by="tutti.gpu.id",
    ),
    Rule(
        id="storage",
        dashboard="tutti-failures",
        title="songs cannot be written to the NAS, or soon cannot",
        minutes=5,
        query=_any(
            {"terms": {"tutti.error.class": ["storage_full", "storage_unavailable"]}},
            action("storage.full"),
            {"prefix": {"tutti.worker.obstacle": "storage"}},
            _over("storage.used_ratio", FULL),
        ),
    ),
    Rule(
        id="dead-letters",
        dashboard="tutti-failures",
        title="Elasticsearch refuses log lines",
        minutes=10,
        query=_all(
            action("shipper.shipped"),
            _any(_over("shipper.lines.dead", 0), _over("shipper.lines.failure_store", 0)),
        ),
    ),
    Rule(
        id="unacknowledged",
        delay=2,
        dashboard="tutti-queue",
        title="log lines wait to be acknowledged",
        minutes=30,  # these lines come late themselves
        query=_all(
            action("shipper.shipped"), _over("shipper.unacknowledged_seconds", UNACKNOWLEDGED_SECONDS)
        ),
        by="host.name",
    ),
    Rule(id="unshipped", title="no log lines arrive", minutes=10, query={"match_all": {}}, below=1, delay=2),
    Rule(
        id="no-dispatcher",
        delay=2,
        title="no dispatcher says how things stand",
        minutes=10,
        query=_all(action("service.state")),
        below=1,
    ),
    Rule(
        id="canary-delta",
        delay=2,
        dashboard="tutti-canary",
        title="the canary fails more than the stable lane",
        minutes=5,
        query=_any(
            action("canary.stopped"),
            _all(
                action("canary.state"),
                _at_least("canary.ended", LEAST_ENDED),
                _at_least("canary.stable.ended", LEAST_ENDED),
                _over("canary.failed_more", WORSE),
            ),
        ),
    ),
    Rule(
        id="abnormal-address",
        dashboard="tutti-clients",
        title=f"an address was refused over {REFUSALS} times",
        minutes=5,
        query=_all(action("job.refused")),
        above=REFUSALS,
        by="source.ip",
    ),
    Rule(
        id="certificate",
        title=f"the TLS certificate ends in under {CERTIFICATE_DAYS} days",
        minutes=120,  # the gateway tells it every hour
        query=_all({"range": {"tutti.certificate.days_left": {"lt": CERTIFICATE_DAYS}}}),
    ),
)
