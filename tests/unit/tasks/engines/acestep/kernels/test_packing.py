"""The tables of a pack: every query row in one tile of its own document, every key row where it lies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.acestep.denoising.key_value_pool import ROWS, KeyValuePool
from tasks.engines.acestep.kernels.packing import TILE, Document, Tables, pack_bucket
from tasks.engines.acestep.plan.schedule import steps_of, times_of

PLACES, PATCH = 12, 2
SPARE = Document(0, 7, 1)

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=PLACES)


def tables(tokens: list[int]) -> Tables:
    made = Tables(pack_bucket(sum(tokens)), PLACES, PATCH, torch.device("cpu"), spans=True)
    documents = [Document(n, 64 * (place + 1), n + 3) for place, n in enumerate(tokens)]
    made.fill(documents, [PATCH * n - n % 2 for n in tokens], SPARE)
    return made


@given(lengths)
@settings(max_examples=50, deadline=None)
def test_tiles_cover_each_document_from_its_own_first_row(tokens):
    made = tables(tokens)
    index = made.index
    document = index.document.numpy()
    starts = index.starts.numpy()
    covered = np.zeros(made.tokens, int)
    for number, first in index.tiles.tolist():
        if number < 0:
            continue
        assert (first - starts[number]) % TILE == 0
        stop = min(first + TILE, starts[number + 1])
        assert (document[first:stop] == number).all()
        covered[first:stop] += 1
    assert (covered == 1).all()


@given(lengths)
@settings(max_examples=50, deadline=None)
def test_rows_positions_and_keys(tokens):
    index = tables(tokens).index
    start = 0
    for number, count in enumerate(tokens):
        rows = slice(start * PATCH, (start + count) * PATCH)
        odd = count % 2
        wanted = [number] * (count * PATCH - odd) + [PLACES] * odd
        assert index.row[rows].tolist() == wanted, "a row that fills up a patch must not move"
        assert index.position[start : start + count].tolist() == list(range(count))
        assert (int(index.key_starts[number]), int(index.keys[number])) == (64 * (number + 1), count + 3)
        start += count
    assert (index.document[start:] == PLACES).all()
    assert (int(index.key_starts[PLACES]), int(index.keys[PLACES])) == (SPARE.key_start, SPARE.keys)
    assert [span.start for span in index.spans][: len(tokens)] == index.starts[: len(tokens)].tolist()


def test_long_documents_come_first():
    tiles = tables([64, 300, 10]).index.tiles.tolist()
    assert [number for number, _ in tiles[:5]] == [1] * 5


@pytest.mark.parametrize(
    ("tokens", "wanted"), [(1, 256), (257, 512), (2_048, 2_048), (2_049, 2_560), (12_001, 12_288)]
)
def test_buckets_are_finer_where_packs_are_small(tokens, wanted):
    assert pack_bucket(tokens) == wanted


def test_the_pool_hands_out_gaps_and_takes_them_back():
    pool = KeyValuePool(1, 5 * ROWS, 1, 2, like=torch.zeros(1))
    first, second = pool.take(ROWS + 1), pool.take(ROWS)
    assert (first, second) == (0, 2 * ROWS)
    assert pool.take(3 * ROWS) is None
    assert pool.room() == 2 * ROWS
    pool.give(first)
    assert pool.take(2 * ROWS) == 0
    assert pool.take(2 * ROWS) == 3 * ROWS
    assert pool.take(1) is None


@pytest.mark.parametrize("shift", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("count", [1, 8, 50])
def test_steps_go_from_noise_to_music(count, shift):
    found = steps_of(times_of(count, shift, torch.float32))
    assert len(found) == count
    assert found[0].time == 1.0
    assert sum(step.delta for step in found) == pytest.approx(-1.0)
    assert all(left.time > right.time for left, right in itertools.pairwise(found))
