"""`tutti webhooks`: secrets that callbacks are signed with, and a receiver to try them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated

import typer

from tasks.settings import settings

group = typer.Typer(help="Sign callbacks (Standard Webhooks), and try it.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(group, name="webhooks")

KeyId = Annotated[
    str | None, typer.Argument(metavar="[KEY]", help="Id of an API key; without it, of all that have none.")
]
BODY_MAX = 1 << 20


@group.command()
def rotate(
    key_id: KeyId = None,
    hours: Annotated[float, typer.Option(min=0, help="So long the secret before holds too.")] = 24.0,
) -> None:
    """Make a new secret and print it, for the receiver. The first time it turns signing on."""
    from tasks.ledger import Ledger, UnknownKey

    with Ledger.of(settings()) as ledger:
        try:
            secret = ledger.webhooks.rotate(key_id or "", hours)
        except UnknownKey as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
    typer.echo(secret)
    typer.echo(f"Callbacks are signed with it from now on; the one before holds {hours:g} h more.", err=True)


@group.command()
def revoke(key_id: KeyId = None) -> None:
    """Drop the secrets at once: callbacks go unsigned, or by the secret of all."""
    from tasks.ledger import Ledger

    with Ledger.of(settings()) as ledger:
        number = ledger.webhooks.revoke(key_id or "")
    typer.echo(f"{number} dropped")


@group.command("list")
def listing() -> None:
    """List the secrets, without what they are."""
    from rich.console import Console
    from rich.table import Table

    from tasks.ledger import Ledger

    table = Table("key", "made", "holds")
    with Ledger.of(settings()) as ledger:
        for one in ledger.webhooks.all():
            until = f"until {_moment(one.expires_at)}" if one.expires_at else "the newest"
            table.add_row(one.key_id or "(all others)", _moment(one.created_at), until)
    Console().print(table)


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")


@group.command()
def listen(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of loopback; 0: any.")] = 9000,
    secret: Annotated[str | None, typer.Option(help="Check signatures with it (whsec_...).")] = None,
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0: never.")] = 0,
) -> None:
    """Receive callbacks here and print each, with whether its signature holds. For trying."""
    _require_secret(secret)
    receiver = _Receiver(port, secret)
    where = f"http://127.0.0.1:{receiver.server_port}/"
    needs = f"TUTTI_CALLBACK_NETWORKS=127.0.0.1 and TUTTI_CALLBACK_PORTS={receiver.server_port}"
    typer.echo(f"Listening at {where} (the dispatcher needs {needs})", err=True)
    with receiver:
        while not count or receiver.received < count:
            receiver.handle_request()


def _require_secret(secret: str | None) -> None:
    from tasks.security.webhooks import key_in

    try:
        key_in(secret) if secret is not None else None
    except ValueError:
        say = "is no secret; take one from `tutti webhooks rotate` whole: whsec_..."
        raise typer.BadParameter(say, param_hint="--secret") from None


class _Receiver(HTTPServer):
    def __init__(self, port: int, secret: str | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.secret, self.received = secret, 0


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        """Take one, print it, and answer whether it is good."""
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        verdict = _verdict(body, headers, self.server.secret)
        self.send_response(401 if verdict == "wrong" else 204)
        self.end_headers()
        self.server.received += 1
        try:
            document = json.loads(body)
        except ValueError:
            document = body.decode("utf-8", "replace")
        message_id = self.headers.get("webhook-id")
        typer.echo(json.dumps({"webhook_id": message_id, "signature": verdict, "body": document}))

    def log_message(self, *_: object) -> None:
        """Nothing: each callback is a line of ours."""


def _verdict(body: bytes, headers: Mapping[str, str], secret: str | None) -> str:
    """`good`, `wrong`, `none` where it is unsigned, `unchecked` where nobody gave a secret."""
    from tasks.security.webhooks import verified

    if "webhook-signature" not in headers:
        return "none" if secret is None else "wrong"
    if secret is None:
        return "unchecked"
    return "good" if verified(body, headers, secret) else "wrong"
