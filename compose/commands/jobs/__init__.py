"""Asking a Tutti server from the command line: submit, watch, list, get, cancel."""

from __future__ import annotations

import typer

from compose.commands.jobs import show, submit, watch

app = typer.Typer()
for module in (submit, watch, show):
    app.add_typer(module.app)
