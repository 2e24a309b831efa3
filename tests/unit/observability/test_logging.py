import logging as standard
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from observability import metrics
from observability.logging import bind, bound, clear, configure, get_logger


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "log" / "web.jsonl"
    configure("tutti-web", path, host="stage-1")
    yield path
    clear()
    configure("tutti-test", None, level="error")


def lines(path: Path) -> list[dict]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_is_nested_ecs_with_the_action_first(path):
    get_logger().info(
        "job.accepted", event={"outcome": "success"}, trace={"id": "ab" * 16}, tutti={"job": {"id": "a_1"}}
    )

    (line,) = lines(path)
    assert line["event"]["action"] == "job.accepted"
    assert line["event"]["outcome"] == "success"
    assert line["event"]["dataset"] == "tutti.web"
    assert line["log"] == {"level": "info"}
    assert line["service"] == {"name": "tutti-web"}
    assert line["host"] == {"name": "stage-1"}
    assert line["tutti"] == {"job": {"id": "a_1"}}
    assert line["@timestamp"].endswith("Z")


def test_every_line_has_an_id_of_its_own(path):
    for _ in range(50):
        get_logger().info("x")

    assert len({line["event"]["id"] for line in lines(path)}) == 50


def test_context_is_merged_field_by_field_and_ends_with_its_block(path):
    bind(tutti={"job": {"id": "a_1"}, "engine": "sketch"})
    with bound(tutti={"attempt": 2}):
        get_logger().info("job.started", tutti={"job": {"kind": "k"}})
    get_logger().info("job.succeeded")

    first, second = lines(path)
    assert first["tutti"] == {"job": {"id": "a_1", "kind": "k"}, "engine": "sketch", "attempt": 2}
    assert second["tutti"] == {"job": {"id": "a_1"}, "engine": "sketch"}


def test_context_stays_in_its_thread(path):
    bind(tutti={"job": {"id": "mine"}})
    thread = threading.Thread(target=lambda: get_logger().info("other"))
    thread.start()
    thread.join()

    assert "tutti" not in lines(path)[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"tutti": {"prompt": "a song about Ada"}},
        {"tutti": {"lyrics": "Ada, oh Ada", "job": {"id": "a_1"}}},
        {"http": {"request": {"headers": {"Authorization": "Bearer Ada"}}}},
        {"url": {"path": "/output/a.wav", "query": "sig=Ada"}},
        {"tutti": {"callback_url": "https://x/?token=Ada"}},
    ],
)
def test_prompt_text_and_secrets_are_dropped(path, fields):
    get_logger().info("x", **fields)

    assert b"Ada" not in path.read_bytes()
    assert "Ada" in str(fields), "the caller's own dictionary must stay as it is"


def test_counts_about_a_prompt_are_kept(path):
    get_logger().info("x", tutti={"prompt": {"chars": 44, "hmac": "00ff"}, "lyrics": {"chars": 0}})

    assert lines(path)[0]["tutti"] == {"prompt": {"chars": 44, "hmac": "00ff"}, "lyrics": {"chars": 0}}


def test_an_exception_is_told_without_what_it_repeats(path):
    try:
        raise ValueError("prompt [type=string_too_short, input_value='Ada sings', input_type=str] token=Ada")
    except ValueError:
        get_logger().exception("http.request", message="failed")

    (line,) = lines(path)
    assert line["error"]["type"] == "ValueError"
    assert line["log"]["level"] == "error"
    assert "Traceback" in line["error"]["stack_trace"]
    assert "Ada" not in line["error"]["message"]
    assert b"input_value='Ada" not in path.read_bytes()


@pytest.mark.parametrize(
    "value", ["\ud800", 2**70, float("nan"), {1: 2}, {3, 4}, object(), b"\xff", Path("/x")]
)
def test_nothing_a_caller_passes_breaks_the_line(path, value):
    get_logger().info("x", tutti={"reason": value})

    assert lines(path)[0]["event"]["action"] == "x"


def test_libraries_log_into_the_same_file(path):
    standard.getLogger("celery.worker").warning("lost %s at redis://user:hunter2@broker", "a_1")

    (line,) = lines(path)
    assert line["message"] == "lost a_1 at redis://[removed]@broker"
    assert line["log"] == {"level": "warning", "logger": "celery.worker"}
    assert line["service"] == {"name": "tutti-web"}


def test_an_exception_that_a_library_logs_stays_in_its_line(path):
    try:
        raise ValueError("odd")
    except ValueError:
        standard.getLogger("celery.app.trace").exception("task failed")

    (line,) = lines(path)
    assert line["message"] == "task failed"
    assert line["error"]["type"] == "ValueError"


def test_levels_below_the_configured_one_are_not_written(path):
    configure("tutti-web", path, level="warning")
    get_logger().info("x")
    standard.getLogger("celery").info("x")
    get_logger().warning("y")

    assert [line["event"]["action"] for line in lines(path)] == ["y"]


def dropped_lines():
    return metrics.WEB.get_sample_value("tutti_log_dropped_lines_total")


def test_a_full_disk_is_counted_and_never_raised():
    configure("tutti-web", Path("/dev/full"), bounds=None)
    try:
        before = dropped_lines()
        get_logger().info("x")
        assert dropped_lines() - before == 1
    finally:
        configure("tutti-test", None, level="error")


WRITER = """
import sys
from pathlib import Path
from observability.logging import configure, get_logger
from observability.rotation import RotationLimits
configure("tutti-web", Path(sys.argv[1]), bounds=RotationLimits(bytes=100_000))
log = get_logger()
for number in range(3000):
    log.info("x", tutti={"job": {"id": f"{sys.argv[2]}-{number}"}})
"""


def test_processes_share_a_file_through_rotations_without_losing_a_line(tmp_path):
    path = tmp_path / "web.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(n)]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]

    seen = [line["tutti"]["job"]["id"] for file in tmp_path.glob("web*.jsonl") for line in lines(file)]
    assert len(seen) == len(set(seen)) == 9000


def test_without_a_file_lines_go_to_standard_output_and_errors_are_told_once(capfd):
    configure("tutti-web", None)
    try:
        get_logger().info("one")
        get_logger().error("two", message="why")
        out, err = capfd.readouterr()
    finally:
        configure("tutti-test", None, level="error")
    assert [orjson.loads(line)["event"]["action"] for line in out.splitlines()] == ["one", "two"]
    assert err == ""
