"""Kept examples, for `/create_random_sample` and where the language model should have thought of a song."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Example:
    """One example: a short wish, and the song that it may become."""

    description: str
    caption: str
    lyrics: str
    bpm: int
    key_scale: str
    seconds: int
    language: str = "en"
    metre: str = "4"

    @property
    def instrumental(self) -> bool:
        """Whether nobody sings."""
        return self.lyrics == INSTRUMENTAL


INSTRUMENTAL: Final = "[Instrumental]"
SAMPLES: Final = (
    Example(
        "a slow piano piece for a rainy evening",
        "Slow solo piano, soft pedal, long reverb, minor key, intimate and wistful",
        INSTRUMENTAL, 66, "D minor", 90,
    ),
    Example(
        "a sunny bossa nova",
        "Bossa nova with nylon guitar, brushed drums and upright bass, warm and easy, flute melody",
        INSTRUMENTAL, 128, "F major", 100,
    ),
    Example(
        "driving synthwave for a night on the motorway",
        "Synthwave, pulsing analogue bass, gated drums, wide pads, a soaring lead, nocturnal",
        INSTRUMENTAL, 104, "A minor", 120,
    ),
    Example(
        "an indie folk song about leaving a harbour town",
        "Indie folk, fingerpicked acoustic guitar, cello, a close male voice, tender and hopeful",
        "[Verse]\nSalt on the window, ropes on the pier\nThe gulls know the morning that brought me\n\n"
        "[Chorus]\nHold on the harbour, let go of the shore\nI carry the water, I need nothing more",
        84, "G major", 120,
    ),
    Example(
        "a bright pop chorus about small victories",
        "Bright pop, punchy drums, plucked synths, stacked female voices, cheerful",
        "[Verse]\nShoes by the door and the kettle is on\nOne thing is done and the worry is gone\n\n"
        "[Chorus]\nLittle by little, look how we climb\nOne step is plenty, one step at a time",
        116, "C major", 90,
    ),
    Example(
        "轻快的国风小曲",
        "国风, 古筝与竹笛, 轻快的鼓点, 明亮而开阔",
        INSTRUMENTAL, 96, "D major", 90, language="zh",
    ),
    Example(
        "a waltz for a small orchestra",
        "Waltz for strings, clarinet and harp, graceful, a little melancholy",
        INSTRUMENTAL, 90, "B minor", 100, metre="3",
    ),
    Example(
        "lo-fi beats to read by",
        "Lo-fi hip hop, dusty electric piano, soft kick, vinyl crackle, relaxed",
        INSTRUMENTAL, 78, "E minor", 120,
    ),
)  # fmt: skip


def draw() -> Example:
    """Any of them."""
    return random.choice(SAMPLES)  # noqa: S311
