"""What people see: the form, a song's page, the songs of this browser, and what the API says in words."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Mount, Route

from web.pages import about, analytics, form, library, login, song
from web.pages.render import Static


def install(app: FastAPI) -> None:
    """Give the application its pages."""
    app.router.routes.extend(
        [
            Route("/", form.show, methods=["GET"]),
            Route("/songs", library.show, methods=["GET"]),
            Route("/songs", form.submit, methods=["POST"]),
            Route("/songs/{job_id}", song.show, methods=["GET"]),
            Route("/songs/{job_id}/cancel", song.cancel, methods=["POST"]),
            Route("/songs/{job_id}/again", song.again, methods=["POST"]),
            Route("/login", login.show, methods=["GET"]),
            Route("/login", login.submit, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/analytics", analytics.show, methods=["GET"]),
            Route("/analytics/{panel}.svg", analytics.panel, methods=["GET"]),
            Route("/docs", about.api, methods=["GET"]),
            Route("/problems/{slug}", about.problem, methods=["GET"]),
            Route("/favicon.ico", about.icon, methods=["GET"]),
            Mount("/static", Static()),
        ]
    )
