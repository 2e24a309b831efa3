"""Every endpoint and field of ACE-Step's API with what becomes of it here, as the table in docs/api.md.

    .venv/bin/python -m web.api.acestep.conformance

A test compares the table with the page, and asks a server for each row of it.
"""

from __future__ import annotations

from typing import Final

from web.api.acestep.fields import FIELDS, FILES

BEGIN: Final = "<!-- conformance: python -m web.api.acestep.conformance -->"
END: Final = "<!-- end of conformance -->"
ENDPOINTS: Final = (
    ("POST", "/release_task", "honoured: JSON, urlencoded, multipart with audio"),
    ("POST", "/query_result", "honoured"),
    ("GET", "/v1/audio", "honoured, HEAD and ranges too"),
    ("GET", "/health", "honoured, beside our own members"),
    ("GET", "/v1/stats", "honoured"),
    ("GET", "/v1/models", "honoured; `models` and `default_model` beside `data`"),
    ("GET", "/v1/model_inventory", "honoured; no language model is listed"),
    ("POST", "/v1/init", "answers for the model that is served; another slot or model: `code` 400"),
    ("POST", "/v1/reinitialize", "answers; workers load their model by themselves"),
    ("POST", "/v1/lora/load", "honoured for the asking key alone, by the adapter's name"),
    ("POST", "/v1/lora/unload", "honoured for the asking key alone"),
    ("POST", "/v1/lora/toggle", "honoured for the asking key alone"),
    ("POST", "/v1/lora/scale", "honoured for the asking key alone"),
    ("GET", "/v1/lora/status", "honoured for the asking key alone"),
    ("POST", "/create_random_sample", "honoured, from kept examples"),
    ("POST", "/format_input", "503, as there without a language model"),
    ("POST", "/v1/create_sample", "503, as there without a language model"),
    ("POST", "/v1/chat/completions", "honoured, streaming and base64 audio too; one song"),
    ("ANY", "/v1/dataset/*, /v1/training/*", "404: nothing is trained here"),
)


def table() -> str:
    """The table, in Markdown."""
    lines = ["| endpoint | verdict |", "|---|---|"]
    lines += [f"| `{method} {path}` | {verdict} |" for method, path, verdict in ENDPOINTS]
    lines += ["", "| field of `/release_task` | also | verdict |", "|---|---|---|"]
    for field in FIELDS:
        also = ", ".join(f"`{name}`" for name in field.aliases)
        note = f"; {field.note}" if field.note else ""
        lines.append(f"| `{field.name}` | {also} | {field.verdict}{note} |")
    for name, ours in FILES.items():
        kind = "audio to work on" if ours == "source_audio" else "audio whose timbre to follow"
        lines.append(f"| `{name}` (a file) | | honoured: {kind} |")
    lines.append("| anything else | | taken; it has no effect, and the answer says so |")
    return "\n".join(lines)


def block() -> str:
    """What stands in docs/api.md, with its marks."""
    return f"{BEGIN}\n\n{table()}\n\n{END}"


if __name__ == "__main__":
    print(block())  # noqa: T201
