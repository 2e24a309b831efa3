"""Draws Vega-Lite specs with the very versions that a Kibana ships, by Node.

Kibana 9.0 has `"vega-lite": "^5.5.0"` with Vega 5.26 (elastic/kibana pull requests 220909 and 211458),
9.1 and later `"^5.21.0"` with Vega `"^5.33.0"` (220909, package.json); which patch a lock file chose was
not to be had, so the ends of each range are drawn. All use vega-interpreter 1.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

from tests import needs

HERE = Path(__file__).parent
TOOLS = HERE.parents[2] / ".tools" / "kibana-vega"
# name -> Vega-Lite, Vega
SHIPPED = {
    "9.0": ("5.5.0", "5.26.0"),
    "9.1": ("5.21.0", "5.33.0"),
    "9.x newest": ("5.23.0", "5.33.0"),
}


def prepared(kibana: str) -> Path:
    """The folder with this Kibana's Vega; fetched by the first process that asks."""
    lite, vega = SHIPPED[kibana]
    folder = TOOLS / f"{lite}-{vega}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            wanted = {"vega-lite": lite, "vega": vega, "vega-interpreter": "1.0.5"}
            (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
            npm = [
                needs.program("npm", package="npm"),
                "install",
                "--no-audit",
                "--no-fund",
                "--legacy-peer-deps",
            ]
            done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                needs.missing("Vega-Lite", f"npm could not fetch it: {done.stderr[-500:]}")
            (folder / "complete").touch()
    return folder


def drawn(specs: dict[str, Any], kibana: str) -> dict[str, dict[str, Any]]:
    """Draw these specs, whose data is in them; gives `svg` and `warnings` by name."""
    command = [needs.program("node", package="nodejs"), HERE / "compiling.mjs", prepared(kibana)]
    done = subprocess.run(
        command, input=json.dumps(specs), capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return made
