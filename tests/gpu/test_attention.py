"""The attention kernels mean what plain attention means, and no document can tell who lies beside it."""

from __future__ import annotations

import pytest
import torch

from tasks.engines.acestep.kernels.attention import FLASH, PLAIN, triton
from tasks.engines.acestep.kernels.packing import Document, Tables, bucket

HEADS, KEY_HEADS, WIDTH = 16, 8, 128
LENGTHS = [750, 125, 1, 63, 64, 65, 1_333]
KEYS = [681, 270, 17, 64, 1, 300, 128]


def ways():
    return {"triton": triton(), "flash": FLASH}


def tables(lengths: list[int], keys: list[int]) -> Tables:
    made = Tables(bucket(sum(lengths)), 16, 1, torch.device("cuda"), spans=True)
    starts = [sum(-(-k // 64) * 64 for k in keys[:n]) + 64 for n in range(len(keys))]
    documents = [Document(t, s, k) for t, s, k in zip(lengths, starts, keys, strict=True)]
    made.fill(documents, lengths, Document(0, 0, 1))
    return made


def random(*size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator("cuda").manual_seed(seed)
    return torch.randn(size, device="cuda", generator=generator).bfloat16()


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


@pytest.mark.parametrize("name", ["triton", "flash"])
@pytest.mark.parametrize("window", [-1, 128])
def test_self_attention(name, window):
    index = tables(LENGTHS, KEYS).index
    total = index.document.shape[0]
    q, k = random(total, HEADS, WIDTH, seed=1), random(total, KEY_HEADS, WIDTH, seed=2)
    v = random(total, KEY_HEADS, WIDTH, seed=3)
    found = ways()[name].within(q, k, v, index, window, False)
    wanted = PLAIN.within(q.float(), k.float(), v.float(), index, window, False)
    assert error(found[: sum(LENGTHS)], wanted[: sum(LENGTHS)]) < 5e-3


@pytest.mark.parametrize("name", ["triton", "flash"])
def test_cross_attention_reads_keys_where_they_lie(name):
    index = tables(LENGTHS, KEYS).index
    total = index.document.shape[0]
    q = random(total, HEADS, WIDTH, seed=1)
    keys, values = random(4_096, KEY_HEADS, WIDTH, seed=2), random(4_096, KEY_HEADS, WIDTH, seed=3)
    found = ways()[name].across(q, keys, values, index)
    wanted = PLAIN.across(q.float(), keys.float(), values.float(), index)
    assert error(found[: sum(LENGTHS)], wanted[: sum(LENGTHS)]) < 5e-3


@pytest.mark.parametrize("window", [-1, 128])
def test_a_document_is_the_same_bits_anywhere_and_beside_a_nan(window):

    own = [random(750, heads, WIDTH, seed=heads) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]

    def run(before: list[int], after: list[int], fill: float) -> torch.Tensor:
        lengths = [*before, 750, *after]
        made = tables(lengths, [64] * len(lengths))
        total = made.index.document.shape[0]
        start = sum(before)
        parts = []
        for part in own:
            whole = torch.full((total, *part.shape[1:]), fill, device="cuda", dtype=torch.bfloat16)
            whole[start : start + 750] = part
            parts.append(whole)
        return triton().within(*parts, made.index, window, False)[start : start + 750]

    alone = run([], [], 0.0)
    assert torch.isfinite(alone).all()
    for before, after in (([33], [1_500]), ([750, 125], [125]), ([], [63])):
        assert torch.equal(run(before, after, float("nan")), alone)
