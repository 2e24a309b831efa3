"""Times of the device's own work, which runs behind the program that asks for it."""

from __future__ import annotations

import time

import torch

Mark = torch.cuda.Event | float


def mark(device: torch.device) -> Mark:
    """Remember when the device reaches this point."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def seconds(start: Mark, end: Mark) -> float:
    """Seconds from one mark to another; the device must have reached both."""
    if isinstance(start, float) or isinstance(end, float):
        return float(end) - float(start)  # type: ignore[arg-type]  # marks of one device are of one kind
    end.synchronize()
    return float(start.elapsed_time(end)) / 1_000
