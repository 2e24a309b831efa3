"""Our stand-in for Kibana's Vega parser, held to the ideas of Kibana's own unit tests.

Read: elastic/kibana, src/platform/plugins/private/vis_types/vega/public/data_model, es_query_parser.test.js
(commit 44a0a675) and vega_parser.test.js, main of 9.x.
"""

import copy
import datetime as dt
import json

import pytest

from observability.panels import PANELS
from observability.panels.panel import Vega
from tests.servers.kibana.vega import Dashboard, Refused, interval_clause, round_interval, unresolved

DAY = 86_400
SINCE, UNTIL = (dt.datetime.fromtimestamp(days * DAY, dt.UTC) for days in (10, 12))
RANGE = {
    "gte": "1970-01-11T00:00:00.000Z",
    "lte": "1970-01-13T00:00:00.000Z",
    "format": "strict_date_optional_time",
}
LISTS = {"bool": {"must": [{"match_all": {"c": 3}}], "must_not": [{"d": 4}], "filter": [{"f": 6}]}}
ONES = {"bool": {"must": {"match_all": {"a": 1}}, "must_not": {"b": 2}, "filter": {"e": 6}}}
MUST, FILTER, NOT = (f"%dashboard_context-{name}_clause%" for name in ("must", "filter", "must_not"))


def board(context=None):
    return Dashboard(SINCE, UNTIL, copy.deepcopy(context))


@pytest.mark.parametrize(
    ("node", "made", "context"),
    [
        ({}, {}, None),
        ({"a": {"c": 10}, "b": [{"d": 2}, 4, 5], "c": [], "d": {}}, None, None),
        ({"arr": [MUST]}, {"arr": []}, {}),
        (
            {"arr": [1, MUST, 2, NOT, 3, FILTER]},
            {"arr": [1, {"match_all": {"c": 3}}, 2, {"d": 4}, 3, {"f": 6}]},
            LISTS,
        ),
        (
            {"arr": [MUST, 1, NOT, 2, FILTER, 3]},
            {"arr": [{"match_all": {"a": 1}}, 1, {"b": 2}, 2, {"e": 6}, 3]},
            ONES,
        ),
        (
            {"date_histogram": {"interval": {"%autointerval%": True}}},
            {"date_histogram": {"calendar_interval": "1h"}},
            ONES,
        ),
        (
            {"date_histogram": {"interval": {"%autointerval%": 10}}},
            {"date_histogram": {"fixed_interval": "3h"}},
            ONES,
        ),
        ({"date_histogram": {"interval": "30m"}}, {"date_histogram": {"fixed_interval": "30m"}}, ONES),
        ({"histogram": {"interval": 1}}, None, ONES),
        ({"a": {"%timefilter%": "min"}}, {"a": 10 * DAY * 1000}, None),
        ({"a": {"%timefilter%": "max", "shift": -2, "unit": "h"}}, {"a": (12 * DAY - 7200) * 1000}, None),
        ({"a": {"%timefilter%": True}}, {"a": RANGE}, None),
    ],
)
def test_placeholders_are_replaced_as_in_kibana(node, made, context):
    expected = copy.deepcopy(node) if made is None else made
    board(context).inject(node, is_query=True)
    assert node == expected


@pytest.mark.parametrize(
    "left",
    [
        {"date_histogram": {"fixed_interval": {"%autointerval%": True}}},
        {"date_histogram": {"calendar_interval": {"%autointerval%": True}}},
        {"histogram": {"interval": {"%autointerval%": True}}},
        {"terms": {"include": [MUST]}},
    ],
)
def test_what_stands_elsewhere_stays_and_is_found(left):
    before = copy.deepcopy(left)
    board(LISTS).inject(left, is_query=False)
    assert left == before
    assert unresolved(left)


@pytest.mark.parametrize(
    "node",
    [
        {"a": {"%timefilter%": "middle"}},
        {"date_histogram": {"interval": {"%autointerval%": "many"}}},
        {"a": {"%timefilter%": True, "shift": "1"}},
        {"a": {"%timefilter%": True, "shift": 1, "unit": "fortnight"}},
    ],
)
def test_what_kibana_refuses_is_refused(node):
    with pytest.raises(Refused):
        board().inject(node, is_query=True)


def test_steps_of_time():
    assert [round_interval(ms) for ms in (400, 4000, 4 * 3_600_000, 1_728_000, 5e9)] == [
        "100ms",
        "1s",
        "3h",
        "30m",
        "1y",
    ]
    assert interval_clause("1m") == {"calendar_interval": "1m"}
    assert interval_clause("1s") == {"fixed_interval": "1s"}
    with pytest.raises(Refused):
        interval_clause("2w")


def test_context_and_time_field():
    whole = {
        "bool": {
            "must": [{"match_all": {"c": 3}}, {"range": {"abc": RANGE}}],
            "must_not": [{"d": 4}],
            "filter": [{"f": 6}],
        }
    }
    for url in ({"%context%": True, "%timefield%": "abc"}, {"%context_query%": "abc"}):
        made = board(LISTS)
        assert made.parse_url({"index": "_all", **url}) == {"index": "_all", "body": {"query": whole}}
        assert len(made.warnings) == ("%context_query%" in url)
    assert board(LISTS).parse_url({"%timefield%": "abc"})["body"] == {"query": {"range": {"abc": RANGE}}}
    assert board(LISTS).parse_url({"%context%": True})["body"] == {"query": LISTS}
    assert board(LISTS).parse_url({"index": "_all"}) == {"index": "_all", "body": {}}
    with pytest.raises(Refused, match="must not be used"):
        board(LISTS).parse_url({"%context%": True, "body": {"query": {"match_all": {}}}})


@pytest.mark.parametrize(
    "spec",
    [
        "{a: b}",
        "[]",
        '{"data": {}}',
        '{"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "data": {"url": {"%type%": "ems"}}}',
        '{"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "data": {"url": {}, "values": []}}',
    ],
)
def test_specs_that_kibana_refuses(spec):
    with pytest.raises(Refused):
        board().parse(spec)


def test_urls_are_found_wherever_they_are_and_warnings_are_kept():
    v5 = "https://vega.github.io/schema/vega-lite/v5.json"
    spec = {
        "$schema": v5,
        "layer": [{"data": {"url": {"index": "a"}}}, {"data": {"url": "plain"}}],
        "width": 5,
    }
    made = board()
    _, requests = made.parse(json.dumps(spec | {"config": {"kibana": {"hideWarnings": "yes"}}}))
    assert [request["url"]["index"] for request in requests] == ["a"]
    assert len(made.warnings) == 2


@pytest.mark.parametrize("panel", [p for p in PANELS if isinstance(p.kibana, Vega)], ids=lambda p: p.id)
def test_no_vega_panel_is_left_with_a_placeholder_or_a_warning(panel):
    made = board(LISTS)
    spec, requests = made.parse(json.dumps(panel.kibana_spec()))
    assert len(requests) == 1
    assert not made.warnings
    assert not unresolved([spec, requests])
    sent = json.dumps(requests[0]["url"]["body"]["query"])
    for part in ('{"match_all": {"c": 3}}', '{"f": 6}', '{"d": 4}', RANGE["gte"]):
        assert part in sent, "it has to follow the dashboard's time, query and controls"
