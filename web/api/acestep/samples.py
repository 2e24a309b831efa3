"""Kept examples, for `/create_random_sample` and where the language model should have thought of a song."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sample:
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
    Sample(
        "a slow piano piece for a rainy evening",
        "Slow solo piano, soft pedal, long reverb, minor key, intimate and wistful",
        INSTRUMENTAL, 66, "D minor", 90,
    ),
    Sample(
        "a sunny bossa nova",
        "Bossa nova with nylon guitar, brushed drums and upright bass, warm and easy, flute melody",
        INSTRUMENTAL, 128, "F major", 100,
    ),
    Sample(
        "driving synthwave for a night on the motorway",
        "Synthwave, pulsing analogue bass, gated drums, wide pads, a soaring lead, nocturnal",
        INSTRUMENTAL, 104, "A minor", 120,
    ),
    Sample(
        "an indie folk song about leaving a harbour town",
        "Indie folk, fingerpicked acoustic guitar, cello, a close male voice, tender and hopeful",
        "[Verse]\nSalt on the window, ropes on the pier\nThe gulls know the morning that brought me\n\n"
        "[Chorus]\nHold on the harbour, let go of the shore\nI carry the water, I need nothing more",
        84, "G major", 120,
    ),
    Sample(
        "a bright pop chorus about small victories",
        "Bright pop, punchy drums, plucked synths, stacked female voices, cheerful",
        "[Verse]\nShoes by the door and the kettle is on\nOne thing is done and the worry is gone\n\n"
        "[Chorus]\nLittle by little, look how we climb\nOne step is plenty, one step at a time",
        116, "C major", 90,
    ),
    Sample(
        "轻快的国风小曲",
        "国风, 古筝与竹笛, 轻快的鼓点, 明亮而开阔",
        INSTRUMENTAL, 96, "D major", 90, language="zh",
    ),
    Sample(
        "a waltz for a small orchestra",
        "Waltz for strings, clarinet and harp, graceful, a little melancholy",
        INSTRUMENTAL, 90, "B minor", 100, metre="3",
    ),
    Sample(
        "lo-fi beats to read by",
        "Lo-fi hip hop, dusty electric piano, soft kick, vinyl crackle, relaxed",
        INSTRUMENTAL, 78, "E minor", 120,
    ),
)  # fmt: skip


def draw() -> Sample:
    """Any of them."""
    return random.choice(SAMPLES)  # noqa: S311
