"""Errors on their way out: a problem document for programs, a friendly page for people."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from web.pages.render import page
from web.request.context import context_of
from web.request.http import API_PREFIXES
from web.request.problems import INVALID, Problem, internal, of_status
from web.request.words import say

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def install(app: FastAPI) -> None:
    """Give the application its error answers."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_status)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(Exception, _on_mistake)


def answer(request: Request, problem: Problem) -> Response:
    """The problem as the client can read it."""
    context = context_of(request)
    if is_person(request):
        known = {"problem": problem, "trace_id": context.trace_id}
        response = page(request, "error.html", problem.kind.status, **known)
        response.headers.update(problem.headers)
        return response
    return problem.response(path=context.path, trace_id=context.trace_id)


def is_person(request: Request) -> bool:
    """Whether a page is what they can read."""
    path = request.scope["path"]
    return "text/html" in request.headers.get("accept", "") and not path.startswith(API_PREFIXES)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101
    return answer(request, error)


async def _on_status(request: Request, error: Exception) -> Response:
    """The router's own errors, and the framework's."""
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    detail = None
    if error.status_code == 405:
        allowed = _allowed(request) or ["GET", "HEAD"]  # mounted files know of no others
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join([*allowed, "OPTIONS"])})
        headers["allow"] = ", ".join(allowed)
        detail = f"{request.method} does not work here; these do: {headers['allow']}."
    elif error.status_code == 404:
        detail = "There is nothing at this address."
    return answer(request, of_status(error.status_code, detail, headers))


def _allowed(request: Request) -> list[str]:
    """Every method that any route takes for this path; the router itself names those of one route."""
    routes = request.app.routes

    def works(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return [method for method in METHODS if works(method)]


async def _on_mistake(request: Request, _: Exception) -> Response:
    """The edge logs it; see `RequestContext.broke`."""
    context = context_of(request)
    return internal().response(path=context.path, trace_id=context.trace_id)


async def _on_parameters(request: Request, error: Exception) -> Response:
    """Wrong path or query parameters, which FastAPI checks."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    words = {str(item["loc"][-1]): say(item) for item in error.errors()}
    detail = "; ".join(f"{name} {what}" for name, what in words.items()) + "."
    fields = [{"field": name, "detail": what} for name, what in words.items()]
    return answer(request, Problem(INVALID, detail, errors=fields))
