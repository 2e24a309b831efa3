"""The saved objects and rules, held against what Kibana's own sources take; setup against a stand-in's API.

`tests.servers.kibana` says which files and versions of elastic/kibana that was read in.
"""

import copy
import json
import re
from pathlib import Path

import orjson
import pytest

from observability.elastic.templates import PROPERTIES
from observability.kibana import library, objects, runbook
from observability.kibana.merging import merged, same
from observability.kibana.rules import RULES
from observability.kibana.setup import Access, KibanaRefused, setup
from observability.panels import DASHBOARDS, PANELS
from observability.panels.lens import Lens
from observability.panels.panel import Vega
from tests.servers import kibana
from tests.servers.kibana import schemas
from tests.servers.kibana.importing import check_object

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks.md"
PAGE = "https://tutti.example/runbooks"
NOBODY = Access()
VEGA = {"latency-scatter", "latency-correlation", "latency-spearman", "load-outliers"}
VEGA |= {"clients-addresses", "clients-keys", "canary-latency"}


@pytest.fixture(scope="module")
def lines():
    return [orjson.loads(line) for line in objects.ndjson().splitlines()]


def dashboards(lines):
    return [found for found in lines if found["type"] == "dashboard"]


def panels(found):
    return json.loads(found["attributes"]["panelsJSON"])


def mapped(name):
    node = {"properties": PROPERTIES}
    for part in name.split("."):
        node = node.get("properties", {}).get(part)
        if node is None:
            return None
    return node["type"]


def test_every_saved_object_is_one_that_kibana_takes(lines):
    for found in lines:
        check_object(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["attributes"].update(panels=[]),
        lambda found: found.update(typeMigrationVersion="10.4.0"),
        lambda found: found["attributes"].update(panelsJSON=[]),
        lambda found: found["references"].pop(),
        lambda found: found["attributes"].pop("title"),
    ],
    ids=["an unknown attribute", "too new", "JSON that is no string", "a lost reference", "no title"],
)
def test_the_check_can_fail(lines, spoil):
    found = copy.deepcopy(dashboards(lines)[0])
    spoil(found)
    with pytest.raises((schemas.Refused, TypeError)):
        check_object(found)


def test_the_data_view_comes_first_and_everything_leads_to_it(lines):
    view, *others = lines
    assert view["type"] == "index-pattern"
    assert view["attributes"]["timeFieldName"] == "@timestamp"
    ids = {(found["type"], found["id"]) for found in lines}
    assert all((one["type"], one["id"]) in ids for found in others for one in found["references"])


def test_there_is_a_dashboard_for_every_question(lines):
    assert [found["id"] for found in dashboards(lines)] == [described.id for described in DASHBOARDS]


def test_panels_fit_the_grid_without_overlap(lines):
    for found in dashboards(lines):
        taken = set()
        for panel in panels(found):
            where = panel["gridData"]
            assert where["x"] + where["w"] <= 48
            across, down = (range(where[a], where[a] + where[b]) for a, b in (("x", "w"), ("y", "h")))
            cells = {(x, y) for x in across for y in down}
            assert not cells & taken
            taken |= cells


def test_time_series_bars_and_figures_are_lens_panels_and_the_rest_is_vega():
    assert {panel.id for panel in PANELS if isinstance(panel.kibana, Vega)} == VEGA
    assert {panel.kibana.kind for panel in PANELS if isinstance(panel.kibana, Lens)} == {
        "bars",
        "lines",
        "area",
        "heatmap",
        "figure",
    }


def test_every_panel_tells_how_to_read_it_and_a_click_leads_to_its_lines(lines):
    for found in dashboards(lines):
        assert found["attributes"]["refreshInterval"] == {"pause": False, "value": 60_000}
        for panel in panels(found):
            config = panel["embeddableConfig"]
            if panel["type"] == "links":
                continue
            assert config["title"]
            assert config["description"]
            if panel["type"] == "lens" and config["attributes"]["visualizationType"] != "lnsMetric":
                (event,) = config["enhancements"]["dynamicActions"]["events"]
                assert event["action"]["factoryId"] == "OPEN_IN_DISCOVER_DRILLDOWN"


def test_links_stand_where_a_heading_would_scroll(lines):
    (links,) = (found for found in lines if found["type"] == "links")
    assert [reference["id"] for reference in links["references"]] == [one.id for one in DASHBOARDS]
    for found in dashboards(lines):
        first, *others = panels(found)
        assert (first["type"], first["gridData"]["h"]) == ("links", 3)
        assert {panel["type"] for panel in others} <= {"lens", "visualization"}


def test_vega_panels_are_pretty_strict_json_that_hides_warnings(lines):
    seen = set()
    for found in dashboards(lines):
        for panel in panels(found):
            if panel["type"] != "visualization":
                continue
            text = panel["embeddableConfig"]["savedVis"]["params"]["spec"]
            spec = json.loads(text)
            assert text.count("\n") > 50
            assert spec["config"]["kibana"] == {"hideWarnings": True}
            assert "%context%" not in spec["data"]["url"], "it throws beside a query of one's own"
            assert not {"facet", "repeat", "concat"} & set(spec), "Kibana does not size these"
            seen.add(panel["panelIndex"])
    assert seen == VEGA


def test_controls_name_mapped_fields(lines):
    for found in dashboards(lines):
        controls = json.loads(found["attributes"]["controlGroupInput"]["panelsJSON"])
        names = {control["explicitInput"]["fieldName"] for control in controls.values()}
        assert names == {"tutti.engine", "host.name", "tutti.lane"}
        assert {mapped(name) for name in names} == {"keyword"}


def test_every_field_that_is_shown_counted_or_asked_for_is_mapped(lines):
    names = set(library.FORMATS)
    for found in lines:
        names |= set(found["attributes"].get("columns", []))
        names |= set(
            re.findall(r"\b(?:tutti|event|source|trace|host)(?:\.[a-z_]+)+(?= [:<>])", json.dumps(found))
        )
        names |= set(re.findall(r'\\"sourceField\\":\\"([a-z_.]+)\\"', json.dumps(found)))
    names -= {"event.action : "}
    assert len(names) > 25
    assert [name for name in names if mapped(name) is None and name != "___records___"] == []


def test_ids_and_addresses_are_links_to_saved_searches(lines):
    searches = {found["id"] for found in lines if found["type"] == "search"}
    assert searches == {"tutti-song", "tutti-refusals", "tutti-failures-lines"}
    formats = json.loads(lines[0]["attributes"]["fieldFormatMap"])
    for field in ("trace.id", "tutti.job.id", "source.ip"):
        template = formats[field]["params"]["urlTemplate"]
        assert formats[field]["id"] == "url"
        assert re.fullmatch(r"discover#/view/([a-z-]+)\?_a=\(query:.+\)", template)[1] in searches
        assert f"query:'{field}:%22{{{{value}}}}%22'" in template


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_links_to_a_heading_of_the_runbook_and_to_a_dashboard(rule):
    body, artifacts = rule.body(PAGE), rule.artifacts(PAGE)

    assert f"## {rule.id}\n" in RUNBOOK.read_text()
    assert f"runbook:{PAGE}#{rule.id}" in body["tags"]
    assert (body["rule_type_id"], body["consumer"]) == (".es-query", "stackAlerts")
    assert rule.dashboard in {described.id for described in DASHBOARDS}
    assert artifacts["investigation_guide"]["blob"].startswith(f"{runbook.HEAD}, [{PAGE}#{rule.id}]")
    schemas.check(body | {"artifacts": artifacts}, schemas.create(artifacts=True))
    schemas.check(body, schemas.create(artifacts=False))
    schemas.check_params(body["params"])


def test_a_guide_is_no_longer_than_kibana_takes(monkeypatch):
    monkeypatch.setattr(runbook, "_sections", lambda: {"long": "1. Do this.\n" * 500})
    guide = runbook.guide("long", PAGE)
    assert 900 < len(guide) <= 1000
    assert guide.endswith("Do this.\n…")
    assert runbook.guide("absent", PAGE) is None


def test_rules_name_only_fields_that_are_mapped():
    for rule in RULES:
        text = json.dumps([rule.query, rule.by])
        names = set(re.findall(r"\b(?:tutti|event|source)(?:\.[a-z_]+)+", text))
        assert [name for name in names if mapped(name) is None] == []


def test_a_blip_pages_nobody_where_a_look_may_be_wrong():
    delays = {rule.id: rule.delay for rule in RULES if rule.delay > 1}
    assert delays.keys() == {
        "oldest-queued",
        "slow-gpu",
        "unacknowledged",
        "unshipped",
        "no-dispatcher",
        "canary-delta",
    }


def test_setup_makes_all_and_a_second_one_changes_nothing():
    with kibana.running("9.2.0") as server:
        first = setup(server.url, NOBODY, runbooks=PAGE)
        server.requests.clear()
        second = setup(server.url, NOBODY, runbooks=PAGE)

        assert [step.state for step in first] == ["made"] * (1 + len(RULES))
        assert {step.state for step in second} == {"unchanged"}
        assert {method for method, path in server.requests if "rule/" in path} == {"GET"}
        assert len(server.objects) == 5 + len(DASHBOARDS)
        assert all(rule["artifacts"]["dashboards"] for rule in server.rules.values())


def operators_work(server, name):
    """What a person adds to a rule on its page, and to a dashboard."""
    rule = server.rules[name]
    params = {"to": ["a@b.example"]}
    often = {"summary": False, "notify_when": "onActiveAlert", "throttle": None}
    rule["actions"] = [
        {"id": "mail", "group": "query matched", "params": params, "uuid": "u", "frequency": often}
    ]
    rule["tags"] = ["team:music", *rule["tags"]]
    rule["flapping"] = {"look_back_window": 10, "status_change_threshold": 3}
    if server.has_artifacts:
        rule["artifacts"]["dashboards"].insert(0, {"id": "their-own"})
        rule["artifacts"]["investigation_guide"] = {"blob": "Ask Ann first."}
    server.objects[("dashboard", "tutti-load")]["attributes"]["title"] = "Ours"
    return copy.deepcopy(rule)


@pytest.mark.parametrize(
    ("version", "tells"), [("8.17.0", False), ("9.0.0", False), ("9.1.7", False), ("9.4.0", True)]
)
def test_a_later_setup_keeps_what_people_added(version, tells, monkeypatch):
    with kibana.running(version, tells_artifacts=tells) as server:
        setup(server.url, NOBODY, runbooks="an older page")
        before = operators_work(server, "tutti-storage")
        steps = {step.what: step for step in setup(server.url, NOBODY, runbooks=PAGE)}

        after = server.rules["tutti-storage"]
        assert steps["rule storage"].state == "upgraded"
        assert f"runbook:{PAGE}#storage" in after["tags"]
        assert "runbook:an older page#storage" not in after["tags"]
        assert "team:music" in after["tags"]
        assert (after["id"], after["actions"], after["flapping"]) == (
            before["id"],
            before["actions"],
            before["flapping"],
        )
        assert after.get("artifacts") == before.get("artifacts")
        others = (
            server.rules["tutti-slow-gpu"].get("artifacts", {}).get("investigation_guide", {"blob": PAGE})
        )
        assert PAGE in others["blob"], "a guide of ours is brought up to date"
        assert server.objects[("dashboard", "tutti-load")]["attributes"]["title"] == "Ours"
        assert {step.state for step in setup(server.url, NOBODY, runbooks=PAGE)} == {"unchanged"}


def test_the_stand_in_drops_what_an_update_leaves_out():
    """As Kibana does; else the test above would prove nothing."""
    with kibana.running("9.1.0") as server:
        setup(server.url, NOBODY, runbooks=PAGE)
        operators_work(server, "tutti-storage")
        body = {name: RULES[0].body(PAGE)[name] for name in ("name", "schedule", "params")}
        status, _ = server._update("tutti-storage", body)
        rule = server.rules["tutti-storage"]
        assert (status, rule["actions"], rule["tags"], rule["artifacts"]) == (200, [], [], {})


def test_dashboards_are_replaced_when_asked():
    with kibana.running() as server:
        setup(server.url, NOBODY, runbooks=PAGE)
        operators_work(server, "tutti-storage")
        setup(server.url, NOBODY, runbooks=PAGE, replace=True)
        assert server.objects[("dashboard", "tutti-load")]["attributes"]["title"] == "Tutti: Load"


def test_a_lost_dashboard_comes_back_and_the_others_stay():
    with kibana.running() as server:
        setup(server.url, NOBODY, runbooks=PAGE)
        del server.objects[("dashboard", "tutti-queue")]
        step = setup(server.url, NOBODY, runbooks=PAGE)[0]
        assert (step.state, "--replace-dashboards" in step.detail) == ("made", True)
        assert ("dashboard", "tutti-queue") in server.objects


def test_merging_keeps_only_what_an_update_may_hold():
    wanted = RULES[0].body(PAGE)
    found = wanted | {"id": "x", "revision": 3, "running": False, "throttle": None, "mute_all": False}
    found["actions"] = [{"id": "a", "params": {}, "connector_type_id": ".email", "alerts_filter": None}]
    body = merged(found, wanted, None)
    schemas.check(body, schemas.update(artifacts=False))
    assert body["actions"] == [{"id": "a", "params": {}}]
    assert same(found, body)
    assert not same(found | {"alert_delay": {"active": 9}}, body)


def test_before_fixed_ids_the_dashboards_come_and_the_rules_are_said_to_lack():
    with kibana.running("8.16.2") as server:
        steps = setup(server.url, NOBODY, runbooks=PAGE)
        assert [(step.what, step.state) for step in steps] == [("dashboards", "made"), ("rules", "lacking")]
        assert "8.17" in steps[1].detail
        assert server.rules == {}


def test_the_stand_in_refuses_a_fixed_id_before_8_17():
    with kibana.running("8.16.2") as server, pytest.raises(schemas.Refused, match="Predefined IDs"):
        server._create("tutti-storage", RULES[0].body(PAGE))


def test_a_kibana_without_its_encryption_key_runs_no_rules_and_that_is_said():
    with kibana.running() as server:
        server.encryption_key = False
        steps = setup(server.url, NOBODY, runbooks=PAGE)
        assert steps[-1].state == "lacking"
        assert "xpack.encryptedSavedObjects.encryptionKey" in steps[-1].detail


@pytest.mark.parametrize(("version", "message"), [("8.10.1", "too old"), ("7.17.0", "too old")])
def test_a_kibana_that_is_too_old_is_told_so(version, message):
    with kibana.running(version) as server, pytest.raises(KibanaRefused, match=message):
        setup(server.url, NOBODY, runbooks=PAGE)


def test_who_may_not_is_told_so():
    with kibana.running() as server:
        server.let_in("ann", "secret")
        with pytest.raises(KibanaRefused, match="signed in"):
            setup(server.url, Access(api_key="k"), runbooks=PAGE)
        assert setup(server.url, Access(user=("ann", "secret")), runbooks=PAGE)[0].state == "made"


OPTIONAL = Path(library.__file__).parent / "optional"


@pytest.mark.parametrize("path", sorted(OPTIONAL.glob("*.json")), ids=lambda path: path.stem)
def test_what_needs_a_licence_says_so_and_names_mapped_fields(path):
    """By shape alone, for neither can run here.

    SLOs as elastic/kibana's own API tests create them (`sli.kql.custom`, main), anomaly jobs by the reference
    of `ml.put_job` and `ml.put_datafeed`.
    """
    text = path.read_text()
    found = json.loads(text)
    assert "licence" in json.dumps(found)
    assert f"`{path.name}`" in (OPTIONAL / "README.md").read_text()
    names = set(re.findall(r"\b(?:tutti|event|source|host)\.[a-z_.]+\b(?!-)", text))
    assert names
    assert [name for name in names if mapped(name) is None and not name.startswith("tutti.*")] == []
    if "indicator" in found:
        assert set(found["indicator"]["params"]) == {"index", "filter", "good", "total", "timestampField"}
        assert 0 < found["objective"]["target"] < 1
    else:
        assert found["datafeed"]["job_id"].removeprefix("tutti-") in path.stem
        assert set(found) == {"job", "datafeed"}
