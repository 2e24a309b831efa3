"""Every panel's question as Kibana would send it, asked of an Elasticsearch that a known day was shipped to.

What is asked is taken from the very file that Kibana imports. `tests.servers.kibana.vega` and `.lens`
make the requests of it, `.compiling` draws the Vega panels; they say which files of elastic/kibana they
were written from.
"""

import collections
import datetime as dt
import json
import math
import re

import numpy as np
import pytest
import vl_convert
from PIL import Image
from scipy import stats

from observability.analytics import build
from observability.elastic.setup import setup
from observability.kibana.objects import saved_objects
from observability.panels import PANELS
from observability.panels.lens import Lens
from observability.panels.panel import Vega
from observability.panels.query import INDEX
from tests import shipping, traffic
from tests.servers import elasticsearch
from tests.servers.kibana import compiling, lens
from tests.servers.kibana.vega import Dashboard, unresolved

KEYS = {"time", "length", "quantile", "gpu", "host", "cause", "who", "how", "lane", "queue", "x", "y"}
BY_ID = {panel.id: panel for panel in PANELS}
VEGA = [panel.id for panel in PANELS if isinstance(panel.kibana, Vega)]
LENS = [panel.id for panel in PANELS if isinstance(panel.kibana, Lens)]
UNTIL = traffic.DAY + dt.timedelta(days=1, milliseconds=-1)  # as "today" ends in Kibana


def imported():
    """The panels of the dashboards as they are imported: the text of a Vega spec, or Lens's attributes."""
    found = {}
    for saved in saved_objects():
        if saved["type"] == "dashboard":
            for panel in json.loads(saved["attributes"]["panelsJSON"]):
                config = panel["embeddableConfig"]
                if "savedVis" in config:
                    found[panel["panelIndex"]] = config["savedVis"]["params"]["spec"]
                elif "attributes" in config:
                    found[panel["panelIndex"]] = config["attributes"]
    return found


class Seen:
    """The day, the answers of Elasticsearch to every panel, and the rows from the log files."""

    def __init__(self, folder, node):
        self.day = traffic.day()
        paths = self.day.write(folder / "log")
        assert shipping.finish(node.url, str(folder / "log" / "*.jsonl"), folder / "state") == 0
        self.panels = imported()
        with node.client() as server:
            server.indices.refresh(index=INDEX)
            self.answers, self.specs = {}, {}
            for name in VEGA:
                self._ask_vega(server, name)
            self.tables = {
                name: lens.Panel(self.panels[name], traffic.DAY, UNTIL).rows(server, INDEX) for name in LENS
            }
        self.local = {one.panel.id: one.rows for one in build(paths)}
        self.made = [job for job in self.day.jobs if not job["failed"] and not job["hit"]]

    def _ask_vega(self, server, name):
        board = Dashboard(traffic.DAY, UNTIL)
        spec, (request,) = board.parse(self.panels[name])
        assert not board.warnings
        assert not unresolved([spec, request])
        answer = server.search(index=request["url"]["index"], **request["url"]["body"]).body
        request["data"]["values"] = answer
        self.answers[name], self.specs[name] = answer, spec

    def rows(self, name):
        panel = BY_ID[name]
        if name in LENS:
            return self.tables[name]
        return [panel.derived(row) for row in panel.kibana.rows(self.answers[name])]

    def sized(self):
        """The specs as Kibana compiles them, in the size of a panel."""
        return {name: spec | {"width": 640, "height": 320} for name, spec in self.specs.items()}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    with elasticsearch.running() as node:
        setup(node.client())
        return Seen(tmp_path_factory.mktemp("day"), node)


@pytest.fixture(scope="module", params=sorted(compiling.SHIPPED))
def drawn(seen, request):
    """The Vega panels, drawn by a Kibana's own Vega-Lite."""
    return compiling.drawn(seen.sized(), request.param)


def _wide(rows):
    """Rows of one quantile each, as one row with all quantiles, which is how Lens has them."""
    table = collections.defaultdict(dict)
    for row in rows:
        key = tuple((name, row[name]) for name in ("lane", "length", "chars") if name in row)
        table[key][f"p{row['quantile']}"] = row["ns"]
    return [dict(key) | values for key, values in table.items()]


def _table(rows, keys, names):
    """The rows by their keys, without those in which nothing was counted."""
    made = {
        tuple(row[key] for key in keys): {k: row[k] for k in names if k not in keys}
        for row in rows
        if row.get("who", 1) != "" and row.get("jobs", 1) and row.get("length", 1) is not None
    }
    return {key: row for key, row in made.items() if not row or any(row.values())}


@pytest.mark.parametrize("name", [name for name in BY_ID if name != "latency-scatter"])
def test_elasticsearch_and_the_log_files_answer_alike(seen, name):
    panel = BY_ID[name]
    local, remote = [panel.derived(row) for row in seen.local[name]], seen.rows(name)
    if name in LENS and "quantile" in local[0]:
        local = _wide(local)
    names = set(local[0]) & set(remote[0])
    keys = sorted(KEYS & names - ({"queue"} if name == "queue-stages" else set()))
    if name == "latency-quantiles":
        keys.append("chars")
    assert names - set(keys), "no number is compared"

    ours, theirs = _table(local, keys, names), _table(remote, keys, names)
    assert ours, "an empty panel proves nothing"
    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        loose = 0.03 if {"p50", "quantile"} & names else 1e-6  # tdigest's quantiles are near, not exact
        assert ours[key] == pytest.approx(row, rel=loose, nan_ok=True), (name, key)


@pytest.mark.parametrize("name", VEGA)
def test_every_vega_panel_is_drawn_by_what_kibana_ships_without_a_warning(drawn, name, tmp_path):
    assert drawn[name]["warnings"] == []
    picture = tmp_path / f"{name}.png"
    picture.write_bytes(vl_convert.svg_to_png(drawn[name]["svg"]))
    with Image.open(picture) as image:
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
        dark = sum(flat.convert("L").histogram()[:200])
        assert image.width > 300
        assert dark > 500, "there is hardly anything on the picture"


def test_the_drawing_can_fail(seen):
    """A spec that Kibana's Vega-Lite warns of is told apart."""
    spec = seen.sized()["load-outliers"]
    spoilt = spec | {"encoding": spec["encoding"] | {"nowhere": {"field": "x", "type": "quantitative"}}}
    assert compiling.drawn({"spoilt": spoilt}, "9.0")["spoilt"]["warnings"]


@pytest.mark.parametrize("name", LENS)
def test_every_lens_panel_has_rows_that_make_a_picture(seen, name, tmp_path):
    panel = BY_ID[name]
    picture = vl_convert.vegalite_to_png(panel.local_spec(seen.local[name]))
    (tmp_path / f"{name}.png").write_bytes(picture)
    with Image.open(tmp_path / f"{name}.png") as image:
        assert sum(image.convert("L").histogram()[:200]) > 500, "there is hardly anything on the picture"


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


def test_the_picture_of_the_rank_correlation_says_what_scipy_says(seen, drawn):
    chars, _, took = _latency(seen)
    svg = drawn["latency-spearman"]["svg"]
    said = float(re.findall(r">([−-]?\d\.\d+)<", svg)[-1].replace("−", "-"))

    assert said == pytest.approx(stats.spearmanr(chars, took).statistic, abs=2e-3)


def test_the_rank_correlation_leaves_no_song_out(seen):
    assert sum(row["n"] for row in seen.rows("latency-spearman")) == len(seen.made)
    body = BY_ID["latency-spearman"].kibana.body["aggs"]["y"]
    classes = len(body["range"]["ranges"]) * (2000 // body["aggs"]["x"]["histogram"]["interval"] + 1)
    assert classes < 65_536, "Elasticsearch refuses more buckets in one answer"


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


def test_the_quiet_address_that_is_always_refused_is_there_and_named(seen, drawn):
    quiet = [row for row in seen.rows("clients-addresses") if row["who"] == traffic.QUIET]
    lists = seen.answers["clients-addresses"]["aggregations"]
    names = {way: [one["key"] for one in found["buckets"]] for way, found in lists.items()}

    assert [(row["asked"], row["refused_share"]) for row in quiet] == [(traffic.NEVER, 1.0)]
    assert traffic.QUIET not in names["busiest"] + names["refused"], "neither list would have shown it"
    assert f">{traffic.QUIET}<" in drawn["clients-addresses"]["svg"]


def test_failures_are_counted_by_cause_and_instance(seen):
    known = collections.Counter((job["host"], job["failed"]) for job in seen.day.jobs if job["failed"])

    assert {(row["host"], row["cause"]): row["jobs"] for row in seen.rows("failures-instance")} == known


def test_the_canarys_failed_share_leaves_out_peoples_own(seen):
    ended = [job for job in seen.day.jobs if job["lane"] == "canary" and job["failed"] != "cancelled_by_user"]
    steps = collections.defaultdict(list)
    for job in ended:
        steps[job["time"]].append(bool(job["failed"]))
    shares = {row["time"]: row["share"] for row in seen.rows("canary-errors") if row["lane"] == "canary"}

    assert {time: share for time, share in shares.items() if share is not None} == pytest.approx(
        {time: np.mean(failed) for time, failed in steps.items()}
    )


def test_figures_are_the_days(seen):
    ended = [job for job in seen.day.jobs if job["failed"] != "cancelled_by_user"]
    finished = [job for job in seen.day.jobs if not job["failed"]]
    figures = {name: next(iter(seen.rows(name)[0].values())) for name in LENS if len(seen.rows(name)) == 1}

    assert figures == pytest.approx(
        {
            "load-songs": len(seen.made),
            "failures-share": np.mean([bool(job["failed"]) for job in ended]),
            "cache-share": np.mean([job["hit"] for job in finished]),
        }
    )


def test_saved_seconds_are_those_of_the_hits(seen):
    known = sum(round(job["ns"] / 1e9, 3) for job in seen.day.jobs if job["hit"])

    assert seen.rows("cache-saved")[-1]["sum"] == pytest.approx(known)
    assert sum(row["jobs"] for row in seen.rows("cache-hits") if row["how"] == "from the cache") == sum(
        job["hit"] for job in seen.day.jobs
    )


def test_busy_shares_are_the_heartbeats(seen):
    rows = [row for row in seen.rows("load-busy") if row["busy"] is not None]

    assert {(row["gpu"], round(row["busy"], 6)) for row in rows} == {
        (gpu, round(0.2 * (index + 1), 6)) for index, gpu in enumerate(traffic.GPUS)
    }
    assert len(rows) == 4 * 48


def test_memory_and_heat_are_the_heartbeats(seen):
    memory = {row["gpu"]: row["memory"] for row in seen.rows("load-memory") if row["memory"]}
    heat = [row["temperature"] for row in seen.rows("load-temperature") if row["gpu"] == traffic.SLOW]

    assert memory == {gpu: (6 + 2 * index) << 30 for index, gpu in enumerate(traffic.GPUS)}
    assert max(value for value in heat if value) == 50 + 5 * 3 + 6


def test_waiting_is_the_mean_of_the_hour(seen):
    waits = collections.defaultdict(list)
    for job in seen.made:
        waits[job["time"]].append(job["wait"])

    drawn = {row["time"]: row["queue"] for row in seen.rows("queue-stages") if row["queue"] is not None}
    assert drawn == pytest.approx({time: np.mean(values) for time, values in waits.items()})
