"""What the engine is told: the settings that concern it, and what only tests and benchmarks choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tasks.settings import Settings

Precision = Literal["auto", "float32", "bfloat16", "fp8"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to load and run the model.

    Attributes:
        model: A folder in diffusers' layout, or a hub id.
        device: "cuda", "cuda:1", "cpu"; None takes the first GPU, else the CPU.
        places: Songs that may be on their way at once.
        tokens: Tokens that a pack is filled up to (12.5 a second of a song); memory may allow less. A larger
            pack makes no more songs a second on an H100, only longer steps.
        longest: Tokens of the largest song, alone: 600 s with guidance are 15,000.
        compiled: Compile and capture graphs; None does so where the device profits.
        fused_decoder: Decode with the Triton kernels; None does so where they were checked.
    """

    model: str
    device: str | None = None
    precision: Precision = "auto"
    places: int = 64
    tokens: int = 12_288
    longest: int = 15_360
    compiled: bool | None = None
    fused_decoder: bool | None = None
    uploads: Path = Path("var/upload")
    loras: Path = Path("var/lora")
    compiled_code: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The options that the settings ask for."""
        return cls(
            model=settings.model,
            device=None if settings.device is None else f"cuda:{settings.device}",
            precision=settings.precision,
            places=settings.batch or 64,
            uploads=settings.upload_path,
            loras=settings.lora_path,
            compiled_code=settings.compile_path,
        )
