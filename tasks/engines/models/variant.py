"""Which ACE-Step a checkpoint is: turbo, base, sft or rl, its size, and how it was trained to be sampled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["turbo", "sft", "base", "unknown"]

EDITS: Final = frozenset({"extract", "lego", "complete"})
"""What upstream offers on every checkpoint that is not turbo, and trained only the base one for."""

_SHIFT = re.compile(r"shift-?([0-9](?:\.[0-9])?)(?![0-9])")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a checkpoint wants to be sampled.

    Attributes:
        kind: Turbo is distilled: few steps, no guidance. `unknown` is sampled as base is.
        rl: Trained further by reinforcement; sampled as the kind it came from.
        size: "2B", or "XL" (4B).
        shift: That of the time steps in training.
        steps: What upstream offers for it.
        most_steps: More are not taken.
        guidance: Its default scale; None where guidance is distilled into the weights.
        dcw: Whether upstream corrects its steps in the wavelet domain unless told otherwise.
        tasks: What it can be asked.
        lego_sft: Trained with captions that carry a global one and the mask mode.
    """

    kind: Kind
    rl: bool = False
    size: Literal["2B", "XL"] = "2B"
    shift: float = 1.0
    steps: int = 50
    most_steps: int = 200
    guidance: float | None = 7.0
    dcw: bool = False
    tasks: frozenset[str] = frozenset({"text2music", "cover", "repaint"})
    lego_sft: bool = False

    @property
    def turbo(self) -> bool:
        """Whether guidance is distilled into the weights, so that none must be added."""
        return self.kind == "turbo"

    @property
    def label(self) -> str:
        """For people, such as `XL turbo, shift 3`."""
        kind = f"{self.kind}-rl" if self.rl else self.kind
        return f"{self.size} {kind}, shift {self.shift:g}"


def recognise(name: str, config: Mapping[str, Any]) -> Variant:
    """Tell what a checkpoint is.

    Args:
        name: Its folder, file or hub id; base and sft differ in nothing else.
        config: What its config.json says, or what shapes tell; may be empty.
    """
    words = set(re.split(r"[/\\._\-]+", name.lower()))
    kind = _kind(words, config)
    size: Literal["2B", "XL"] = "XL" if _is_xl(config) or "xl" in words else "2B"
    rl, lego = "rl" in words, bool(config.get("is_lego_sft"))
    if kind == "turbo":
        return Variant(
            kind=kind,
            rl=rl,
            size=size,
            shift=_turbo_shift(name),
            steps=8,
            most_steps=20,
            guidance=None,
            dcw=True,
        )
    tasks = frozenset({"text2music", "cover", "repaint"}) | (EDITS if kind != "sft" or lego else frozenset())
    return Variant(kind=kind, rl=rl, size=size, tasks=tasks, lego_sft=lego)


def _kind(words: set[str], config: Mapping[str, Any]) -> Kind:
    """`is_turbo` decides where it is written; `model_version` is `turbo` even in base checkpoints."""
    said = config.get("is_turbo")
    if said or (said is None and "turbo" in words):
        return "turbo"
    if "sft" in words:
        return "sft"
    if "base" in words:
        return "base"
    # a merge of turbo and base may say that it is none, and be named for both
    return "unknown"


def _turbo_shift(name: str) -> float:
    found = _SHIFT.search(name.lower())
    return float(found[1]) if found else 3.0


def _is_xl(config: Mapping[str, Any]) -> bool:
    return config.get("encoder_hidden_size") is not None or config.get("hidden_size") == 2560
