"""Files that others made: uploads, adapters, checkpoints."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.security.fuzz.target import Target, says


def _upload(data: bytes) -> None:
    from tasks.audio.decoding import Undecodable, measure

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(Undecodable):
            measure(Path(file.name))


def _adapter(files: tuple[bytes, bytes]) -> None:
    from tasks.engines.acestep.adapters.reading import peft_config, read
    from tasks.jobs import JobError

    weights, config = files
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.safetensors").write_bytes(weights)
        Path(folder, "adapter_config.json").write_bytes(config)
        try:
            known = peft_config(Path(folder, "x.safetensors"))
            assert math.isfinite(known.get("lora_alpha", 1) / known.get("r", 1))
            read(Path(folder, "x.safetensors"), {"layers.0.attn.to_q.weight": (4, 4)})
        except JobError as refused:
            says(refused.detail, "the adapter ")


def _checkpoint(files: tuple[bytes, bytes]) -> None:
    from tasks.engines.models.layouts import ModelMissing, find

    weights, index = files
    for name in ("model.safetensors", "model.safetensors.index.json", "config.json", "model_index.json"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, name).write_bytes(index if name.endswith("json") else weights)
            with contextlib.suppress(ModelMissing):
                find(folder)


def _safetensors(header: Any, rest: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


JSONISH = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
)
CONFIG = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(["r", "lora_alpha", "use_rslora", "bias", "weight_map"]), JSONISH).map(
        lambda said: json.dumps(said).encode()
    ),
    st.sampled_from([b"[" * 5_000, b'{"r":0}', b'{"r":"8"}', b"[]", b'{"weight_map":{"a":"../x"}}']),
)
TENSOR = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I8", "X"]),
        "shape": st.lists(st.integers(-1, 2**40), max_size=3),
        "data_offsets": st.lists(st.integers(-1, 2**40), min_size=2, max_size=2),
    }
)
NAME = st.sampled_from(
    ["layers.0.attn.to_q.lora_A.weight", "layers.0.attn.to_q.lora_B.weight", "decoder.proj_in.1.weight", "x"]
)
WEIGHTS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        _safetensors, st.one_of(st.dictionaries(NAME, TENSOR), CONFIG, JSONISH), st.binary(max_size=64)
    ),
)
AUDIO = st.builds(
    lambda magic, rest: magic + rest,
    st.sampled_from([b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC", b"OggS", b"ID3", b"FORM\0\0\0\0AIFF", b""]),
    st.binary(max_size=400),
)
TARGETS = (
    Target("uploads", AUDIO, _upload, examples=15),
    Target("adapters", st.tuples(WEIGHTS, CONFIG), _adapter),
    Target("checkpoints", st.tuples(WEIGHTS, CONFIG), _checkpoint),
)
