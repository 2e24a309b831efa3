"""A home of the same Elasticsearch with its security: users, roles, API keys.

Its modules are laid out from their jars as the server's distribution has them, each with a loader of its own:
`x-pack-core`, and `x-pack-security` above it. What Maven Central lacks (SAML) is left out by a small plugin.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from tests.servers.elasticsearch.layout import DESCRIPTOR, HERE, HOME, fetch, java_home, prepared, version

SECURE = HOME.with_name("elasticsearch-security")
USER, PASSWORD = "admin", "for-tests-only"
SETTINGS = {
    "xpack.security.enabled": "true",
    "xpack.security.http.ssl.enabled": "false",
    "xpack.security.transport.ssl.enabled": "false",
}
CORE, SECURITY = (
    "org.elasticsearch.xpack.core.XPackPlugin",
    "org.elasticsearch.xpack.withoutsaml.SecurityWithoutSaml",
)
OF_SECURITY = re.compile(r"netty|nimbus|x-pack-security")
ROUNDS = 10_000


def prepared_with_security() -> Path:
    """The folder with everything in it; made by the first process that asks."""
    plain = prepared()
    SECURE.mkdir(parents=True, exist_ok=True)
    with (SECURE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (SECURE / "complete").exists():
            _lay_out(plain)
            (SECURE / "complete").touch()
    return SECURE


def _lay_out(plain: Path) -> None:
    for name in ("modules", "config", "plugins"):
        shutil.rmtree(SECURE / name, ignore_errors=True)
        (SECURE / name).mkdir()
    for name in ("lib", "classes"):
        (SECURE / name).unlink(missing_ok=True)
        (SECURE / name).symlink_to(plain / name)
    netty = shutil.copytree(plain / "modules" / "transport-netty4", SECURE / "modules" / "transport-netty4")
    core, security = (SECURE / "modules" / name for name in ("x-pack-core", "x-pack-security"))
    with tempfile.TemporaryDirectory() as folder:
        fetch(HERE / "security.xml", Path(folder))
        _share_out(Path(folder), plain / "lib", core, security)
    _describe(core, CORE)
    _describe(security, SECURITY, "extended.plugins=x-pack-core\n")
    _without_services(next(security.glob("x-pack-security-*.jar")))
    _compile(core, security)
    assert netty.exists()
    _user(SECURE / "config")


def _share_out(jars: Path, lib: Path, core: Path, security: Path) -> None:
    """No jar twice on the way from a module's loader up to the server's: that is refused as jar hell."""
    core.mkdir()
    security.mkdir()
    there = {_artifact(jar) for jar in lib.glob("*.jar")}
    for jar in jars.glob("*.jar"):
        if _artifact(jar) not in there:
            jar.rename((security if _belongs_to_security(jar) else core) / jar.name)


def _artifact(jar: Path) -> str:
    return re.sub(r"-\d.*", "", jar.name)


def _belongs_to_security(jar: Path) -> bool:
    return bool(OF_SECURITY.search(jar.name))


def _describe(module: Path, plugin: str, more: str = "") -> None:
    text = DESCRIPTOR.format(version=version())
    text = text.replace("transport-netty4", module.name)
    text = re.sub(r"classname=.*", f"classname={plugin}", text)
    (module / "plugin-descriptor.properties").write_text(text + more)


def _without_services(jar: Path) -> None:
    """Leave out what its loader would make with the plugin's own class, where a class above it stands."""
    bare = jar.with_suffix(".bare")
    with zipfile.ZipFile(jar) as before, zipfile.ZipFile(bare, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            if not entry.filename.startswith("META-INF/services/"):
                after.writestr(entry, before.read(entry))
    bare.rename(jar)


def _compile(core: Path, security: Path) -> None:
    with tempfile.TemporaryDirectory() as classes:
        path = ":".join(f"{folder}/*" for folder in (SECURE / "lib", core, security))
        source = HERE / "SecurityWithoutSaml.java"
        subprocess.run(
            [java_home() / "bin" / "javac", "-nowarn", "-proc:none", "-cp", path, "-d", classes, source],
            check=True,
            capture_output=True,
        )
        with zipfile.ZipFile(security / "without-saml.jar", "w") as jar:
            for found in Path(classes).rglob("*.class"):
                jar.write(found, found.relative_to(classes))


def _user(config: Path) -> None:
    salt = b"0123456789abcdef0123456789abcdef"
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, ROUNDS, 32)
    packed = "$".join(base64.b64encode(part).decode() for part in (salt, digest))
    (config / "users").write_text(f"{USER}:{{PBKDF2}}{ROUNDS}${packed}\n")
    (config / "users_roles").write_text(f"superuser:{USER}\n")
