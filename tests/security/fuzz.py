"""Fuzzing of the parsers at the borders: strangers' text in, a value or a refusal out, and nothing else.

    python -m tests.security.fuzz --minutes 5        (make fuzz MINUTES=5)

Each target says what it feeds its parser with and what may come of that. The tests run a few examples of
each, the same ones every time; this command draws new ones until its time is up, and ends with 1 where one
broke.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import pickle
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.security.odd import ODD


@dataclass(frozen=True)
class Target:
    """One parser: what it is fed with, and a check of what comes of that, which raises if it should not."""

    name: str
    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: int = 150  # at once; an upload is decoded in a process of its own


TEXT = st.one_of(st.text(max_size=300), st.sampled_from(ODD))
LATIN = st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
HEADER = st.one_of(LATIN, st.sampled_from(ODD))
WORDS = st.sampled_from(
    [
        "calm",
        "piano",
        "80",
        "bpm",
        "3/4",
        "A",
        "minor",
        "no",
        "drums",
        "没有",
        "鼓",
        "古筝",
        "120-140",
        "bpm",
        "rock",
        "then",
        "jazz",
        "slower",
        "and",
        "in",
        "F#",
        "with",
        "out",
        "verse",
    ]
)
PROMPT = st.one_of(st.lists(WORDS, max_size=30).map(" ".join), st.text(max_size=300))


def _prompt(text: str) -> None:
    from tasks.engines.sketch.reading import read
    from tasks.jobs import JobRequest

    try:
        request = JobRequest(prompt=text, lyrics=text)
    except ValidationError:
        return
    read(request)


def _range(text: str) -> None:
    from starlette.requests import Request

    from web.api.output import _check_range
    from web.request.problems import Problem

    scope = {"type": "http", "headers": [(b"range", text.encode("latin-1", "replace"))]}
    try:
        _check_range(Request(scope), 1_000)
    except Problem as problem:
        _says(str(problem.kind.status), "416")


def _headers(text: str) -> None:
    from observability.tracing import accept_or_new
    from web.request.client import address, bucket, networks
    from web.request.hosts import Hosts
    from web.request.lane import node_of
    from web.request.neighbour import stranger
    from web.request.problems import Problem

    raw = text.encode("latin-1", "replace")
    names = (b"host", b"x-real-ip", b"x-forwarded-for", b"x-tutti-connection", b"cookie", b"forwarded")
    scope = {
        "type": "http",
        "path": "/",
        "client": None,
        "server": ("a", 1),
        "headers": [(n, raw) for n in names],
    }
    assert address(scope, networks("10.0.0.0/8"))
    bucket(text)
    stranger(scope, ())
    accept_or_new(text, "0" * 32)
    node_of(text, _signer())
    try:
        Hosts(frozenset({"localhost"})).check(scope)
    except Problem as problem:
        _says("400 421", str(problem.kind.status))


def _signer() -> Any:
    from tasks.security.signer import Signer

    return Signer(b"s" * 32)


def _cookie(text: str) -> None:
    from web.request.auth import remembered

    signer = _signer()
    remembered(text, signer)
    login = remembered(signer.sign("key", text), signer)
    assert login is None or login.until > time.time()


def _signature(query: dict[str, str]) -> None:
    from tasks.security.links import expired, holds

    if holds("/output/x.wav", query, "k"):
        expired(query)


def _callback(text: str) -> None:
    from tasks.security.addresses import CallbackRefused, check_url

    for url in (text, f"http://{text}/", f"http://[{text}]/", f"http://8.8.8.8:{text}/"):
        try:
            check_url(url, resolve=False, at="80, 443")
        except CallbackRefused as refused:
            _says(str(refused), "callback_url: ")


def _upload(data: bytes) -> None:
    from tasks.audio.decoding import Undecodable, measure

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(Undecodable):
            measure(Path(file.name))


def _wire(data: bytes) -> None:
    """What an engine process gone wrong may send: its host hears of its death, and runs nothing of it."""
    from tasks.worker.messages import Left
    from tasks.worker.wire import Wire

    ours, theirs = socket.socketpair()
    wire, other = Wire(Connection(ours.detach())), Connection(theirs.detach())
    other.send_bytes(data)
    other.close()
    try:
        assert isinstance(wire.receive(), Left)
    except EOFError:
        pass
    finally:
        wire.close()


class _Evil:
    def __reduce__(self) -> Any:
        return (sys.exit, (7,))


def _pickles() -> list[bytes]:
    from tasks.worker.messages import Left

    return [
        pickle.dumps(one) for one in (_Evil(), [_Evil()], {"a": _Evil()}, Left(order=1), 1, None, (1, 2), "x")
    ]


def _line(data: bytes) -> None:
    from observability.logging import configure, get_logger

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        configure("tutti-fuzz", path)
        text = data.decode("utf-8", "surrogateescape")
        get_logger().info("fuzz", message=text, tutti={"reason": text}, url={"path": text})
        configure("tutti-fuzz", None, level="error")
        (line,) = path.read_bytes().split(b"\n")[:-1]
        assert json.loads(line)["event"]["action"] == "fuzz"


def _shipped(data: bytes) -> None:
    """A log file of anything: each line of it is shipped, or put aside."""
    from observability.shipper.bulk import body

    lines = [SimpleNamespace(id=b"1", offset=0, text=line) for line in data.split(b"\n") if line]
    body(lines)  # type: ignore[arg-type]


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
            _says(refused.detail, "the adapter ")


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


def _says(text: str, words: str) -> None:
    """The refusal is the one that is meant."""
    assert words in text, text


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
    Target("prompts", PROMPT, _prompt),
    Target("Range", HEADER, _range),
    Target("headers", HEADER, _headers),
    Target("cookies of keys", HEADER, _cookie),
    Target("signatures", st.dictionaries(st.sampled_from(["signature", "expires"]), HEADER), _signature),
    Target("callbacks", TEXT, _callback),
    Target("uploads", AUDIO, _upload, examples=15),
    Target("the wire", st.one_of(st.binary(max_size=200), st.sampled_from(_pickles())), _wire),
    Target("log lines", st.binary(max_size=300), _line),
    Target("shipped lines", st.binary(max_size=300), _shipped),
    Target("adapters", st.tuples(WEIGHTS, CONFIG), _adapter),
    Target("checkpoints", st.tuples(WEIGHTS, CONFIG), _checkpoint),
)


def main() -> int:
    """Fuzz every target in turn until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    until = time.monotonic() + parser.parse_args().minutes * 60
    examples, broken = dict.fromkeys((target.name for target in TARGETS), 0), set[str]()
    for target in itertools.cycle(TARGETS):
        if time.monotonic() >= until or len(broken) == len(TARGETS):
            break
        if target.name not in broken and not _run(target, examples):
            broken.add(target.name)
    for name, number in examples.items():
        print(f"{name:20} {number:8,} examples{'   BROKE' if name in broken else ''}")
    return int(bool(broken))


def _run(target: Target, examples: dict[str, int]) -> bool:
    @settings(
        max_examples=target.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(target.strategy)
    def run(value: Any) -> None:
        examples[target.name] += 1
        target.check(value)

    try:
        run()
    except Exception as error:
        notes = "\n".join(getattr(error, "__notes__", []))
        print(f"{target.name} broke: {type(error).__name__}: {error}\n{notes}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
