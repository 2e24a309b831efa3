"""Sound that strangers bring, decoded in a process of its own: bounded in memory, time and output.

The child (`tasks.audio.decoder`) gets the open file as its standard input and nothing else: no path, no
network address, no settings. So a playlist or a reference in a file leads nowhere, and what breaks a decoder
breaks only it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from tasks.audio.decoder import TOO_LONG
from tasks.jobs import SECONDS_MAX, SECONDS_MIN

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SLACK: Final = 0.5  # seconds; mp3 and opus pad to whole frames, so a song of ours may be a bit longer
WALL_SECONDS: Final = 120.0
ENVIRONMENT: Final = {  # built here, so that nothing of ours or of other programs reaches the decoders
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Undecodable(ValueError):
    """This is no sound that can be used; the message says what to do instead."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What a file holds, measured by decoding all of it."""

    kind: str
    seconds: float
    rate: int
    channels: int


def measure(path: Path) -> Sound:
    """Decode a file and say what is in it.

    Raises:
        Undecodable: It is no sound, or of a length that no job may have.
        OSError: It cannot be read.
    """
    sound, _ = _decoded(path, 0)
    return sound


def samples(path: Path, rate: int) -> npt.NDArray[np.float32]:
    """Decode a file as stereo.

    Args:
        path: The file.
        rate: Hz, to which it is resampled.

    Returns:
        [2, frames], float32 in -1..1: what is louder, by a mix-down or in itself, is made quieter as a whole.

    Raises:
        Undecodable: It is no sound, or of a length that no job may have.
        OSError: It cannot be read.
    """
    import numpy as np  # the web app measures only, and does without

    _, raw = _decoded(path, rate)
    stereo = np.frombuffer(raw, np.float32).reshape(-1, 2).T[:, : round(SECONDS_MAX * rate)]
    peak = float(np.abs(stereo).max(initial=0.0))
    return np.ascontiguousarray(stereo / np.float32(peak) if peak > 1.0 else stereo)


def check_length(seconds: float) -> None:
    """Refuse sound that is shorter or longer than a job may be.

    Raises:
        Undecodable: Says so.
    """
    if seconds < SECONDS_MIN - SLACK / 10 or seconds > SECONDS_MAX + SLACK:
        lasts = f"lasts {seconds:.1f} s" if seconds < math.inf else "lasts too long"
        raise Undecodable(f"{lasts}; it has to be {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f} s")


def _decoded(path: Path, rate: int) -> tuple[Sound, bytes]:
    command = [sys.executable, "-P", "-m", "tasks.audio.decoder", str(rate), str(SECONDS_MAX + SLACK + 0.5)]
    with path.open("rb") as file:
        status, raw, said = _run(command, file)
    try:
        answer = json.loads(said.splitlines()[-1]) if said else {}
    except ValueError:
        answer = {}
    if answer.get("refused") == TOO_LONG:
        check_length(math.inf)
    if "refused" in answer:
        raise Undecodable(answer["refused"])
    if status or not answer:
        raise Undecodable("cannot be decoded within the memory and the time that are allowed for it")
    sound = Sound(**answer)
    check_length(sound.seconds)
    return sound, raw


def _run(command: list[str], file: IO[bytes]) -> tuple[int, bytes, bytes]:
    """Run the child; it and all that it started are gone when this returns."""
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    ) as child:
        try:
            raw, said = child.communicate(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise Undecodable(
                f"takes longer than {WALL_SECONDS:.0f} s to decode; send it as wav or flac"
            ) from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, raw, said
