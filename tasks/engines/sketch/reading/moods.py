"""What a feeling asks of the music. The words for each are in `languages/`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mood:
    """A mood's bent: a family of modes, energy added to the genre's, a factor of the tempo."""

    name: str
    family: str = ""  # major or minor
    energy: float = 0.0
    speed: float = 1.0
    hints: str = ""  # the genre it suggests where no other word does


MOODS = (
    Mood("calm", "", -0.14, 0.92, "piano solo"),
    Mood("gentle", "", -0.1, 0.96, "piano solo"),
    Mood("happy", "major", 0.08, 1.06, "pop"),
    Mood("sad", "minor", -0.1, 0.9, "piano solo"),
    Mood("dark", "minor", 0.0, 0.97, "cinematic"),
    Mood("epic", "", 0.12, 1.04, "cinematic"),
    Mood("energetic", "", 0.14, 1.06, "rock"),
    Mood("romantic", "major", -0.04, 0.95, "piano solo"),
    Mood("dreamy", "", -0.1, 0.92, "ambient"),
    Mood("mysterious", "minor", -0.04, 0.95, "cinematic"),
    Mood("nostalgic", "", -0.06, 0.94, "lo-fi"),
    Mood("hopeful", "major", 0.06, 1.02, "pop"),
    Mood("angry", "minor", 0.16, 1.08, "metal"),
    Mood("tense", "minor", 0.08, 1.05, "cinematic"),
    Mood("solemn", "", -0.05, 0.88, "orchestral"),
)
