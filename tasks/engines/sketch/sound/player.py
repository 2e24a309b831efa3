"""The player: score to finished samples, telling how far it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.engines.sketch.music.score import Score
from tasks.engines.sketch.sound import master as mastering
from tasks.engines.sketch.sound.font import Font
from tasks.engines.sketch.sound.room import add_room
from tasks.engines.sketch.sound.stem import Done, Stereo, balance, render
from tasks.engines.sketch.sound.tone import RATE, Mono

Progress = Callable[[float, str], None]
PLAY, ROOM = 0.75, 0.10  # shares of the whole time, measured; the rest is mastering
FOLD = 65_536  # frames folded into the mix at once
FADE = 1.5  # seconds at the end, so that the last chord's tail is not cut


def play(font: Font, score: Score, progress: Progress) -> Stereo:
    """Play a score.

    Args:
        font: The instruments.
        score: What to play.
        progress: Called often with the share done and words; what it raises stops the player.

    Returns:
        [2, round(seconds * 48000)] samples at -14 LUFS, true peak under -1 dBTP; the same for the same score.
    """
    frames = round(score.seconds * RATE)
    mix = np.zeros((2, mastering.padded(frames)), np.float32)
    send = np.zeros(mix.shape[1], np.float32)
    _stems(font, score, mix, send, progress)
    add_room(mix, send, score.room_seconds, _part(progress, PLAY, ROOM, "adding the room"))
    del send
    _fade(mix, frames)
    mastering.master(mix, _part(progress, PLAY + ROOM, 1 - PLAY - ROOM, "mastering"))
    return mix[:, :frames]


def _part(progress: Progress, before: float, share: float, words: str) -> Done:
    """Tell the progress of a part that begins at `before` and takes `share` of the whole."""
    return lambda done: progress(before + share * done, words)


def _stems(font: Font, score: Score, mix: Stereo, send: Mono, progress: Progress) -> None:
    """Play track after track, each folded into the mix before the next is made."""
    tracks = [track for track in score.tracks if track.notes]
    total = sum(len(track.notes) for track in tracks)
    stem = np.zeros_like(mix)
    before = 0.0
    for track in tracks:
        share = PLAY * len(track.notes) / total
        words = f"playing {track.name}"
        render(font, track, stem, _part(progress, before, share * 0.7, words))
        gain = balance(stem, track.loudness, _part(progress, before + share * 0.7, share * 0.2, words))
        _fold(
            stem,
            gain,
            mix,
            send=send,
            room=track.room,
            done=_part(progress, before + share * 0.9, share * 0.1, words),
        )
        before += share


def _fold(stem: Stereo, gain: float, mix: Stereo, *, send: Mono, room: float, done: Done) -> None:
    """Add a stem to the mix and the room's share of it to `send`, and leave silence for the next."""
    for at in range(0, mix.shape[1], FOLD):
        part = stem[:, at : at + FOLD]
        part *= np.float32(gain)
        mix[:, at : at + FOLD] += part
        send[at : at + FOLD] += (part[0] + part[1]) * np.float32(room * 0.5)
        part[:] = 0
        done(at / mix.shape[1])


def _fade(mix: Stereo, frames: int) -> None:
    """Let the end die away; what was padded behind it is silence."""
    length = min(round(FADE * RATE), frames // 4)
    mix[:, frames - length : frames] *= np.cos(np.linspace(0, np.pi / 2, length)).astype(np.float32) ** 2
    mix[:, frames:] = 0
