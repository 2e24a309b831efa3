"""Lays Elasticsearch out from its published jars, once a machine, without a container or root.

The server's own distribution is not among Maven Central's artifacts, its jars are. Two native helpers are
missing there: zstd is the system's, and a library of vector instructions is replaced by one that says "none".
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests import needs

HERE = Path(__file__).parent
HOME = HERE.parents[2] / ".tools" / "elasticsearch"
JAVA_AT_LEAST = 21
HTTP_MODULE = ("netty-*.jar", "transport-netty4-*.jar", "elasticsearch-ssl-config-*.jar")
NO_VECTORS = b"int vec_caps(void) { return 0; }\n"
DESCRIPTOR = """description=HTTP
name=transport-netty4
classname=org.elasticsearch.transport.netty4.Netty4Plugin
version={version}
elasticsearch.version={version}
java.version=21
has.native.controller=false
"""


@cache
def java_home() -> Path:
    """The newest Java that is new enough; the test is skipped where there is none."""
    homes = [os.environ.get("JAVA_HOME", ""), *map(str, Path("/usr/lib/jvm").glob("*"))]
    version, home = max(((_version(Path(home)), home) for home in homes if home), default=(0, ""))
    if version < JAVA_AT_LEAST:
        needs.missing("Java 21 or newer", "apt-get install openjdk-21-jdk-headless, or set JAVA_HOME")
    return Path(home)


def _version(home: Path) -> int:
    if not (home / "bin" / "javac").exists():
        return 0
    said = subprocess.run(
        [home / "bin" / "java", "-version"], capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def prepared() -> Path:
    """The folder with everything in it; made by the first process that asks."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "complete").exists():
            _fetch()
            _natives()
            _compile()
            (HOME / "complete").touch()
    return HOME


def _fetch() -> None:
    lib, module = HOME / "lib", HOME / "modules" / "transport-netty4"
    for folder in (lib, module, HOME / "config", HOME / "plugins", HOME / "classes"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    fetch(HERE / "pom.xml", lib)
    for jar in [jar for pattern in HTTP_MODULE for jar in lib.glob(pattern)]:
        jar.rename(module / jar.name)
    (module / "plugin-descriptor.properties").write_text(DESCRIPTOR.format(version=version()))


def version() -> str:
    """The server's version."""
    found = re.search(r"<elasticsearch.version>(.+?)<", (HERE / "pom.xml").read_text())
    assert found
    return found[1]


def fetch(pom: Path, folder: Path) -> None:
    """Put the jars of a Maven file into a folder."""
    maven = [needs.program("mvn", package="maven"), "-B", "-q", "-ntp", "-f", pom]
    done = subprocess.run(
        [*maven, "dependency:copy-dependencies", f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        needs.missing("Elasticsearch's jars", f"Maven could not fetch them: {done.stdout[-500:]}")


def _natives() -> None:
    folder = HOME / "lib" / "platform"
    folder.mkdir(exist_ok=True)
    zstd = next((p for root in ("lib", "lib64") for p in Path("/usr", root).glob("**/libzstd.so.1")), None)
    if zstd is None:
        needs.missing("libzstd", "apt-get install libzstd1")
    (folder / "libzstd.so").unlink(missing_ok=True)
    (folder / "libzstd.so").symlink_to(zstd)
    compiler = needs.program("cc", package="gcc")
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", folder / "libvec.so"]
    subprocess.run(command, input=NO_VECTORS, check=True)


def _compile() -> None:
    javac = java_home() / "bin" / "javac"
    command = [javac, "-cp", f"{HOME / 'lib'}/*", "-d", HOME / "classes", HERE / "OneNode.java"]
    subprocess.run(command, check=True)
