"""OpenAPI: what FastAPI finds out by itself, with our errors in place of its own."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tasks.jobs import JobRequest
from web.api import examples

PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/invalid_request"]},
        "title": {"type": "string", "examples": ["The request is not valid"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string", "examples": ["duration has to be 600 or less."]},
        "instance": {"type": "string", "format": "uri-reference"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
ERROR: dict[str, Any] = {
    "description": "Something is wrong; `type` says what, `detail` what to do.",
    "content": {
        "application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {slug: {"$ref": f"#/components/examples/{slug}"} for slug in examples.PROBLEMS},
        }
    },
}


def install(app: FastAPI, prefix: str) -> None:
    """Replace the application's schema by the mended one, made once; its paths stand below `prefix`."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_mended(app, prefix))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def _mended(app: FastAPI, prefix: str) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": prefix}] if prefix else None,
    )
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for theirs in ("HTTPValidationError", "ValidationError"):
        schemas.pop(theirs, None)
    schemas["Problem"] = PROBLEM
    schemas["JobRequest"] = JobRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["components"]["examples"] = dict(examples.PROBLEMS)
    schema["components"]["responses"] = {"Problem": ERROR}
    operations = [(path, *one) for path, item in schema["paths"].items() for one in item.items()]
    known = {f"{method} {path}": operation for path, method, operation in operations}
    for name, operation in known.items():
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        _exemplify(name, operation)
    for name, (status, parameter, where) in examples.NEXT.items():
        known[name]["responses"][status]["links"] = {
            other["operationId"]: {"operationId": other["operationId"], "parameters": {parameter: where}}
            for place, other in known.items()
            if place.partition(" ")[2].startswith("/v1/jobs/{job_id}")
        }
    return schema


def _exemplify(name: str, operation: dict[str, Any]) -> None:
    """Give an operation's good answer its example; what it never answers goes."""
    for status, response in operation["responses"].items():
        if (
            response.get("content", {}).get("application/json") == {"schema": {}}
            and len(response["content"]) > 1
        ):
            del response["content"]["application/json"]  # FastAPI adds it to what answers something else
        content = response.get("content", {}).get("application/json")
        if content is not None and status.startswith("2") and name in examples.ANSWERS:
            content["examples"] = {"answer": {"value": examples.ANSWERS[name]}}
