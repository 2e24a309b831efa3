"""The pipe between host and engine process: pickled messages, and sound past them in shared memory.

The engine process handles strangers' audio and files of weights, and the host has the keys to the ledger: so
the host takes from a pickle nothing but messages of ours.

Samples travel as the descriptor of an unnamed memory file (`memfd_create(2)`): nothing is copied through the
pipe, and nothing is left behind whoever dies.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
import threading
from dataclasses import fields, replace
from multiprocessing import reduction
from multiprocessing.connection import Connection
from numbers import Integral, Real
from types import NoneType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from tasks.engines.engine import Audio, Samples
from tasks.jobs import ErrorClass
from tasks.worker import messages
from tasks.worker.messages import Made

M = TypeVar("M")

NOTHING: Samples = np.empty((0, 0), np.float32)


MESSAGE_MAX = 1 << 26  # bytes; sound goes past them
NAMES = {
    "tasks.worker.messages": None,  # every one of them
    "tasks.engines.engine": {"Audio"},
    "tasks.jobs.job": {"ErrorClass"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
}


FIELDS: dict[str, tuple[type, ...]] = {  # of all messages that an engine sends
    "order": (Integral,),
    "variation": (Integral,),
    "seed": (Integral,),
    "batch": (Integral,),
    "share": (Real,),
    "seconds": (Real,),
    "stage": (str, NoneType),
    "detail": (str,),
    "name": (str,),
    "version": (str,),
    "error_class": (ErrorClass,),
    "audio": (Audio,),
}


class _Messages(pickle.Unpickler):
    """Reads messages, and refuses to look for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        known = NAMES.get(module, set())
        if known is not None and name not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no message")
        return super().find_class(module, name)


def _checked(message: Any) -> Any:
    """The message, if it is one of the engine's and each of its fields is what it should be.

    Raises:
        TypeError: It is not.
    """
    if type(message).__module__ != messages.__name__:
        raise TypeError(f"{type(message).__name__} is no message")
    for known in fields(message):
        if not isinstance(getattr(message, known.name), FIELDS.get(known.name, ())):
            raise TypeError(f"{type(message).__name__}.{known.name} is something else")
    return message


class Wire:
    """One end of the pipe. Any thread may send; one thread receives.

    Args:
        connection: Its socket.
        trusted: Whether the other side may send whatever it likes; the host's may not.
    """

    def __init__(self, connection: Connection, *, trusted: bool = False) -> None:
        self._connection = connection
        self._trusted = trusted
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            OSError: The other side is gone.
        """
        with self._sending:
            if isinstance(message, Made):
                self._send_made(message)
            else:
                self._connection.send(message)

    def receive(self) -> Any:
        """Wait for a message.

        Raises:
            EOFError: The other side is gone, or sends what is no message: it is of no use any more.
        """
        try:
            raw = self._connection.recv_bytes(MESSAGE_MAX)
            message = pickle.loads(raw) if self._trusted else _Messages(io.BytesIO(raw)).load()  # noqa: S301
            if isinstance(message, tuple):
                message = self._with_samples(*message)
            return message if self._trusted else _checked(message)
        except EOFError:
            raise
        except Exception as error:  # reset while sending, or a pickle of anything
            raise EOFError(f"no message: {type(error).__name__}: {error}") from error

    def waiting(self, seconds: float | None) -> bool:
        """Whether there is something to receive within so many seconds; None: wait for it."""
        return self._connection.poll(seconds)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _send_made(self, message: Made) -> None:
        samples = np.ascontiguousarray(message.audio.samples)
        descriptor = _in_memory(samples)
        try:
            plain = replace(message, audio=replace(message.audio, samples=NOTHING))
            self._connection.send((plain, samples.shape, samples.dtype.str))
            reduction.send_handle(self._connection, descriptor, cast("int", None))
        finally:
            os.close(descriptor)

    def _with_samples(self, message: Made, shape: tuple[int, ...], dtype: str) -> Made:
        descriptor = reduction.recv_handle(self._connection)
        try:
            memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        samples = np.frombuffer(memory, np.dtype(dtype)).reshape(shape)
        return replace(message, audio=replace(message.audio, samples=samples))


def _in_memory(samples: npt.NDArray[Any]) -> int:
    """The descriptor of an unnamed file that holds the samples, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("song", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    rest = samples.reshape(-1).view(np.uint8).data
    while rest:  # written rather than mapped: a page fault a page costs more than the copy
        rest = rest[os.write(descriptor, rest) :]
    return descriptor
