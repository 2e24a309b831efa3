"""The shipper under fire while 100,000 lines are written: 0 missing, 0 doubled.

    python -m bench.shipper_faults [--lines 100000 --kills 20 --rotations 20 --rollovers 10] [--sabotage]

`--sabotage` switches the look at older backing indices off; then lines have to be doubled, or the run
proves nothing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from pathlib import Path

from observability.elastic.setup import setup
from tests import shipping
from tests.servers import elasticsearch

STREAM = "logs-tutti.web-default"
CHUNK = 250
BLIND = """
from observability.shipper import guard
guard.missing = lambda server, stream, lines, since: list(lines)
"""


def write(path: Path, lines: int, seconds: float, done: threading.Event) -> None:
    """Append the lines over some time, opening the file anew for each chunk."""
    began = time.monotonic()
    for first in range(0, lines, CHUNK):
        shipping.write(path, first, min(lines, first + CHUNK))
        ahead = began + seconds * (first + CHUNK) / lines - time.monotonic()
        time.sleep(max(0.0, ahead))
    done.set()


def storm(args: argparse.Namespace, node: elasticsearch.Node, folder: Path) -> None:
    """Do all of it in a random order, spread over the writing."""
    chance = random.Random(args.seed)
    acts = ["kill"] * args.kills + ["rotate"] * args.rotations + ["rollover"] * args.rollovers
    chance.shuffle(acts)
    path, state = folder / "log" / "web.jsonl", folder / "state"
    pattern = str(path.parent / "*.jsonl")
    path.parent.mkdir()
    written, server = threading.Event(), node.client()
    seconds = 2.0 * len(acts)
    writer = threading.Thread(target=write, args=(path, args.lines, seconds, written))
    writer.start()
    shipper = shipping.start(node.url, pattern, state)
    for number, act in enumerate(acts):
        time.sleep(chance.uniform(0.5, 2.5))
        if act == "kill":
            shipping.kill(shipper)
            shipper = shipping.start(node.url, pattern, state)
        elif act == "rotate":
            shipping.rotate(path)
        else:
            server.options(ignore_status=404).indices.rollover(alias=STREAM)
        print(f"{number + 1}/{len(acts)} {act}", flush=True)
    writer.join()
    shipping.kill(shipper)
    shipping.finish(node.url, pattern, state)


def main() -> None:
    """Run it and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("lines", 100_000),
        ("kills", 20),
        ("rotations", 20),
        ("rollovers", 10),
        ("seed", 7),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sabotage", action="store_true")
    args = parser.parse_args()
    if args.sabotage:
        shipping.SHIP = BLIND + shipping.SHIP
    with elasticsearch.running() as node, tempfile.TemporaryDirectory() as folder:
        setup(node.client())
        storm(args, node, Path(folder))
        missing, doubled = shipping.faults(node.client(), STREAM, args.lines)
    print("lines | kills | rotations | rollovers | missing | doubled")
    print(f"{args.lines} | {args.kills} | {args.rotations} | {args.rollovers} | {missing} | {doubled}")


if __name__ == "__main__":
    main()
