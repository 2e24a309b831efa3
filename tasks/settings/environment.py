"""The environment of all our processes: built, not inherited, so no other program's variables reach them.

    subprocess.Popen([*environment.python("tasks.worker.child"), ...], env=environment.built())

`CELERY_BROKER_URL`, `FLOWER_PORT` or `PGHOST` mean another program to whoever set them; Celery, Flower and
libpq would obey. Modules of the working folder stay out too: a file `logging.py` there would be imported in
the place of Python's own (`compose.door` keeps them from the command line itself).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

PASS: Final = "TUTTI_PASS_ENVIRONMENT"  # noqa: S105 - a variable's name
CLEAN: Final = "tutti-clean"  # an option of the interpreter (-X) that says: the environment is built already
ALLOWED: Final = (
    "TUTTI_*",
    # who and where
    "PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "PWD", "TMPDIR", "TEMP", "TMP", "XDG_*",
    # how text and terminals are written
    "LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR", "TERM", "COLORTERM", "COLUMNS", "LINES",
    "NO_COLOR", "FORCE_COLOR",
    # where the roots of trust and the ways out of this network are
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "no_proxy",
    # GPUs, their libraries and compilers, and the models' cache
    "CUDA_*", "NVIDIA_*", "NCCL_*", "LD_LIBRARY_PATH", "CC", "CXX", "TRITON_*", "TORCHINDUCTOR_*",
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "HF_*", "HUGGINGFACE_HUB_CACHE",
    # Python's ways that name no code
    "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONFAULTHANDLER",
    # systemd's word to a service, and what lets a run be repeated
    "NOTIFY_SOCKET", "INVOCATION_ID", "CI", "SOURCE_DATE_EPOCH",
)  # fmt: skip
# What an orchestrator says of its services, a service named `tutti` included: TUTTI_PORT=tcp://10.0.0.3:8000
SERVICES: Final = re.compile(
    r"^TUTTI(?:_[A-Z0-9_]+)?_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$"
)
OBEYED: Final = ("CELERY", "FLOWER_", "KOMBU", "PG", "DJANGO_SETTINGS", "UVICORN_", "C_FORCE", "OTEL_")
SERVICE_URL: Final = re.compile(r"^(?:tcp|udp|sctp)://[^/]*:\d+$")


def built(extra: Mapping[str, str] | None = None, source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that a process of ours gets.

    Args:
        extra: What this process needs besides, such as the GPU that it is to use.
        source: What there is to choose from; this process's own environment by default.
    """
    given = os.environ if source is None else source
    patterns = (*ALLOWED, *passed(given))
    kept = {
        name: value
        for name, value in given.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not is_service(name, value)
    }
    return kept | dict(extra or {})


def passed(source: Mapping[str, str]) -> tuple[str, ...]:
    """The names that the operator lets through besides; `*` stands for any letters."""
    return tuple(re.split(r"[\s,]+", source.get(PASS, "").strip())) if source.get(PASS, "").strip() else ()


def is_service(name: str, value: str) -> bool:
    """Whether an orchestrator says here where a service of its own is, which is no setting of ours."""
    if not name.startswith("TUTTI_"):
        return False
    return bool(SERVICES.match(name)) or (name.endswith("_PORT") and bool(SERVICE_URL.match(value)))


def python(module: str, *words: str) -> list[str]:
    """The command that runs a module of ours, whatever lies in the working folder; its text is UTF-8."""
    return [sys.executable, "-P", "-s", "-X", "utf8", "-X", CLEAN, "-m", module, *words]


left_out: set[str] = set()  # what `clean` took from this process


def clean(kept: Collection[str] = ()) -> None:
    """Leave in this process's own environment only what `built` would give a child, and what `kept` names."""
    left_out.update(os.environ.keys() - built().keys() - set(kept))
    for name in left_out & os.environ.keys():
        del os.environ[name]
