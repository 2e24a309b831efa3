"""pip-audit without a network: it asks us, and we answer from a file of advisories in OSV's form.

The file is one JSON list of OSV records (https://ossf.github.io/osv-schema/), as osv.dev gives them out for a
whole ecosystem. pip-audit itself reads the lock file, asks about each package and judges the answers.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

FOUND = re.compile(r"Found \d+ known vulnerabilit")
UNASKED = (
    "Nothing is known about vulnerabilities: pip-audit could not ask about every package (see above). Where"
    " there is no network, or an index that does not tell of them, fetch the advisories elsewhere (osv.dev"
    " gives them out for a whole ecosystem; make one JSON list of the records) and say"
    " make audit ADVISORIES=osv.json."
)
LOCKS = Path(__file__).parents[2] / "compose/locks"


class Advisories(ThreadingHTTPServer):
    """Answers OSV's `/v1/query` from a file.

    Args:
        file: A JSON list of records.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, file: Path) -> None:
        known = json.loads(file.read_text())
        if not isinstance(known, list):
            raise ValueError(f"{file} is not a JSON list of OSV records")
        self.by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in known:
            for affected in record.get("affected", []):
                package = affected.get("package", {})
                if package.get("ecosystem") == "PyPI":
                    self.by_name[normal(package["name"])].append(record)
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        """Where pip-audit is to ask."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1/query"

    def about(self, name: str, version: str) -> list[dict[str, Any]]:
        """The records that concern this version of a package."""
        return [one for one in self.by_name[normal(name)] if concerns(one, normal(name), version)]


class _Answer(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = {"vulns": self.server.about(asked["package"]["name"], asked["version"])}
        body = json.dumps(found if found["vulns"] else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def concerns(record: dict[str, Any], name: str, version: str) -> bool:
    """Whether a record names this version, or a range that holds it."""
    for affected in record["affected"]:
        if normal(affected.get("package", {}).get("name", "")) != name:
            continue
        if version in affected.get("versions", []):
            return True
        if any(_within(version, one["events"]) for one in affected.get("ranges", []) if one["type"] != "GIT"):
            return True
    return False


def _within(version: str, events: list[dict[str, str]]) -> bool:
    try:
        asked, inside = Version(version), False
        for event in events:
            if "introduced" in event and asked >= Version(event["introduced"]):
                inside = True
            if "fixed" in event and asked >= Version(event["fixed"]):
                inside = False
            if "last_affected" in event and asked > Version(event["last_affected"]):
                inside = False
    except InvalidVersion:
        return False
    return inside


def audit(lock: Path, advisories: Path | None) -> int:
    """Run pip-audit over a lock file; the exit code. Without a file of advisories it asks the network."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip"]
    command += [
        "--progress-spinner",
        "off",
        "--strict",
    ]  # what nobody can tell of is no good news
    if advisories is None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr, sep="", end="", flush=True)
        if done.returncode and not FOUND.search(done.stdout + done.stderr):
            print(UNASKED, flush=True)
        return done.returncode
    with Advisories(advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = [*command, "--vulnerability-service", "osv", "--osv-url", server.url]
        try:
            return subprocess.run(told, check=False).returncode
        finally:
            server.shutdown()
