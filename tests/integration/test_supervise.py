"""The supervisor of `tutti up`, with real processes that misbehave in every way we know."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compose.machine.supervise import Part, StartFailed, Supervisor

TICKER = (
    "import os, time\nprint(os.getpid(), flush=True)\nwhile True: print('tick', flush=True); time.sleep(0.05)"
)
CRASHER = "print('about to fail', flush=True); raise SystemExit(3)"
STUBBORN = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(os.getpid(), flush=True)\n"
    "time.sleep(60)"
)
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('child', child.pid, flush=True)\n"
    "raise SystemExit(1)"
)


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


def part(name: str, code: str, stage: int = 0, ready: Callable = at_once) -> Part:
    return Part(name=name, argv=[sys.executable, "-c", code], stage=stage, ready=ready)


class Heard:
    """Collects what the parts print, and waits for a line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for speaker, line in self.lines if speaker == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)


def test_a_part_prints_behind_its_name_and_is_gone_after_stop() -> None:
    async def scenario() -> None:
        heard = Heard()
        supervisor = Supervisor([part("ticker", TICKER)], say=heard, grace=5)
        await supervisor.start()
        await heard.until(lambda: "tick" in heard.of("ticker"))
        pid = int(heard.of("ticker")[0])
        assert alive(pid)
        await supervisor.stop()
        assert not alive(pid)

    asyncio.run(scenario())


def test_a_part_that_crashes_is_started_again_with_growing_pauses() -> None:
    async def scenario() -> list[str]:
        heard = Heard()
        supervisor = Supervisor([part("crasher", CRASHER)], say=heard, grace=5)
        await supervisor.start()
        await heard.until(lambda: heard.of("crasher").count("about to fail") == 3)
        await supervisor.stop()
        return [line for line in heard.of("crasher") if line.startswith("ended with code 3")]

    pauses = [line.split()[-2] for line in asyncio.run(scenario())]
    assert pauses[:2] == ["0.5", "1"]


def test_a_part_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    async def scenario() -> None:
        heard = Heard()
        supervisor = Supervisor([part("stubborn", STUBBORN)], say=heard, grace=0.3)
        await supervisor.start()
        await heard.until(lambda: heard.of("stubborn"))
        pid = int(heard.of("stubborn")[0])
        await supervisor.stop()
        assert not alive(pid)
        assert "did not stop" in heard.of("stubborn")[-1]

    asyncio.run(scenario())


def test_a_part_that_dies_takes_its_children_along() -> None:
    async def scenario() -> None:
        heard = Heard()
        supervisor = Supervisor([part("parent", PARENT)], say=heard, grace=5)
        await supervisor.start()
        await heard.until(lambda: any(line.startswith("ended") for line in heard.of("parent")))
        child = int(heard.of("parent")[0].split()[1])
        await heard.until(lambda: not alive(child))
        await supervisor.stop()

    asyncio.run(scenario())


def test_a_stage_waits_for_the_one_before_it() -> None:
    async def scenario() -> None:
        heard = Heard()
        opened = asyncio.Event()

        async def ready() -> bool:
            return opened.is_set()

        supervisor = Supervisor(
            [part("first", TICKER, 0, ready), part("second", TICKER, 1)], say=heard, grace=5
        )
        starting = asyncio.create_task(supervisor.start())
        await heard.until(lambda: "tick" in heard.of("first"))
        assert not heard.of("second")
        opened.set()
        await starting
        await heard.until(lambda: "tick" in heard.of("second"))
        await supervisor.stop()

    asyncio.run(scenario())


def test_a_part_that_never_gets_ready_is_named() -> None:
    async def scenario() -> None:
        supervisor = Supervisor([part("slow", TICKER, ready=never)], say=Heard(), grace=5, start_limit=0.3)
        try:
            with pytest.raises(StartFailed, match="slow was not ready"):
                await supervisor.start()
        finally:
            await supervisor.stop()

    asyncio.run(scenario())


KILLED = """
import asyncio, sys
from compose.machine.supervise import Part, Supervisor
async def at_once(): return True
async def main():
    code = "import time; print('up', flush=True); time.sleep(60)"
    parts = [Part(name=n, argv=[sys.executable, "-c", code], stage=0, ready=at_once) for n in ("a", "b")]
    await Supervisor(parts, say=lambda name, line: print(name, line, flush=True), grace=5).start()
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed parent")
def test_no_part_outlives_a_supervisor_that_is_killed() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=root
    ) as supervisor:
        assert supervisor.stdout is not None
        assert sorted(supervisor.stdout.readline() for _ in range(2)) == ["a up\n", "b up\n"]
        pids = [child.pid for child in psutil.Process(supervisor.pid).children()]
        os.kill(supervisor.pid, signal.SIGKILL)
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a part outlived its supervisor"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
