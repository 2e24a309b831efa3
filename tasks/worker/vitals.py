"""The device of a worker and how it is doing, by NVML or psutil; torch would occupy the GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psutil
import pynvml

from tasks.engines import resolve
from tasks.ledger import Vitals
from tasks.settings import Settings

# A small composer gains nothing from threads, and neighbours on the machine lose by them.
ONE_CORE: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FOR_CPU: Final = frozenset({"sketch"})  # engines that make no use of a GPU


@dataclass(frozen=True, kw_only=True)
class Device:
    """One GPU, known by its UUID, which no reordering changes; `uuid` None: this machine's CPU."""

    index: int
    name: str
    uuid: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the engine process has to see, so that it takes this device and no other."""
        if self.uuid is None:
            return {**ONE_CORE, "CUDA_VISIBLE_DEVICES": ""}
        return {"CUDA_VISIBLE_DEVICES": self.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


class NoSuchDevice(ValueError):
    """The machine has no GPU of this index."""


def find_device(chosen: Settings) -> Device:
    """The device that this worker is to use.

    Raises:
        NoSuchDevice: A GPU was named that is not there.
    """
    index = chosen.device or 0
    if resolve(chosen) in FOR_CPU:
        return Device(index=index, name="cpu")
    with _nvml() as count:
        if count == 0:
            return Device(index=index, name="cpu")
        if index >= count:
            raise NoSuchDevice(f"TUTTI_DEVICE={index}: this machine has {count} GPUs, counted from 0")
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
        return Device(index=index, name=str(name), uuid=str(uuid))


def measure(device: Device, pid: int | None, *, loaded: bool) -> Vitals:
    """How the device is doing; on a CPU the engine process stands for it."""
    if device.uuid is None:
        return _measure_process(pid, loaded=loaded)
    with _nvml() as count:
        if count == 0:
            return Vitals(model_loaded=loaded)
        handle = pynvml.nvmlDeviceGetHandleByUUID(device.uuid)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return Vitals(
            model_loaded=loaded,
            gpu_memory_used=int(memory.used),
            gpu_memory_total=int(memory.total),
            gpu_busy=pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
            temperature=float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        )


_processes: dict[int, psutil.Process] = {}  # psutil measures use since its own last call


def _measure_process(pid: int | None, *, loaded: bool) -> Vitals:
    for gone in _processes.keys() - {pid}:
        _processes.pop(gone, None)
    busy = 0.0
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            busy = _processes.setdefault(pid, psutil.Process(pid)).cpu_percent() / 100
    return Vitals(model_loaded=loaded, gpu_busy=min(1.0, busy))


@contextlib.contextmanager
def _nvml() -> Iterator[int]:
    """NVML, opened: yields how many GPUs there are, 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield 0
        return
    try:
        yield int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()
