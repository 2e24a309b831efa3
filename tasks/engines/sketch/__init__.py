"""The embedded engine: it reads a prompt, writes a score and plays it; no weights, no torch, no GPU."""

from __future__ import annotations

import time
from pathlib import Path

from tasks.engines.capabilities import SKETCH
from tasks.engines.engine import Audio, Progress, Song
from tasks.engines.sketch.compose import compose, write_out
from tasks.engines.sketch.midi import to_midi
from tasks.engines.sketch.music.score import Score
from tasks.engines.sketch.planning.plan import describe, make_plan
from tasks.engines.sketch.reading.language import languages
from tasks.engines.sketch.sound.font import Font, default_font
from tasks.engines.sketch.sound.player import play
from tasks.engines.sketch.sound.tone import RATE
from tasks.settings import Settings

__all__ = ["Score", "SketchEngine", "compose", "describe", "make_plan", "to_midi"]

WRITING = 0.03  # share of the time that composing takes


class SketchEngine:
    """Makes a song in one go: prompt to score, score to samples.

    The same request and seed give the same samples, whatever the machine's number of threads.

    Args:
        soundfont: The instruments, an .sf2 or .sf3; None for the one that comes with pretty_midi.
    """

    name = "sketch"
    version = "2"
    capabilities = SKETCH

    def __init__(self, soundfont: Path | None = None) -> None:
        self._path = soundfont
        self._font: Font | None = None

    @classmethod
    def of(cls, settings: Settings) -> SketchEngine:
        """The engine with the sound font of the settings."""
        return cls(settings.soundfont)

    def load(self) -> None:
        """Open the sound font, and the files of words that prompts are read by.

        Raises:
            FontError: The font is missing or no sound font.
            WordsError: A file of words has an entry that cannot be used.
        """
        languages()
        self._open()

    def _open(self) -> Font:
        self._font = Font(self._path or default_font())
        return self._font

    def unload(self) -> None:
        """Let go of the sound font."""
        self._font = None

    def generate(self, song: Song, progress: Progress) -> Audio:
        """Compose, play and master a song; `midi` is the score that sounds."""
        font = self._font or self._open()
        began = time.perf_counter()
        plan = make_plan(song.request, song.seed)
        progress(0.0, describe(plan))
        score = write_out(plan)
        progress(WRITING, "tuning the instruments")
        written = time.perf_counter()
        share = 1 - WRITING
        samples = play(font, score, lambda done, words: progress(WRITING + share * done, words))
        timings = {"condition": written - began, "denoise": time.perf_counter() - written}
        return Audio(samples=samples, sample_rate=RATE, midi=to_midi(score), timings=timings)
