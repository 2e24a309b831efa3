"""One POST that tells another server that a job ended.

The connection goes to the address that was checked, whatever the name says a moment later.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

from observability import trust
from tasks.security.addresses import (
    Allowed,
    CallbackRefused,
    HostUnknown,
    check_port,
    is_public,
    parse,
    reachable,
)
from tasks.security.webhooks import signed

AGAIN: Final = frozenset({408, 425, 429})  # refusals that ask to come back later
PATIENCE: Final = httpx.Timeout(10.0)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of one POST: `taken` by the receiver, or not; `final` where trying again is of no use."""

    taken: bool
    final: bool
    why: str


def post(
    url: str,
    document: dict[str, Any],
    *,
    secrets: Sequence[str] = (),
    allowed: Allowed = is_public,
    at: str | None = None,
    verify: ssl.SSLContext | bool = True,
) -> Receipt:
    """POST `document` as JSON to `url`, once; what is answered beyond the status is not read.

    Args:
        url: Where to.
        document: What; its `id` names the message.
        secrets: Those that sign it.
        allowed: Which addresses may be reached.
        at: Which ports, such as '80, 443'; None for any.
        verify: Whom to believe over TLS.
    """
    try:
        parsed = parse(url)
        check_port(parsed, at)
        status = _post(parsed, document, secrets, allowed, verify)
    except HostUnknown as error:
        return Receipt(taken=False, final=False, why=str(error))
    except CallbackRefused as error:
        return Receipt(taken=False, final=True, why=str(error))
    except httpx.HTTPError as error:
        why = trust.advice(error) or f"no answer: {type(error).__name__}"
        return Receipt(taken=False, final=False, why=why)
    final = status < 500 and status not in AGAIN
    return Receipt(taken=200 <= status < 300, final=final, why=f"answered {status}")


def _post(
    url: httpx.URL,
    document: dict[str, Any],
    secrets: Sequence[str],
    allowed: Allowed,
    verify: ssl.SSLContext | bool,
) -> int:
    address = reachable(url, allowed)[0]
    body = orjson.dumps(document)
    headers = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": "tutti",
        "Content-Type": "application/json",
        **signed(str(document["id"]), int(time.time()), body, secrets),
    }
    by_name = {"sni_hostname": url.host}  # the certificate is checked against the name
    target = url.copy_with(host=address)
    # No proxy of the environment and no redirect: either would choose another address than the one checked.
    with (
        httpx.Client(timeout=PATIENCE, follow_redirects=False, trust_env=False, verify=verify) as client,
        client.stream("POST", target, content=body, headers=headers, extensions=by_name) as answer,
    ):
        return answer.status_code
