"""What clients lose while nginx is reloaded 100 times and two of three web nodes are killed, under load.

Real web nodes are replaced by the tests' small ones, so that the load is on the gateway; each POST carries an
Idempotency-Key, and what it asked for has to be there afterwards.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.servers.gateway import House, standing
from tests.servers.gateway_load import Load, reload_often, under_load

RELOADS = 102


def deaths(house: House, loads: Sequence[Load]) -> None:
    third = RELOADS // 3
    reload_often(house, loads, third)
    for name in ("n1", "n2"):
        house.nodes.pop(name).kill()
        reload_often(house, loads, third)


def measure(folder: Path, *, reuse: bool) -> str:
    folder.mkdir()
    with standing(folder, nodes=3, rate_limit="off") as house:
        clients = {"kept": 4} if reuse else {"fresh": 4}
        loads = under_load(house, lambda loads: deaths(house, loads), **clients)
        total: Counter[int | str] = sum((load.statuses for load in loads), Counter())
        again = sum(load.sent_again.total() for load in loads)
        missing = [key for load in loads for key in load.keys if not (folder / f"job-{key}").exists()]
    good = total[200] + total[202]
    bad = {name: count for name, count in total.items() if name not in {200, 202}}
    posts = sum(len(load.keys) for load in loads)
    told = f"{good} answered, {again} of them sent again, others {bad or 'none'}"
    return f"{told}, jobs missing {len(missing)} of {posts}"


def main() -> None:
    print(f"{RELOADS} reloads and two deaths of three nodes, four clients without a pause")
    with tempfile.TemporaryDirectory() as name:
        print("each on a fresh connection, no retry:  ", measure(Path(name, "fresh"), reuse=False))
        print("on kept connections, one retry each:   ", measure(Path(name, "kept"), reuse=True))


if __name__ == "__main__":
    main()
