"""The GPU worker's engine against diffusers' pipeline in the same run, with the chip's floors beside.

    python -m bench.gpu                      # everything, about six minutes on an H100
    python -m bench.gpu --only saturated     # some parts: peer, isolation, idle, saturated, mixed

Full size, random weights. Every figure is wall time, from admitting a request (text) to int16 sound in host
memory.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bench.full_size import pipeline
from bench.gpu_drive import MIX, PROMPT, Driver, alone, arriving, continuous, lockstep, rate, song, words
from bench.gpu_floors import Rates, ceilings, decoder_bytes, decoder_flops, network_seconds, weight_bytes
from tasks.engines.acestep import AceStepEngine, Options
from tasks.engines.acestep.checkpoint.model import DeviceModel, adopt
from tasks.engines.engine import Song

STARTED = time.perf_counter()
SATURATED = ((60.0, 16, 128), (10.0, 64, 768))  # seconds, places, songs


def say(text: str) -> None:
    print(f"[{time.perf_counter() - STARTED:6.1f}] {text}", flush=True)


def start(precision: str, compiled: Path) -> AceStepEngine:
    def read(_: Options) -> DeviceModel:
        return adopt(pipeline(), fp8=precision == "fp8")

    engine = AceStepEngine(Options(model="random", compiled_code=compiled), read=read)
    before = time.perf_counter()
    engine.load()
    capacity = engine.built.capacity
    say(
        f"{precision}: built, packed and warmed up in {time.perf_counter() - before:.1f} s; packs of "
        f"{capacity.tokens} tokens, {capacity.bytes_a_token / 1024:.0f} KiB a token, {capacity.key_rows} key "
        f"rows, {torch.cuda.memory_allocated() / 2**30:.1f} GiB allocated"
    )
    return engine


def isolation(engine: AceStepEngine) -> None:
    """A song alone and in packs of many sizes, bit for bit, at full size."""
    packs = ((10.0,), (60.0,) * 3, (10.0,) * 20, (120.0, 15.0, 45.0), (240.0, 240.0))
    for seconds in (10.0, 33.3, 60.0, 240.0):

        def latents(neighbours: list[Song], seconds: float = seconds) -> torch.Tensor:
            first = engine.admit(song(seconds, 4))
            others = [engine.admit(one) for one in neighbours]
            states = [*others[:1], first, *others[1:]]
            while not first.denoised or any(not state.done for state in states):
                engine.step(states)
            return first.latents.clone()

        own = latents([])
        same = [
            torch.equal(own, latents([song(length, 50 + n) for n, length in enumerate(lengths)]))
            for lengths in packs
        ]
        say(f"isolation: {seconds:g} s alone against {len(packs)} packs, equal bit for bit: {same}")


def idle(engine: AceStepEngine, label: str) -> None:
    for seconds in (10.0, 60.0):
        runs = [alone(engine, song(seconds, n)) for n in range(12)][2:]
        parts = ", ".join(f"{name} {value * 1e3:.1f}" for name, value in runs[-1][1].timings.items())
        taken = [run[0] * 1e3 for run in runs]
        say(
            f"idle {label}: one {seconds:g} s song {statistics.median(taken):.1f} ms to int16 on the host "
            f"(worst of 10: {max(taken):.1f}); last: {parts} ms"
        )


def floors(engine: AceStepEngine, seconds: float, places: int, rates: Rates) -> str:
    condition = 700 if seconds >= 30 else 350
    network = 8e3 * network_seconds(engine, seconds, condition, rates)
    weights = 8e3 * weight_bytes(engine) / rates.copied / places
    decoder = 1e3 * decoder_flops(seconds) / rates.flops
    moved = 1e3 * decoder_bytes(seconds) / rates.copied
    return (
        f"floors: network {network:.2f} ms (arithmetic; weights' bytes {weights:.2f}), decoder "
        f"{max(decoder, moved):.2f} ms (arithmetic {decoder:.2f}, bytes {moved:.2f})"
    )


def saturated(engine: AceStepEngine, label: str, rates: Rates, share: float) -> dict[float, float]:
    found = {}
    for seconds, places, count in SATURATED:
        got: dict[str, float] = {}
        drivers: dict[str, Driver] = {"lockstep": lockstep, "continuous": continuous}
        for name, driver in drivers.items():
            torch.cuda.reset_peak_memory_stats()
            got[name], busy = rate(engine, driver, seconds, places, max(places, round(count * share)))
            say(
                f"{label} {seconds:g} s x {places} {name}: {got[name]:.2f} songs/s = "
                f"{got[name] * seconds:.0f}x real time; {1e3 / got[name]:.2f} ms a song; {busy}; "
                f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
            )
        found[seconds] = got["continuous"]
        ratio = got["continuous"] / got["lockstep"]
        say(f"{label} {seconds:g} s: continuous / lockstep {ratio:.3f}")
        say(f"{label} {seconds:g} s: {floors(engine, seconds, places, rates)}")
    return found


def mixed(engine: AceStepEngine, label: str, arrivals: int) -> None:
    """The mix of 10 to 240 s: its saturated rate, then arrivals by chance at 80 % of it."""
    order = random.Random(0)
    own = {seconds: min(alone(engine, song(seconds, n))[0] for n in range(3)) for seconds in sorted(set(MIX))}
    lengths = [order.choice(MIX) for _ in range(arrivals)]
    for _ in continuous(engine, (song(seconds, n) for n, seconds in enumerate(MIX * 3)), 64):
        pass
    before = time.perf_counter()
    for _ in continuous(engine, (song(seconds, n) for n, seconds in enumerate(lengths)), 64):
        pass
    full = arrivals / (time.perf_counter() - before)
    say(f"mixed {label}: saturated {full:.2f} jobs/s = {full * sum(lengths) / arrivals:.0f}x real time")
    found = arriving(engine, lengths, 0.8 * full, order)
    slow = sorted(taken / own[seconds] for seconds, taken in found)
    ends = sorted(taken for _, taken in found)
    last = int(0.95 * arrivals)
    p95 = sorted(own[seconds] for seconds in lengths)[last]
    say(
        f"mixed {label} at 80 % load, {0.8 * full:.1f} jobs/s: p95 of wait + run {ends[last] * 1e3:.0f} ms, "
        f"{ends[last] / p95:.2f}x the p95 alone; a job's slowdown: median {slow[arrivals // 2]:.2f}x, "
        f"p95 {slow[last]:.2f}x"
    )


def corrected(engine: AceStepEngine, label: str, share: float) -> None:
    """What corrections cost: plain songs, corrected ones (the default), and those with others mixed in."""
    singly = {"velocity_norm_threshold": 2.0, "velocity_ema_factor": 0.1}  # these are advanced one by one
    kinds: dict[str, list[dict[str, Any]]] = {
        "uncorrected": [{"dcw": "off"}],
        "corrected": [{}],
        "mixed": [{}, singly, {"dcw": "low"}, {"infer_method": "sde"}],
    }
    for seconds, places, count in SATURATED:
        for name, fields in kinds.items():
            numbers = range(max(places, round(count * share)))
            songs = [song(seconds, n, **fields[n % len(fields)]) for n in numbers]
            for _ in continuous(engine, iter(songs[:places]), places):
                pass
            torch.cuda.synchronize()
            before = time.perf_counter()
            for _ in continuous(engine, iter(songs), places):
                pass
            say(f"{label} {seconds:g} s, {name}: {len(songs) / (time.perf_counter() - before):.2f} songs/s")


def peer() -> dict[tuple[float, int], float]:
    """diffusers' own pipeline: one call a song, and its best batches."""
    pipe = pipeline()
    pipe.set_progress_bar_config(disable=True)
    found = {}
    for seconds, batch, count in ((60.0, 1, 4), (60.0, 16, 1), (10.0, 1, 4), (10.0, 16, 2)):
        call = {"prompt": [PROMPT] * batch, "lyrics": [words(seconds)] * batch, "audio_duration": seconds}
        pipe(**call)
        torch.cuda.synchronize()
        before = time.perf_counter()
        for _ in range(count):
            pipe(**call).audios.cpu()
        found[seconds, batch] = count * batch / (time.perf_counter() - before)
        say(f"diffusers {seconds:g} s, {batch} a call: {found[seconds, batch]:.2f} songs/s")
    return found


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="peer,isolation,idle,saturated,mixed,corrected")
    parser.add_argument("--precisions", default="bf16,fp8")
    parser.add_argument("--compiled", type=Path, default=Path("var/compiled"), help="cache of compiled code")
    parser.add_argument("--share", type=float, default=1.0, help="share of the songs, for a quick look")
    chosen = parser.parse_args(arguments or [])
    if not torch.cuda.is_available():
        say("no NVIDIA GPU is seen here, so there is nothing to measure")
        return
    parts = set(chosen.only.split(","))
    rates = ceilings()
    name = torch.cuda.get_device_name()
    say(
        f"{name}: {rates.flops / 1e12:.0f} TFLOP/s bf16, {rates.fp8 / 1e12:.0f} fp8, "
        f"{rates.copied / 1e12:.2f} TB/s copied"
    )
    theirs = peer() if "peer" in parts else {}
    for precision in chosen.precisions.split(","):
        gc.collect()
        torch.cuda.empty_cache()
        engine = start(precision, chosen.compiled)
        if "isolation" in parts:
            isolation(engine)
        if "idle" in parts:
            idle(engine, precision)
        ours = saturated(engine, precision, rates, chosen.share) if "saturated" in parts else {}
        for (seconds, batch), got in theirs.items():
            if seconds in ours:
                say(f"{precision} {seconds:g} s: {ours[seconds] / got:.1f}x diffusers with {batch} a call")
        if "corrected" in parts:
            corrected(engine, precision, chosen.share)
        if "mixed" in parts:
            mixed(engine, precision, round(240 * chosen.share))
        engine.unload()


if __name__ == "__main__":
    main(sys.argv[1:])
