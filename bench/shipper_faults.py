"""The shipper under fire while 100,000 lines are written: 0 missing, 0 doubled.

    python -m bench.shipper_faults [--lines 100000 --kills 20 --rotations 20 --rollovers 10] [--sabotage]
    python -m bench.shipper_faults --away 120

`--sabotage` switches the look at older backing indices off; then lines have to be doubled, or the run
proves nothing. `--away` kills Elasticsearch for so many seconds instead, lets it come back too small to take
what has gathered, so that it answers 429, and gives it its size again, all while lines are written.
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
REFUSAL = '"reason":"429'
SMALL = {"indexing_pressure.memory.limit": "200kb", "thread_pool.write.queue_size": "1"}
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


def outage(args: argparse.Namespace, node: elasticsearch.Node, folder: Path) -> None:
    """Take the server away while lines are written, and bring it back refusing."""
    path, state = folder / "web.jsonl", folder / "state"
    pattern, written = str(folder / "*.jsonl"), threading.Event()
    refusing = args.away / 3
    writer = threading.Thread(target=write, args=(path, args.lines, args.away + refusing, written))
    shipper = shipping.start(node.url, pattern, state)
    writer.start()
    shipping.until(lambda: shipping.present(node.client(), STREAM) > 0)
    node.kill()
    print(f"killed; back in {args.away:.0f} s", flush=True)
    time.sleep(args.away)
    node.start(**SMALL)
    time.sleep(refusing)
    print(f"{shipping.present(node.client(), STREAM)} lines there while it refuses", flush=True)
    node.kill()
    node.start()
    writer.join()
    shipping.until(lambda: shipping.present(node.client(), STREAM) >= args.lines, 120)
    shipping.kill(shipper)
    print(f"{shipping.said(state).count(REFUSAL)} warnings of a refusal", flush=True)


def main() -> None:
    """Attempt it and print the counts."""
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
    parser.add_argument("--away", type=float, default=0.0, help="seconds without Elasticsearch")
    args = parser.parse_args()
    if args.sabotage:
        shipping.SHIP = BLIND + shipping.SHIP
    with elasticsearch.running() as node, tempfile.TemporaryDirectory() as folder:
        setup(node.client())
        (outage if args.away else storm)(args, node, Path(folder))
        missing, doubled = shipping.faults(node.client(), STREAM, args.lines)
    if args.away:
        print(f"{args.lines} lines, {args.away:.0f} s away: {missing} missing, {doubled} doubled")
        return
    print("lines | kills | rotations | rollovers | missing | doubled")
    print(f"{args.lines} | {args.kills} | {args.rotations} | {args.rollovers} | {missing} | {doubled}")


if __name__ == "__main__":
    main()
