"""Bringing a rule that is there to this version without taking away what people added to it.

An update replaces a rule whole: what its body leaves out is reset. So the body is the rule as it is, with our
own parts brought up to date: name, query, schedule, delay, our tags, our dashboard and our runbook's text.
"""

from __future__ import annotations

from typing import Any

from observability.kibana.rules import OWN_TAG, RUNBOOK_TAG
from observability.kibana.runbook import HEAD

Json = dict[str, Any]

OURS = ("name", "schedule", "params", "alert_delay")
KEPT = ("throttle", "notify_when", "flapping")
# what an action may have in an update; an answer also says of which type its connector is
OF_AN_ACTION = (
    "group",
    "id",
    "params",
    "frequency",
    "uuid",
    "alerts_filter",
    "use_alert_data_for_template",
)
MOST_DASHBOARDS = 10


def merged(found: Json, wanted: Json, artifacts: Json | None) -> Json:
    """The body of the update.

    Args:
        found: The rule as Kibana tells it, with its artifacts where the server has them.
        wanted: The rule as `Rule.body` makes it.
        artifacts: As `Rule.artifacts` makes them; None for a server that has none.
    """
    body: Json = {name: wanted[name] for name in OURS}
    body |= {name: found[name] for name in KEPT if found.get(name) is not None}
    body["tags"] = wanted["tags"] + [tag for tag in found.get("tags", []) if not _own(tag)]
    body["actions"] = [
        {name: action[name] for name in OF_AN_ACTION if action.get(name) is not None}
        for action in found.get("actions", [])
    ]
    if artifacts is not None:
        body["artifacts"] = _artifacts(found.get("artifacts") or {}, artifacts)
    return body


def same(found: Json, body: Json) -> bool:
    """Whether the update would change nothing."""
    ours = (*OURS, "tags")
    if any(found.get(name) != body[name] for name in ours):
        return False
    return "artifacts" not in body or (found.get("artifacts") or {}) == body["artifacts"]


def _own(tag: str) -> bool:
    return tag == OWN_TAG or tag.startswith(RUNBOOK_TAG)


def _artifacts(found: Json, ours: Json) -> Json:
    """People's dashboards and guide stay; ours are added where there is room."""
    there = found.get("dashboards") or []
    added = [one for one in ours["dashboards"] if one not in there]
    made = found | {"dashboards": (there + added)[:MOST_DASHBOARDS]}
    theirs = (found.get("investigation_guide") or {}).get("blob", "")
    if "investigation_guide" in ours and (not theirs or theirs.startswith(HEAD)):
        made["investigation_guide"] = ours["investigation_guide"]
    return made
