"""What the engine can be asked. A web process reads this, so nothing here imports torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tasks.engines import Model
from tasks.engines.capabilities import Capabilities
from tasks.settings import Settings

NAME, VERSION = "stable-audio", "1.0"
PLACES = 8
PUBLISHED = "stabilityai/stable-audio-open-1.0"
RATE, LONGEST = 44_100, 47.0  # of the published checkpoint


def checkpoint_of(settings: Settings) -> str:
    """The folder or hub id that the settings name; the published one where they name none."""
    return settings.model if "model" in settings.model_fields_set else PUBLISHED


def model_of(settings: Settings) -> Model:
    """The model and what it can be asked; of a folder the rate and the longest song as its configs say."""
    folder = Path(checkpoint_of(settings)).expanduser()
    vae, transformer = (_config(folder / part) for part in ("vae", "transformer"))
    rate, longest = RATE, LONGEST
    if vae and transformer:
        rate = int(vae["sampling_rate"])
        longest = transformer["sample_size"] * math.prod(vae["downsampling_ratios"]) / rate
    can = Capabilities(
        tasks=frozenset({"text2music"}),
        fields=frozenset({"steps", "guidance_scale"}),
        sample_rate=rate,
        longest=longest,
    )
    return Model(name=NAME, version=VERSION, songs=settings.batch or PLACES, capabilities=can)


def _config(part: Path) -> dict[str, Any]:
    file = part / "config.json"
    return dict(json.loads(file.read_bytes())) if file.is_file() else {}
