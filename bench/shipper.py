"""Lines a second and CPU a line: `tutti ship` beside rsyslog's omelasticsearch, on one real Elasticsearch.

    python -m bench.shipper [--lines 50000 --rounds 3]

Both read the same finished file, both write with `create` and deterministic ids into data streams of the same
templates. Rounds are interleaved after one round of warming up, and each begins with another one, because
the server gets quicker all the time; the median counts, of the ratios that of each round's. CPU is the
shipper's own process, not the server's.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from elasticsearch import Elasticsearch

from observability.elastic.setup import setup
from tests import needs, shipping
from tests.servers import elasticsearch

# rsyslog: lines a bulk, and workers
SHAPES = {"rsyslog 1024x1": (1024, 1), "rsyslog 2000x2": (2000, 2)}
OURS = "tutti ship"
CONFIGURATION = """
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
global(workDirectory="{work}" maxMessageSize="64k")
main_queue(queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="{batch}"
  queue.workerThreads="{workers}" queue.workerThreadMinimumMessages="1" queue.timeoutShutdown="60000")
input(type="imfile" File="{file}" Tag="tutti" addMetadata="on" reopenOnTruncate="on" ruleset="ship")
template(name="line" type="string" string="%msg%")
template(name="id" type="string" string="%$!metadata!filename%-%$!metadata!fileoffset%")
ruleset(name="ship") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" searchIndex="{stream}" searchType=""
    template="line" bulkmode="on" writeoperation="create" bulkid="id" dynbulkid="on" maxbytes="50m")
}}
"""


def _command(node: elasticsearch.Node, name: str, file: Path, stream: str, work: Path) -> list[str]:
    if name == OURS:
        return [sys.executable, "-c", shipping.SHIP, node.url, str(file), str(work)]
    return _rsyslog(node, file, stream, work, SHAPES[name])


def _rsyslog(
    node: elasticsearch.Node, file: Path, stream: str, work: Path, shape: tuple[int, int]
) -> list[str]:
    batch, workers = shape
    text = CONFIGURATION.format(
        work=work, file=file, stream=stream, port=node.port, batch=batch, workers=workers
    )
    (work / "rsyslog.conf").write_text(text)
    program = needs.program("rsyslogd", package="rsyslog")
    return [program, "-n", "-f", str(work / "rsyslog.conf"), "-i", str(work / "pid")]


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def once(node: elasticsearch.Node, name: str, lines: Path, number: int, part: str) -> tuple[float, float]:
    """Ship the file once; lines a second from the first document on, and microseconds of CPU a line."""
    server, stream = node.client(), f"logs-tutti.{part}-default"
    work = Path(tempfile.mkdtemp(prefix="shipper-"))
    file = work / f"{part}.jsonl"
    shutil.copy(lines, file)
    command = _command(node, name, file, stream, work)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return _measure(server, stream, number, process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(work, ignore_errors=True)


def _indexed(server: Elasticsearch, stream: str) -> int:
    answer = server.options(ignore_status=[404, 503]).indices.stats(index=stream, metric="indexing").body
    shards = answer.get("_all", {}).get("primaries")
    return int(shards["indexing"]["index_total"]) if shards else 0


def _measure(
    server: Elasticsearch, stream: str, number: int, process: subprocess.Popen[bytes]
) -> tuple[float, float]:
    """From the first batch seen on, so that neither pays for its start."""
    first = before = None
    deadline = time.monotonic() + 300
    while (count := _indexed(server, stream)) < number:
        assert time.monotonic() < deadline, f"only {count} of {number} lines arrived"
        assert process.poll() is None, "the shipper ended"
        if count and first is None:
            first, before, used = time.monotonic(), count, cpu(process.pid)
        time.sleep(0.02)
    assert first is not None
    assert before is not None
    rest = number - before
    return rest / (time.monotonic() - first), (cpu(process.pid) - used) / rest * 1e6


def main() -> None:
    """Print the medians and the ratios."""
    parser = argparse.ArgumentParser(description="Lines a second and CPU a line beside rsyslog")
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    names = [OURS, *SHAPES]
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with elasticsearch.running() as node, tempfile.TemporaryDirectory() as folder:
        setup(node.client())
        lines = Path(folder) / "lines"
        shipping.write(lines, 0, args.lines)
        for round_number in range(args.rounds + 1):
            for name in names[round_number % len(names) :] + names[: round_number % len(names)]:
                part = f"r{round_number}x{names.index(name)}"
                result = once(node, name, lines, args.lines, part)
                print(f"round {round_number} {name}: {result[0]:.0f} lines/s, {result[1]:.1f} us", flush=True)
                if round_number:
                    seen[name].append(result)
    report(seen)


def report(seen: dict[str, list[tuple[float, float]]]) -> None:
    """Print a table with ours as the measure."""
    print("shipper | lines/s | ours / it | CPU us a line | ours / it")
    for name, results in seen.items():
        cells = [name]
        for which, digits in ((0, 0), (1, 1)):
            ratios = [ours[which] / its[which] for ours, its in zip(seen[OURS], results, strict=True)]
            cells.append(f"{statistics.median(one[which] for one in results):.{digits}f}")
            cells.append(f"{statistics.median(ratios):.2f}")
        print(" | ".join(cells))


if __name__ == "__main__":
    main()
