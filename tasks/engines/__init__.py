"""Which engine makes the music, found by name without loading it.

An engine is an entry point of the group `tutti.engines`, or written out as `module:Class`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from tasks.engines.engine import Engine, SimpleEngine
from tasks.settings import Settings

GROUP: Final = "tutti.engines"
MODEL_INDEX: Final = "model_index.json"  # what every pipeline in diffusers' layout has


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a job's shared queue is named after, and how many songs of it a device makes at once."""

    name: str
    version: str
    songs: int


# Said here as well, because to ask acestep itself means to import torch.
KNOWN: Final = {
    "sketch": Model(name="sketch", version="1", songs=1),
    "acestep": Model(name="acestep", version="1.5", songs=64),
}


class UnknownEngine(ValueError):
    """No engine has this name; the message lists those there are."""


def resolve(chosen: Settings) -> str:
    """The name of the engine to use: what is set, or what suits this machine."""
    if chosen.engine != "auto":
        return chosen.engine
    ready = _has_gpu() and importlib.util.find_spec("diffusers") and has_model(chosen)
    return "acestep" if ready else "sketch"


def has_model(chosen: Settings) -> bool:
    """Whether ACE-Step's model is on this machine: a folder, or in the hub's cache. Nothing is fetched."""
    if (Path(chosen.model) / MODEL_INDEX).is_file():
        return True
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(chosen.model, MODEL_INDEX), str)
    except HFValidationError:  # a folder's path that is not there
        return False


def model_of(chosen: Settings) -> Model:
    """The model's name, version and size of batch; imports only engines that are not `KNOWN`."""
    name = resolve(chosen)
    model = KNOWN.get(name)
    if model is None:
        engine = _find(name)
        songs = int(getattr(engine, "places", 1))
        model = Model(name=engine.name, version=engine.version, songs=songs)
    return model if not chosen.batch else Model(name=model.name, version=model.version, songs=chosen.batch)


def load_engine(chosen: Settings) -> Engine:
    """Make the engine, ready for its `load`; one that makes songs in a single go is adapted.

    An engine class that has `of` gets the settings by it.

    Raises:
        UnknownEngine: There is none of that name.
    """
    found = _find(resolve(chosen))
    engine = found.of(chosen) if hasattr(found, "of") else found()
    if isinstance(engine, Engine):
        return engine
    if not isinstance(engine, SimpleEngine):
        raise UnknownEngine(f"{chosen.engine} has neither `step` nor `generate`; see tasks.engines.engine")
    from tasks.engines.simple import Stepwise

    adapted: Engine = Stepwise(engine, together=model_of(chosen).songs)
    return adapted


def _find(name: str) -> Any:
    if ":" in name:
        try:
            return EntryPoint(name=name, value=name, group=GROUP).load()
        except (ImportError, AttributeError) as error:
            raise UnknownEngine(
                f"TUTTI_ENGINE={name} cannot be imported ({error}); install it beside Tutti, or name its "
                "folder by PYTHONPATH and TUTTI_PASS_ENVIRONMENT=PYTHONPATH (not the working folder)"
            ) from error
    known = entry_points(group=GROUP)
    if name not in known.names:
        raise UnknownEngine(
            f"TUTTI_ENGINE: there is no engine {name!r}; there are: {', '.join(sorted(known.names))}"
        )
    return known[name].load()


@cache
def _has_gpu() -> bool:
    import pynvml

    try:
        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return False
