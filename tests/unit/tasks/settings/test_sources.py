"""Settings from variables, files and tutti.toml: the first found counts, nothing is ignored in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.settings import Settings, sources
from tasks.settings.sources import WrongSettings

FIELDS = Settings.model_fields
OPTIONAL = {"callback_networks"}


def given_by(**variables: str) -> dict[str, object]:
    return sources.given(FIELDS, OPTIONAL, {name.upper(): value for name, value in variables.items()})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_variable_goes_before_the_file(tmp_path: Path) -> None:
    Path("tutti.toml").write_text('port = 8100\nhost = "::1"\nTUTTI_KEEP_DAYS = 3\n')
    assert given_by(tutti_port="8200") == {"port": "8200", "host": "::1", "keep_days": 3}
    (tmp_path / "other.toml").write_text("port = 8300")
    assert given_by(tutti_config="other.toml") == {"port": 8300}


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\ufeffhunter2 hunter2 hunter2\r\n")
    assert given_by(tutti_secret_file=str(tmp_path / "s")) == {"secret": "hunter2 hunter2 hunter2"}
    Path("tutti.toml").write_text('secret_file = "s"')
    assert given_by() == {"secret": "hunter2 hunter2 hunter2"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"tutti_secrt": "x"}, "TUTTI_SECRT is no setting; did you mean TUTTI_SECRET?"),
        ({"tutti_data_dir": "x"}, "TUTTI_DATA_DIR is no setting"),
        ({"tutti_secert_file": "x"}, "did you mean TUTTI_SECRET_FILE?"),
        ({"tutti_confg": "x"}, "did you mean TUTTI_CONFIG?"),
        ({"tutti_secret_file": "missing"}, "TUTTI_SECRET_FILE: missing cannot be read: No such file"),
        ({"tutti_secret_file": "."}, "TUTTI_SECRET_FILE: . cannot be read"),
        ({"tutti_secret_file": "/dev/null"}, "is empty"),
        ({"tutti_secret_file": "/dev/zero"}, "larger than 1 MiB"),
        ({"tutti_secret_file": "x", "tutti_secret": "y"}, "both given"),
        ({"tutti_config": "missing.toml"}, "missing.toml cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(variables: dict[str, str], words: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        given_by(**variables)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = ", "is not TOML"),
        ("prot = 1", "did you mean"),
        ("[web]\nport = 1", "by their names alone"),
        ('pass_environment = "X"', "only the variable"),
    ],
)
def test_a_file_that_cannot_be_is_named(text: str, words: str) -> None:
    Path("tutti.toml").write_text(text)
    with pytest.raises(WrongSettings, match=words):
        given_by()


def test_what_an_orchestrator_says_of_its_services_is_no_setting() -> None:
    said = {
        "tutti_port": "tcp://10.0.0.3:8000", "tutti_service_host": "10.0.0.3", "tutti_service_port": "8000",
        "tutti_service_port_http": "8000", "tutti_port_8000_tcp": "tcp://10.0.0.3:8000",
        "tutti_port_8000_tcp_proto": "tcp", "tutti_port_8000_tcp_addr": "10.0.0.3",
        "tutti_web_port": "udp://10.0.0.4:53", "tutti_web_service_host": "10.0.0.4",
    }  # fmt: skip
    assert given_by(**said) == {}


def test_nothing_at_all_counts_as_not_given() -> None:
    assert given_by(tutti_storage="", tutti_tls_key=" ", tutti_callback_networks="") == {
        "callback_networks": ""
    }


@given(st.sampled_from(sorted(FIELDS)), st.text(st.characters(blacklist_categories=["Cs"]), max_size=30))
def test_a_value_comes_without_the_space_around_it(name: str, value: str) -> None:
    found = given_by(**{f"tutti_{name}": f" {value}\t"})
    assert found.get(name, "") == value.strip()


@given(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20))
def test_every_other_name_is_an_error(name: str) -> None:
    if name in FIELDS or name == "config" or name.removesuffix("_file") in FIELDS:
        return
    with pytest.raises(WrongSettings, match="is no setting"):
        given_by(**{f"tutti_{name}": "1"})
