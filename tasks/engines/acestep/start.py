"""Cold and warm starts: where compiled code is kept, and the line that says how long a start took."""

from __future__ import annotations

import os
from pathlib import Path

from observability.logging import get_logger
from tasks.engines.acestep.network.build import Built


def use_cache(folder: Path | None) -> bool:
    """Keep compiled code in `folder`, for this process; returns whether there is some already.

    torch and Triton read these variables when they first compile, and offer no other way.
    """
    if folder is None:
        return False
    warm = folder.is_dir() and any(folder.iterdir())
    for variable, part in (("TORCHINDUCTOR_CACHE_DIR", "inductor"), ("TRITON_CACHE_DIR", "triton")):
        path = folder / part
        path.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault(variable, str(path))
    return warm


def log_start(built: Built, *, warm: bool, read: float, prepare: float) -> None:
    """Say what was loaded, how long it took and how much fits."""
    model, capacity = built.model, built.capacity
    get_logger().info(
        "engine.loaded",
        message=f"ACE-Step is ready after {read + prepare:.1f} s ({'warm' if warm else 'cold'} start)",
        event={"outcome": "success", "duration": round((read + prepare) * 1e9)},
        tutti={
            "engine": "acestep",
            "start": {"warm": warm, "read_seconds": read, "prepare_seconds": prepare},
            "attention": built.weights.dit.attention.name,
            "precision": "fp8" if model.fp8 else str(model.dtype).removeprefix("torch."),
            "capacity": {"tokens": capacity.tokens, "key_rows": capacity.key_rows, "free": capacity.free},
        },
    )
