"""The saved objects and rules by shape: what Kibana's import and its alerting API ask of them."""

import http.server
import json
import re
import threading
from pathlib import Path

import orjson
import pytest

from observability.kibana import objects
from observability.kibana.rules import RULES
from observability.kibana.setup import KibanaRefused, setup
from observability.panels import DASHBOARDS

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks.md"
KNOWN = {
    "title",
    "description",
    "panelsJSON",
    "optionsJSON",
    "timeRestore",
    "timeFrom",
    "timeTo",
    "kibanaSavedObjectMeta",
    "controlGroupInput",
}


@pytest.fixture(scope="module")
def lines():
    return [orjson.loads(line) for line in objects.ndjson().splitlines()]


def dashboards(lines):
    return [found for found in lines if found["type"] == "dashboard"]


def test_the_data_view_comes_first_and_everything_refers_to_it(lines):
    view, *others = lines
    assert view["type"] == "index-pattern"
    assert view["attributes"]["timeFieldName"] == "@timestamp"
    assert {reference["id"] for found in others for reference in found["references"]} == {view["id"]}


def test_there_is_a_dashboard_for_every_question(lines):
    assert [found["id"] for found in dashboards(lines)] == [described.id for described in DASHBOARDS]


def test_dashboards_have_only_attributes_that_kibana_knows(lines):
    for found in dashboards(lines):
        assert set(found["attributes"]) == KNOWN
        assert (found["coreMigrationVersion"], found["typeMigrationVersion"]) == ("8.8.0", "8.9.0")


def _strings(value, name=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, key)
    elif name.endswith("JSON"):
        yield name, value


def test_every_attribute_that_ends_in_json_is_a_string_of_json(lines):
    found = [pair for line in lines for pair in _strings(line["attributes"])]
    assert len(found) > 4 * len(DASHBOARDS)
    for name, value in found:
        assert isinstance(value, str), name
        json.loads(value)


def test_panels_fit_the_grid_without_overlap(lines):
    for found in dashboards(lines):
        taken = set()
        for panel in json.loads(found["attributes"]["panelsJSON"]):
            where = panel["gridData"]
            assert where["i"] == panel["panelIndex"]
            assert where["x"] + where["w"] <= 48
            cells = {
                (x, y)
                for x in range(where["x"], where["x"] + where["w"])
                for y in range(where["y"], where["y"] + where["h"])
            }
            assert not cells & taken
            taken |= cells


def test_vega_panels_are_strict_json_that_asks_under_the_dashboards_time_and_controls(lines):
    seen = 0
    for found in dashboards(lines):
        for panel in json.loads(found["attributes"]["panelsJSON"]):
            saved = panel["embeddableConfig"]["savedVis"]
            assert saved["data"] == {"aggs": [], "searchSource": {}}
            if saved["type"] != "vega":
                continue
            spec = json.loads(saved["params"]["spec"])
            url, text = spec["data"]["url"], json.dumps(spec)
            assert '{"%timefilter%": true}' in text
            for clause in ("must", "filter", "must_not"):
                assert f'"%dashboard_context-{clause}_clause%"' in text
            assert "%context%" not in url, "it throws beside a query of one's own"
            assert not {"facet", "repeat", "concat"} & set(spec), "Kibana does not size these"
            seen += 1
    assert seen == sum(len(described.panels) for described in DASHBOARDS)


def test_controls_name_their_data_view(lines):
    for found in dashboards(lines):
        controls = json.loads(found["attributes"]["controlGroupInput"]["panelsJSON"])
        names = {reference["name"] for reference in found["references"]}
        assert names == {f"controlGroup_{control}:optionsListDataView" for control in controls}
        assert {control["explicitInput"]["fieldName"] for control in controls.values()} == {
            "tutti.engine",
            "host.name",
            "tutti.lane",
        }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_links_to_a_heading_of_the_runbook(rule):
    body = rule.body("https://tutti.example/runbooks")

    assert f"## {rule.id}\n" in RUNBOOK.read_text()
    assert f"runbook:https://tutti.example/runbooks#{rule.id}" in body["tags"]
    assert (body["rule_type_id"], body["consumer"]) == (".es-query", "stackAlerts")
    assert len(body["params"]["threshold"]) == 1


def test_rules_name_only_fields_that_are_mapped():
    from observability.elastic.templates import PROPERTIES

    for rule in RULES:
        text = json.dumps([rule.query, rule.by])
        for name in re.findall(r"\b(?:tutti|event|source)(?:\.[a-z_]+)+", text):
            node = {"properties": PROPERTIES}
            for part in name.split("."):
                assert part in node["properties"], name
                node = node["properties"][part]


class Recorder(http.server.BaseHTTPRequestHandler):
    """Stands where Kibana would, keeps what it is sent and answers as told. Kibana itself is no package."""

    seen: list
    answers: dict

    def _answer(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        status, told = self.answers.get(self.command, (200, {"success": True, "successCount": 8}))
        if self.path.startswith("/api/saved_objects"):
            status, told = self.answers.get("import", (200, {"success": True, "successCount": 8}))
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def kibana():
    Recorder.seen, Recorder.answers = [], {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_setup_sends_the_file_and_every_rule(kibana):
    steps = setup(kibana, api_key="k", runbooks="https://tutti.example/runbooks")

    method, path, headers, body = Recorder.seen[0]
    assert (method, path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    assert headers["kbn-xsrf"] == "true"
    assert headers["authorization"] == "ApiKey k"
    assert b'filename="tutti.ndjson"' in body
    assert objects.ndjson() in body
    assert len(steps) == 1 + len(RULES)


def test_rules_that_are_there_are_replaced(kibana):
    Recorder.answers["POST"] = (409, {"message": "conflict"})
    setup(kibana, api_key=None, runbooks="r")

    puts = [json.loads(body) for method, _, _, body in Recorder.seen if method == "PUT"]
    assert len(puts) == len(RULES)
    assert not any({"rule_type_id", "consumer", "enabled"} & set(body) for body in puts)


@pytest.mark.parametrize("answer", [(500, {}), (200, {"success": False, "errors": ["too new"]})])
def test_a_refusal_is_said(kibana, answer):
    Recorder.answers["import"] = answer
    with pytest.raises(KibanaRefused):
        setup(kibana, api_key=None, runbooks="r")
