"""Where every `tutti` begins: in an interpreter that nobody else has had a hand in.

The working folder and PYTHONPATH may hold a `tasks.py` or a `logging.py` that Python would import in the
place of ours. So this module uses nothing but what the interpreter has loaded already, and begins the program
anew without them.
"""

import os
import sys

CLEAN = "tutti-clean"  # as tasks.settings.environment has it
PASS = "TUTTI_PASS_ENVIRONMENT"  # noqa: S105 - a variable's name
HARMLESS = (
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONFAULTHANDLER",
)


def enter() -> None:
    """Begin again with safe paths, in the place of this process, unless that is done already."""
    if CLEAN in sys._xoptions or not sys.executable:
        return
    kept = {*HARMLESS, *os.environ.get(PASS, "").replace(",", " ").split()}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON") or name in kept
    }
    words = ["-P", "-s", "-X", "utf8", "-X", CLEAN, "-m", "compose.cli", *sys.argv[1:]]
    if sys.stdout:  # None where it is closed
        sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *words], environment)  # noqa: S606 - ourselves


def main() -> None:
    """The command `tutti`."""
    enter()
    import runpy  # it came here already clean

    runpy.run_module("compose.cli", run_name="__main__")
