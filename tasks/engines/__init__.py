"""Which engine makes the music, found by name without loading it.

An engine is an entry point of the group `tutti.engines`, or written out as `module:Class`; what it can be
asked may stand in one of `tutti.models`, which imports none of its libraries.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tasks.engines.capabilities import ACE_STEP, SKETCH, Capabilities, of_variant
from tasks.engines.engine import Engine, SimpleEngine
from tasks.engines.models import ModelMissing, find, recognise
from tasks.settings import Settings

GROUP: Final = "tutti.engines"
MODELS: Final = "tutti.models"


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a job's shared queue is named after, how many songs of it a device makes at once, and of what.

    `capabilities` is None of an engine that does not say what it can be asked: it has to refuse by itself.
    """

    name: str
    version: str
    songs: int
    capabilities: Capabilities | None = None


# Said here as well, because to ask acestep itself means to import torch.
KNOWN: Final = {
    "sketch": Model(name="sketch", version="2", songs=1, capabilities=SKETCH),
    "acestep": Model(name="acestep", version="1.5", songs=64, capabilities=ACE_STEP),
}


class UnknownEngine(ValueError):
    """No engine has this name; the message lists those there are."""


def resolve(chosen: Settings) -> str:
    """The name of the engine to use: what is set, or what suits this machine."""
    if chosen.engine != "auto":
        return chosen.engine
    return "acestep" if why_sketch(chosen) is None else "sketch"


def why_sketch(chosen: Settings) -> str | None:
    """Why `auto` takes sketch on this machine, as the rest of a sentence; None where it takes acestep."""
    if not _has_gpu():
        return "no NVIDIA GPU is seen here"
    if importlib.util.find_spec("diffusers") is None:
        return "the extra `acestep` (torch, diffusers) is not installed; `make run` installs it"
    try:
        find(chosen.model)
    except ModelMissing as missing:
        return str(missing)
    return None


def model_of(chosen: Settings) -> Model:
    """The model's name, version and size of batch, without the engine, so that a web process may ask.

    An engine of another distribution says it by an entry point of `tutti.models`, a function of the settings;
    without one its class is imported.
    """
    name = resolve(chosen)
    model = KNOWN.get(name)
    if model is None:
        model = _described(name, chosen)
    elif name == "acestep":
        model = replace(model, capabilities=_checkpoint(chosen))
    return replace(model, songs=chosen.batch) if chosen.batch else model


def _described(name: str, chosen: Settings) -> Model:
    light = entry_points(group=MODELS)
    if name in light.names:
        described: Model = light[name].load()(chosen)
        return described
    engine = _find(name)
    songs, asked = int(getattr(engine, "places", 1)), getattr(engine, "capabilities", None)
    return Model(name=engine.name, version=engine.version, songs=songs, capabilities=asked)


def _checkpoint(chosen: Settings) -> Capabilities:
    """What the ACE-Step of the settings can be asked, if it is on this machine; no weight is read."""
    try:
        found = find(chosen.model)
    except ModelMissing:
        return ACE_STEP
    can = of_variant(recognise(found.name, found.config()))
    reads = (str(chosen.upload_path.absolute()), str(chosen.lora_path.absolute()))
    writes = (str(chosen.compile_path.absolute()),)
    return replace(can, sample_rate=found.sample_rate() or can.sample_rate, reads=reads, writes=writes)


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
