"""`tutti observe setup` on an Elasticsearch with its real security, and a stand-in for Kibana's API.

As a superuser, as a user who may only manage templates, and with an API key; twice, with an operator's work
between. Read: elastic/elasticsearch, x-pack/plugin/security, TransportCreateApiKeyAction (9.5.3 runs here).
"""

import copy
import json

import pytest
from elasticsearch import ApiError, Elasticsearch
from typer.testing import CliRunner

from compose.commands.observe import app
from observability.elastic import templates
from observability.kibana.rules import RULES
from tasks.settings import settings
from tests.servers import elasticsearch, kibana
from tests.servers.elasticsearch import security

LIMITED = {
    "cluster": ["monitor", "manage_index_templates"],
    "indices": [{"names": ["logs-tutti.*"], "privileges": ["manage", "view_index_metadata"]}],
}
PASSWORD = "for-tests-only"


@pytest.fixture(scope="module")
def node():
    with elasticsearch.running(secure=True) as node, node.client() as administrator:
        administrator.security.put_role(name="templates", **LIMITED)
        administrator.security.put_user(username="bea", password=PASSWORD, roles=["templates"])
        yield node


@pytest.fixture
def fresh(node):
    """Nothing of Tutti on the server, but for templates of streams that are there, which cannot go."""
    with node.client() as administrator:
        quiet = administrator.options(ignore_status=[400, 404])
        quiet.indices.delete_index_template(name=templates.NAME)
        for name in templates.component_templates():
            quiet.cluster.delete_component_template(name=name)
        quiet.security.invalidate_api_key(name="tutti-ship")
        yield administrator


@pytest.fixture
def server(node, fresh, monkeypatch):
    with kibana.running("9.2.0") as server:
        for name in (security.USER, "bea"):
            server.let_in(name, PASSWORD)
        monkeypatch.setenv("TUTTI_ELASTICSEARCH_URL", node.url)
        monkeypatch.setenv("TUTTI_KIBANA_URL", server.url)
        settings.cache_clear()
        yield server
    settings.cache_clear()


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


def run(*options, typed=None):
    return CliRunner().invoke(app, ["observe", "setup", *map(str, options)], input=typed)


def key_request(output):
    """What the command prints for somebody who may make keys."""
    head, _, text = output.partition("POST /_security/api_key\n")
    assert head
    return json.JSONDecoder().raw_decode(text)[0]


def test_a_superuser_sets_up_all_with_a_key_that_ships(server, node, password):
    done = run("--user", security.USER, "--password-file", password)
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.output.splitlines() if "TUTTI_ELASTICSEARCH_API_KEY=" in line)
    key = line.partition("TUTTI_ELASTICSEARCH_API_KEY=")[2].strip()
    with Elasticsearch(node.url, api_key=key) as shipper:
        document = {"@timestamp": "2026-11-22T00:00:00Z"}
        assert shipper.index(index="logs-tutti.web-default", document=document, op_type="create")
    assert len(server.rules) == len(RULES)


def test_the_password_may_be_typed_and_is_not_echoed(server):
    done = run("--user", security.USER, typed=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output


def test_a_user_who_may_not_make_keys_is_given_what_makes_one_and_kibana_is_reached(server, fresh, password):
    done = run("--user", "bea", "--password-file", password)
    assert done.exit_code == 0, done.output
    asked = key_request(done.output)
    assert asked["role_descriptors"] == templates.shipper_role()
    assert len(server.rules) == len(RULES)
    assert fresh.security.create_api_key(**asked)["encoded"], "an administrator can send it as it is"


@pytest.fixture
def administrators_key(fresh, server):
    """A key that may do all that its administrator may."""
    key = fresh.security.create_api_key(name="all")["encoded"]
    server.credentials.add(f"ApiKey {key}")
    return key


def test_with_an_api_key_all_is_done_but_the_key_for_shipping(server, node, fresh, administrators_key):
    with Elasticsearch(node.url, api_key=administrators_key) as keyed, pytest.raises(ApiError) as refused:
        keyed.security.create_api_key(name="x", role_descriptors=templates.shipper_role())
    assert refused.value.meta.status == 400, "what this is about: the server refuses it"

    done = run("--api-key", administrators_key)
    assert done.exit_code == 0, done.output
    assert "--user" in done.output
    assert key_request(done.output)["name"] == "tutti-ship"
    assert fresh.indices.get_index_template(name=templates.NAME)
    assert len(server.rules) == len(RULES)


def test_a_second_time_it_changes_nothing_and_an_operators_action_stays(server, password):
    options = ("--user", security.USER, "--password-file", password)
    assert run(*options).exit_code == 0
    rule = server.rules["tutti-oldest-queued"]
    rule["actions"] = [
        {"id": "pager", "group": "query matched", "params": {"message": "wake up"}, "uuid": "u"}
    ]
    rule["tags"].append("night")
    before = copy.deepcopy(server.rules)

    again = run(*options)
    assert again.exit_code == 0, again.output
    assert server.rules == before
    assert {line.split()[0] for line in again.output.splitlines()} <= {"unchanged", "lacking"}

    moved = run(*options, "--runbooks", "https://tutti.example/runbooks")
    assert moved.exit_code == 0, moved.output
    after = server.rules["tutti-oldest-queued"]
    assert (after["actions"], "night" in after["tags"]) == (before["tutti-oldest-queued"]["actions"], True)
    assert "runbook:https://tutti.example/runbooks#oldest-queued" in after["tags"]


def test_what_stops_elasticsearch_does_not_stop_kibana(server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    server.let_in("cal", "wrong")  # known to Kibana, not to Elasticsearch
    done = run("--user", "cal", "--password-file", wrong)
    assert done.exit_code == 1
    assert "Stopped: " in done.output
    assert len(server.rules) == len(RULES)


def test_a_key_and_a_user_are_one_too_many(server):
    assert run("--user", "ann", "--api-key", "k").exit_code == 2
