"""Every panel's own question, asked of a real Elasticsearch that a day of known traffic was shipped to."""

import collections
import math
import re

import numpy as np
import pytest
import vl_convert
from PIL import Image
from scipy import stats

from observability.analytics import build
from observability.elastic.setup import setup
from observability.panels import PANELS
from observability.panels.query import INDEX, resolve
from tests import shipping, traffic
from tests.servers import elasticsearch

VEGA_LITE = "5.21"  # the line that Kibana 9 draws with
KEYS = {"time", "length", "quantile", "gpu", "host", "cause", "who", "hit", "lane", "queue", "x", "y"}
BY_ID = {panel.id: panel for panel in PANELS}


class Seen:
    """The day, the answers of Elasticsearch to every panel, and the rows from the log files."""

    def __init__(self, folder, node):
        self.day = traffic.day()
        paths = self.day.write(folder / "log")
        assert shipping.finish(node.url, str(folder / "log" / "*.jsonl"), folder / "state") == 0
        with node.client() as server:
            server.indices.refresh(index=INDEX)
            self.answers = {
                panel.id: server.search(index=INDEX, **self._body(panel)).body for panel in PANELS
            }
        self.local = {one.panel.id: one.rows for one in build(paths)}
        self.made = [job for job in self.day.jobs if not job["failed"] and not job["hit"]]

    def _body(self, panel):
        return resolve(panel.body, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", f"{traffic.STEP}s")

    def rows(self, name):
        return list(BY_ID[name].rows(self.answers[name]))

    def svg(self, name):
        return vl_convert.vegalite_to_svg(BY_ID[name].answered_spec(self.answers[name]), vl_version=VEGA_LITE)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    with elasticsearch.running() as node:
        setup(node.client())
        return Seen(tmp_path_factory.mktemp("day"), node)


@pytest.mark.parametrize("name", [name for name in BY_ID if name != "latency-scatter"])
def test_elasticsearch_and_the_log_files_answer_alike(seen, name):
    panel = BY_ID[name]
    keys = sorted(KEYS & set(panel.fields) - ({"queue"} if name == "queue-stages" else set())) + (
        ["chars"] if name == "latency-quantiles" else []
    )

    def table(rows):
        full = (row for row in rows if row.get("jobs", 1) and row.get("saved", 1) and row.get("who", 1) != "")
        return {
            tuple(row[key] for key in keys): {k: v for k, v in row.items() if k not in keys} for row in full
        }

    ours, theirs = table(map(panel.derived, seen.local[name])), table(seen.rows(name))
    assert ours, "an empty panel proves nothing"
    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        loose = 0.03 if "quantile" in keys else 1e-6  # tdigest's quantiles are near, not exact
        assert ours[key] == pytest.approx(row, rel=loose, nan_ok=True), (name, key)


@pytest.mark.parametrize("name", list(BY_ID))
def test_every_panel_draws_a_picture_from_the_real_answer(seen, name, tmp_path):
    spec = BY_ID[name].answered_spec(seen.answers[name])
    picture = tmp_path / f"{name}.png"
    picture.write_bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE))
    with Image.open(picture) as image:
        dark = sum(image.convert("L").histogram()[:200])
        assert image.width > 300
        assert dark > 500, "there is hardly anything on the picture"


def _latency(seen):
    return np.array([[job["chars"], job["audio"], job["ns"] / 1e9] for job in seen.made]).T


def test_correlations_equal_numpys(seen):
    chars, audio, took = _latency(seen)
    (row,) = seen.rows("latency-correlation")
    plain, length, between = (
        np.corrcoef(chars, took)[0, 1],
        np.corrcoef(audio, took)[0, 1],
        np.corrcoef(audio, chars)[0, 1],
    )
    partial = (plain - between * length) / math.sqrt((1 - between**2) * (1 - length**2))

    assert row["n"] == len(chars)
    assert [row["rxy"], row["rzy"], row["partial"]] == pytest.approx([plain, length, partial], abs=1e-9)
    slopes = np.linalg.lstsq(np.c_[chars, audio, np.ones(len(chars))], took, rcond=None)[0]
    assert row["slope"] == pytest.approx(100 * slopes[0], rel=1e-6)
    assert partial > plain + 0.1, "the day has to show why the plain correlation misleads"


def test_the_picture_of_the_rank_correlation_says_what_scipy_says(seen):
    chars, _, took = _latency(seen)
    drawn = float(re.findall(r">([−-]?\d\.\d+)<", seen.svg("latency-spearman"))[-1].replace("−", "-"))

    assert drawn == pytest.approx(stats.spearmanr(chars, took).statistic, abs=2e-3)


def test_the_scatter_shows_every_length_of_prompt_and_the_same_points_each_time(seen):
    rows = seen.rows("latency-scatter")
    known = {(job["chars"], job["ns"]) for job in seen.made}

    assert {(row["chars"], row["ns"]) for row in rows} <= known
    assert {row["chars"] // 100 for row in rows} == {job["chars"] // 100 for job in seen.made}
    assert max(collections.Counter(row["chars"] // 100 for row in rows).values()) == 50


def test_quantiles_are_within_one_percent_of_the_days(seen):
    rows = [row for row in seen.rows("canary-latency") if row["lane"] == "stable"]
    took = [job["ns"] / 1e9 for job in seen.made if job["lane"] == "stable"]

    assert {row["quantile"]: row["seconds"] for row in rows} == pytest.approx(
        {50: np.quantile(took, 0.5), 95: np.quantile(took, 0.95)}, rel=0.01
    )


def test_the_slow_gpu_stands_out(seen):
    cost = {row["gpu"]: row["cost"] for row in seen.rows("load-outliers")}
    middle = np.median(list(cost.values()))

    assert [gpu for gpu, value in cost.items() if value / middle > 1.3] == [traffic.SLOW]


def test_the_wild_address_stands_out(seen):
    wild = next(row for row in seen.rows("clients-addresses") if row["who"] == traffic.WILD)

    assert (wild["asked"], wild["refused_share"], wild["short_share"], wild["repeats"]) == (
        400,
        1.0,
        1.0,
        397,
    )
    assert all(row["repeats"] == 0 for row in seen.rows("clients-addresses") if row["who"] != traffic.WILD)


def test_failures_are_counted_by_cause_and_instance(seen):
    known = collections.Counter((job["host"], job["failed"]) for job in seen.day.jobs if job["failed"])

    assert {(row["host"], row["cause"]): row["jobs"] for row in seen.rows("failures-instance")} == known


def test_the_canarys_failed_share_leaves_out_peoples_own(seen):
    rows = [row for row in seen.rows("canary-errors") if row["lane"] == "canary"]
    ended = [job for job in seen.day.jobs if job["lane"] == "canary" and job["failed"] != "cancelled_by_user"]

    assert sum(row["jobs"] for row in rows) == len(ended)
    assert sum(row["failed"] for row in rows) == sum(bool(job["failed"]) for job in ended)


def test_saved_seconds_are_those_of_the_hits(seen):
    known = sum(round(job["ns"] / 1e9, 3) for job in seen.day.jobs if job["hit"])

    assert sum(row["saved"] for row in seen.rows("cache-saved")) == pytest.approx(known)
    assert sum(row["jobs"] for row in seen.rows("cache-hits") if row["hit"]) == sum(
        job["hit"] for job in seen.day.jobs
    )


def test_busy_shares_are_the_heartbeats(seen):
    rows = seen.rows("load-busy")

    assert {(row["gpu"], round(row["busy"], 6)) for row in rows} == {
        (gpu, round(0.2 * (index + 1), 6)) for index, gpu in enumerate(traffic.GPUS)
    }
    assert sum(row["beats"] for row in rows) == 4 * 288


def test_waiting_is_the_mean_of_the_hour(seen):
    waits = collections.defaultdict(list)
    for job in seen.made:
        waits[job["time"]].append(job["wait"])

    drawn = {row["time"]: row["queue"] for row in seen.rows("queue-stages")}
    assert drawn == pytest.approx({time: np.mean(values) for time, values in waits.items()})
