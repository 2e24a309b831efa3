"""The shipper's API key on an Elasticsearch with its real security: enough to ship, and for nothing else."""

import pytest
from elasticsearch import ApiError, Elasticsearch

from observability.elastic.setup import setup
from observability.shipper import guard, run
from observability.shipper.source import Line
from tests import shipping
from tests.servers import elasticsearch

STREAM = "logs-tutti.web-default"


def key_of(steps):
    return next(step for step in steps if step.what == "API key")


@pytest.fixture(scope="module")
def node():
    with elasticsearch.running(secure=True) as node:
        yield node


@pytest.fixture(scope="module")
def key(node):
    """The key of a first set-up."""
    with node.client() as administrator:
        step = key_of(setup(administrator))
    assert step.state == "made"
    return step.detail.removeprefix("TUTTI_ELASTICSEARCH_API_KEY=")


@pytest.fixture(scope="module")
def shipped(node, key, tmp_path_factory):
    """Lines shipped with the key; a client with it."""
    folder = tmp_path_factory.mktemp("ship")
    shipping.write(folder / "web.jsonl", 0, 300)
    pattern = str(folder / "*.jsonl")
    assert run(url=node.url, api_key=key, patterns=[pattern], state=folder / "state", once=True) == 0
    with Elasticsearch(node.url, api_key=key) as client:
        yield client


def test_the_key_is_made_once_and_again_only_when_asked_for(node, key):
    with node.client() as administrator:
        assert key_of(setup(administrator)).state == "unchanged"
        assert key_of(setup(administrator, new_key=True)).detail.removeprefix("TUTTI_") != key


def test_lines_arrive_with_the_key(node, shipped):
    with node.client() as administrator:
        assert shipping.faults(administrator, STREAM, 300) == (0, 0)


def test_the_key_may_look_for_what_it_sent(shipped):
    (index,) = guard.backing_indices(shipped, STREAM)
    there = shipped.search(index=STREAM, size=1)["hits"]["hits"][0]["_id"]
    lines = [Line(there.encode(), 0, b""), Line(b"never-sent", 0, b"")]

    assert [line.id for line in guard.missing(shipped, STREAM, lines, 0)] == [b"never-sent"]
    assert guard.generation(index) == 1
    assert guard._running(shipped) == []


@pytest.mark.parametrize(
    "what",
    [
        lambda key, index, there: key.update(index=index, id=there, doc={"a": 1}),
        lambda key, index, there: key.delete(index=index, id=there),
        lambda key, index, there: key.indices.delete(index=index),
        lambda key, index, there: key.indices.rollover(alias=STREAM),
        lambda key, index, there: key.index(index="elsewhere", document={"a": 1}),
        lambda key, index, there: key.search(index="elsewhere"),
        lambda key, index, there: key.cluster.delete_component_template(name="tutti-logs@mappings"),
        lambda key, index, there: key.security.create_api_key(name="more"),
    ],
    ids=[
        "change a line",
        "delete a line",
        "delete an index",
        "roll over",
        "write elsewhere",
        "read elsewhere",
        "delete a template",
        "make a key",
    ],
)
def test_the_key_is_refused_all_else(node, shipped, what):
    with node.client() as administrator:
        administrator.options(ignore_status=400).indices.create(index="elsewhere")
    (index,) = guard.backing_indices(shipped, STREAM)
    there = shipped.search(index=STREAM, size=1)["hits"]["hits"][0]["_id"]
    with pytest.raises(ApiError) as refused:
        what(shipped, index, there)
    assert refused.value.meta.status == 403


def test_without_a_key_nothing_is_taken(node):
    with Elasticsearch(node.url) as stranger, pytest.raises(ApiError) as refused:
        stranger.index(index=STREAM, document={"a": 1}, op_type="create")
    assert refused.value.meta.status == 401
