"""Writes the dashboard to standard output."""

import sys

import orjson

from observability.grafana.dashboard import dashboard

sys.stdout.buffer.write(orjson.dumps(dashboard(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
