"""A working folder full of others' modules, other programs' variables, a data folder of odd letters."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tasks.settings import environment
from tests.field import house
from tests.field.house import House, song, tutti, until
from tests.servers.tutti import free_port

MODULES = (
    "tasks", "web", "nginx", "compose", "observability", "logging", "asyncio", "celery", "celeryconfig",
    "flowerconfig", "flower", "kombu", "redis", "numpy", "typing", "json", "sitecustomize", "sqlalchemy",
)  # fmt: skip
OTHERS = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_WRITE_URL": "redis://127.0.0.1:1/0",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/0",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "CELERY_LOADER": "no.such.loader",
    "CELERY_CUSTOM_WORKER_POOL": "no.such:Pool",
    "DJANGO_SETTINGS_MODULE": "no.such.settings",
    "FLOWER_PORT": "tcp://10.0.0.3:5555",
    "FLOWER_UNAUTHENTICATED_API": "true",
    "FLOWER_BASIC_AUTH": "a:b",
    "FLOWER_URL_PREFIX": "elsewhere",
    "TUTTI_PORT_8000_TCP": "tcp://10.0.0.4:8000",
    "TUTTI_SERVICE_HOST": "10.0.0.4",
    "PGHOST": "10.0.0.5",
    "PYTHONPATH": ".",
    "PYTHONSTARTUP": "logging.py",
    "OMP_NUM_THREADS": "nonsense",
    "DISABLE_TRACEBACKS": "1",
}
ODD = "take #1 [prod] what? a%20b $x 'q' \"d\" ü"


def furnish(folder: Path) -> Path:
    """A working folder whose modules would break whoever imports them."""
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder was imported')\n")
    return folder


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    here = furnish(tmp_path_factory.mktemp("field") / "here")
    with house.up(here, ODD, beside=OTHERS) as running:
        yield running


def test_a_song_is_made_and_opens(lived_in: House) -> None:
    made = song(lived_in.url)
    assert httpx.get(str(made["url"])).content[:4] == b"RIFF"


def test_everything_kept_lies_in_the_folder_that_was_named(lived_in: House) -> None:
    song(lived_in.url)
    assert {"ledger.db", "output", "log", "secret"} <= {path.name for path in lived_in.data.iterdir()}
    beside = {path.name for path in lived_in.data.parent.iterdir()} - {f"{name}.py" for name in MODULES}
    assert beside == {ODD}


def test_no_process_has_a_variable_of_other_programs(lived_in: House) -> None:
    found: dict[str, set[str]] = {}
    for process in lived_in.family[1:]:  # the first cleans its own, which the kernel does not show
        found[" ".join(process.cmdline()[-3:])] = set(process.environ())
    assert len(found) >= 6
    allowed = set(environment.built(source=OTHERS | house.PLAIN))
    ours = {
        "CUDA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TZ",
        "LC_CTYPE",
    }
    for command, names in found.items():
        assert {name for name in names if not name.startswith("TUTTI_")} <= allowed | ours, command
        assert not names & {"TUTTI_SERVICE_HOST", "TUTTI_PORT_8000_TCP"}


def test_flower_runs_and_its_api_is_shut(lived_in: House) -> None:
    until(lambda: httpx.get(f"{lived_in.url}/flower/", follow_redirects=True).status_code == 200)
    assert httpx.get(f"{lived_in.url}/flower/api/workers").status_code == 401
    assert "flower | ended" not in lived_in.printed, lived_in.printed


def test_commands_work_there_too(lived_in: House) -> None:
    for words in (["--version"], ["status"], ["settings", "--plain"], ["doctor"]):
        done = tutti(*words, cwd=lived_in.data.parent, beside=OTHERS, data=ODD, port=str(lived_in.port))
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "CELERY_BROKER_URL" in done.stdout
    assert ODD in done.stdout


def test_a_worker_by_itself_lives_there(lived_in: House, tmp_path: Path) -> None:
    """`tutti worker` without any supervisor: the engine's child is one more step away."""
    song(lived_in.url)  # for which its engine begins
    workers = [one for one in lived_in.family if "worker" in one.cmdline()]
    (worker,) = [one for one in workers if one.cmdline()[-1] == "worker"]
    until(worker.children)
    assert all("-P" in child.cmdline() for child in worker.children() if isinstance(child, psutil.Process))


def test_the_worst_shell_that_a_service_was_ever_started_from(tmp_path: Path) -> None:
    """No HOME, no UTF-8, no file for anybody, ways out that lead nowhere, an odd temporary folder."""
    here = furnish(tmp_path / "here")
    worst = {
        "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "TZ": "Nowhere/At_all",
        "TMPDIR": str(tmp_path / "take $1 #"), "XDG_RUNTIME_DIR": "/nowhere", "XDG_CACHE_HOME": "/nowhere",
        "http_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "socks5://x:1",
        "SSL_CERT_FILE": "/nowhere.pem", "REQUESTS_CA_BUNDLE": "/nowhere.pem", "RABBITMQ_NODENAME": "x",
        "PGSERVICE": "none", "PGOPTIONS": "-c nonsense", "AWS_PROFILE": "none", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    (tmp_path / "take $1 #").mkdir()
    before, home = os.umask(0o777), house.PLAIN.pop("HOME")
    try:
        with house.up(here, "mü $x", beside=worst) as running:
            os.umask(before)
            assert httpx.get(str(song(running.url)["url"])).content[:4] == b"RIFF"
            for surroundings in (worst, {}):  # a keeper's shell has another TMPDIR than the service
                done = tutti("status", cwd=here, beside=surroundings, data="mü $x", port=str(running.port))
                assert done.returncode == 0, (done.stdout, done.stderr)
    finally:
        os.umask(before)
        house.PLAIN["HOME"] = home


def test_a_data_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, as an old disk has them: a song is made, kept there, and read again."""
    here, odd = furnish(tmp_path / "here"), os.fsdecode(b"Mus\xedque \xff")
    with house.up(here, odd) as running:
        assert httpx.get(str(song(running.url)["url"])).content[:4] == b"RIFF"
        assert list((here / odd).rglob("*.wav"))
        assert httpx.get(f"{running.url}/analytics/load-songs.svg?hours=1", timeout=120).status_code == 200
        digest = here / odd / "analytics"
        files = [str(path) for path in (here / odd / "log").glob("*.jsonl")]
        told = environment.python("observability.analytics", "--update", "--digest", str(digest), *files)
        subprocess.run(told, env=environment.built(), check=True, timeout=120)
        assert list(digest.glob("*.parquet"))
        done = tutti("status", cwd=here, data=odd, port=str(running.port))
        assert done.returncode == 0, (done.stdout, done.stderr)


@pytest.mark.parametrize("lost", ["full", "closed", "gone"])
def test_a_console_that_takes_nothing_ends_no_server(lost: str, tmp_path: Path) -> None:
    port = free_port()
    given = {"data": "var", "port": str(port), "rate_limit": "off", "drain_seconds": "5", "gateway": "off"}
    kept = {"stdout": None, "stderr": subprocess.STDOUT}
    words: list[str] = [str(house.TUTTI), "up"]
    if lost == "closed":
        words = ["sh", "-c", f'exec "{house.TUTTI}" up >&- 2>&-']
    elif lost == "gone":
        kept["stdout"] = subprocess.PIPE
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            words, cwd=tmp_path, env=house.PLAIN | house.variables(given),
            stdout=kept["stdout"] or full, stderr=kept["stderr"],
        )  # fmt: skip
    try:
        if process.stdout:
            process.stdout.close()
        until(lambda: process.poll() is not None or opens(port), 120, "it answers")
        assert process.poll() is None
        assert song(f"http://127.0.0.1:{port}")["status"] == "succeeded"
    finally:
        process.terminate()
        process.wait(60)


def opens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False
