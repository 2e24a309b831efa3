import pytest
from elasticsearch import ApiError

from observability.elastic import templates
from observability.elastic.setup import NewerThanThis, setup
from tests.servers import elasticsearch


@pytest.fixture(scope="module")
def node():
    with elasticsearch.running() as node:
        yield node


@pytest.fixture
def server(node):
    with node.client() as client:
        yield client


def states(steps):
    return {step.what: step.state for step in steps}


def test_setup_makes_what_is_missing_and_then_changes_nothing(server):
    first, second = states(setup(server)), states(setup(server))

    assert {first[name] for name in ("tutti-logs", "tutti-logs@mappings", "tutti-logs@settings")} == {"made"}
    assert "made" not in second.values()
    assert "upgraded" not in second.values()


def test_setup_says_what_this_server_lacks(server):
    lacking = [step for step in setup(server) if step.state == "lacking"]

    assert {step.what for step in lacking} == {"built-ins", "retention", "failure store", "API key"}
    assert all(step.detail for step in lacking)


def test_lines_land_in_a_data_stream_with_our_types(server):
    setup(server)
    stream = "logs-tutti.types-default"
    line = {
        "@timestamp": "2026-11-23T11:00:00.123456Z",
        "event": {"action": "job.succeeded", "duration": 5_000_000_000},
        "source": {"ip": "192.0.2.7"},
        "tutti": {"audio": {"seconds": "not a number"}, "prompt": {"chars": 44}, "never_seen": "x"},
    }
    server.index(index=stream, document=line, op_type="create", refresh=True)

    (mapping,) = (found["mappings"] for found in server.indices.get_mapping(index=stream).body.values())
    assert mapping["properties"]["@timestamp"]["type"] == "date"
    assert mapping["properties"]["source"]["properties"]["ip"] == {"type": "ip"}
    assert mapping["properties"]["tutti"]["properties"]["never_seen"]["type"] == "keyword"
    hits = server.search(index=stream, query={"exists": {"field": "_ignored"}})["hits"]["hits"]
    assert hits[0]["_ignored"] == ["tutti.audio.seconds"], "a bad value must not lose its line"


def test_without_a_data_stream_template_nothing_is_indexed(server):
    with pytest.raises(ApiError) as refused:
        server.index(index="logs-else", document={"a": 1}, op_type="create", require_data_stream=True)
    assert refused.value.meta.status == 404


def test_a_newer_set_up_is_left_alone(server, monkeypatch):
    setup(server)
    monkeypatch.setattr(templates, "VERSION", templates.VERSION - 1)

    with pytest.raises(NewerThanThis, match="update Tutti"):
        setup(server)


def test_an_older_set_up_is_upgraded_and_its_streams_get_the_new_mappings(server, monkeypatch):
    setup(server)
    stream = "logs-tutti.upgrade-default"
    server.index(index=stream, document={"@timestamp": "2026-11-23T11:00:00Z"}, op_type="create")
    monkeypatch.setattr(templates, "VERSION", templates.VERSION + 1)
    monkeypatch.setitem(templates.PROPERTIES, "fresh", {"type": "ip"})

    steps = states(setup(server))

    assert steps["tutti-logs@mappings"] == "upgraded"
    assert steps[stream] == "upgraded"
    mappings = [
        found["mappings"]["properties"] for found in server.indices.get_mapping(index=stream).body.values()
    ]
    assert sorted("fresh" in properties for properties in mappings) == [False, True]
