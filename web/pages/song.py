"""A song's page: progress while it is made, then the player."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tasks.jobs import ErrorClass, JobState
from web.api import convert, views
from web.api.accept import accept
from web.api.jobs import cancel_job, find, read_job
from web.pages.render import page
from web.request import body, session
from web.request.auth import gets_links, identify
from web.request.refusals import refusals
from web.request.state import app_state

MENDING = {
    ErrorClass.INVALID_REQUEST: "Change the settings and try again.",
    ErrorClass.OUT_OF_MEMORY: "It was too large for the device. A shorter song or fewer variations may fit.",
    ErrorClass.DEADLINE: "It took too long. A shorter song is made faster.",
    ErrorClass.STORAGE_FULL: "There is no room for songs now. Whoever runs this server has to make some.",
    ErrorClass.STORAGE_UNAVAILABLE: "The place where songs are kept is away. Try again in a few minutes.",
}


async def show(request: Request) -> Response:
    """The page of one song, in whatever state it is."""
    state = app_state(request)
    found = await read_job(request, request.path_params["job_id"])
    job = found.job
    linked = await gets_links(request, job)
    files = views.outputs(job, state.link if linked else views.no_link)
    return page(
        request,
        "song.html",
        job=job,
        snapshot=None if job.state.final else found.snapshot,
        songs=[item for item in files if item["format"] != "mid"],
        scores={item["variation"]: item for item in files if item["format"] == "mid"},
        others={item["name"]: convert.formats(item) for item in files if item["format"] != "mid"},
        mending=MENDING.get(job.error.error_class, "Try again.") if job.error else "",
        mine=(await identify(request)).owns(job),
        linked=linked,
        sign=state.links.of,
        JobState=JobState,
    )


async def cancel(request: Request) -> Response:
    """Cancel, and show the page again."""
    await _checked(request)
    job_id = request.path_params["job_id"]
    await cancel_job(request, job_id)
    return RedirectResponse(app_state(request).public.path(f"/songs/{job_id}"), 303)


async def again(request: Request) -> Response:
    """Make another song with the same settings; it gets a seed of its own, so it is another piece."""
    with refusals(request):
        await _checked(request)
        job = await find(request, request.path_params["job_id"])
        change: dict[str, None] = {} if job.error else {"seed": None}
        if not (await identify(request)).owns(job):
            change["callback_url"] = None  # whom to tell is for the one who asked to say
        wanted = job.request.model_copy(update=change)
        accepted = await accept(request, wanted)
    return RedirectResponse(app_state(request).public.path(f"/songs/{accepted.job.id}"), 303)


async def _checked(request: Request) -> None:
    session.refuse_foreign_site(request)
    signer = app_state(request).signer
    given = await body.read_form(request)
    session.require_token(session.current(request, signer), given.get("token", ""), signer)
