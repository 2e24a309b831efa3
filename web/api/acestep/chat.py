"""`/v1/chat/completions`: a song as the answer of a chat, whole or as a stream.

Source: `acestep/openrouter_adapter.py`. Only a user's last message counts; `<prompt>` and `<lyrics>` split
it, else it is lyrics if it looks so, else the prompt. Audio comes and goes as base64.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from web.api.acestep import body, completion
from web.api.acestep.answers import Route, body_of
from web.api.acestep.fields import BY_NAME, TRUE, Given, as_object, refused
from web.api.acestep.tasks import release
from web.api.uploads import keep_audio
from web.request.auth import identify
from web.request.http import upload_max
from web.request.problems import INVALID, Problem
from web.request.refusals import refusals
from web.request.state import app_state

router = APIRouter(tags=["ACE-Step's own API"], route_class=Route)

MARKERS: Final = (
    "[verse",
    "[chorus",
    "[bridge",
    "[intro",
    "[outro",
    "[hook",
    "[pre-chorus",
    "[refrain",
    "[inst",
)
TAGGED: Final = {
    name: re.compile(rf"<{name}>(.*?)</{name}>", re.IGNORECASE | re.DOTALL) for name in ("prompt", "lyrics")
}
SHORT_LINE: Final = 60.0  # characters a line that lyrics have on average, at most
WITH_SOURCE: Final = frozenset({"cover", "cover-nofsq", "repaint", "lego", "extract", "complete"})
SOUND: Final = {
    "duration": "audio_duration", "format": "audio_format", "bpm": "bpm", "key_scale": "key_scale",
    "time_signature": "time_signature", "vocal_language": "vocal_language",
}  # fmt: skip
PASSED: Final = frozenset({*BY_NAME, "audio_codes"})
"""Fields of /release_task that a chat may name; those that ACE-Step's chat leaves out are honoured too."""
READ: Final = frozenset(
    {
        "messages", "stream", "audio_config", "ai_token", "seed",
        # these only tune the language model, or say what is done anyway
        "modalities", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "user",
        "frequency_penalty", "presence_penalty", "stream_options", "use_cot_metas",
    }
)  # fmt: skip
HELLO: Final = {
    "model": "acestep/acestep-v15-turbo",
    "messages": [{"role": "user", "content": "<prompt>a calm lo-fi beat</prompt>"}],
    "audio_config": {"duration": 30},
}


class Completion(BaseModel):
    """A chat's answer; the first song is in `choices[0].message.audio`."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, int]


@router.post(
    "/v1/chat/completions",
    response_model=Completion,
    openapi_extra=body_of(HELLO),
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def chat_completions(request: Request) -> Response:
    """Ask for a song in a chat and wait for it. With `stream` true, chunks come until it is finished."""
    state = app_state(request)
    with refusals(request) as lengths:
        given = await body.read(request, limit=upload_max(state.settings))
        wanted = await _wanted(request, given.body)
        accepted = await release(request, wanted, lengths)
    if str(given.body.get("stream", "")).lower() in TRUE:
        return completion.Stream(request, accepted.job.id, wanted.notes)
    return await completion.whole(request, accepted.job.id, wanted.notes)


async def _wanted(request: Request, chat: Mapping[str, Any]) -> Given:
    """The fields of /release_task that a chat asks for."""
    text, audio = _last_message(chat.get("messages"))
    fields: dict[str, Any] = {name: chat[name] for name in PASSED if chat.get(name) is not None}
    sound = as_object(chat.get("audio_config") or {})
    if sound is None:
        raise refused("audio_config", "has to be an object")
    fields |= {theirs: sound[name] for name, theirs in SOUND.items() if sound.get(name) is not None}
    fields["use_random_seed"] = str(chat.get("seed", "")).strip() in {"", "-1", "None"}
    fields.setdefault("batch_size", 1)
    fields |= _said(text, chat, instrumental=_says_yes(sound.get("instrumental")))
    if not any(fields.get(name) for name in ("prompt", "lyrics", "sample_query", "sample_mode")):
        raise refused("messages", "say nothing; the last user message has to describe the music")
    given = Given(fields, await _sounds(request, audio, str(fields.get("task_type") or "text2music")))
    _note_what_is_not_read(given, chat, sound)
    return given


def _note_what_is_not_read(given: Given, chat: Mapping[str, Any], sound: Mapping[str, Any]) -> None:
    unread = sorted({name for name in chat if name not in PASSED | READ})
    unread += sorted(f"audio_config.{name}" for name in sound if name not in SOUND and name != "instrumental")
    if unread:
        given.say(f"{', '.join(unread[:20])}: no fields of this API, so they have no effect")
    if len(chat["messages"]) > 1:
        given.say(
            "messages: the last one of the user counts; the others have no effect, as in ACE-Step's API"
        )
    if (given.whole("batch_size") or 1) > 1:
        given.say("batch_size: the answer holds the first song; Location names the job with all of them")


def _says_yes(value: Any) -> bool:
    return str(value).strip().lower() in TRUE


def _said(text: str, chat: Mapping[str, Any], *, instrumental: bool) -> dict[str, Any]:
    """What the message says: prompt, lyrics or a wish for a sample."""
    found = {name: match[1].strip() for name, form in TAGGED.items() if (match := form.search(text))}
    if not found and _says_yes(chat.get("sample_mode")):
        found = {"sample_query": text}
    elif not found and (chat.get("lyrics") or not _looks_like_lyrics(text)):
        found = {"prompt": text}
    elif not found:
        found = {"lyrics": text}
    if instrumental and not (found.get("lyrics") or chat.get("lyrics")):
        found["lyrics"] = "[inst]"
    return {name: words for name, words in found.items() if words}


def _looks_like_lyrics(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    short = len(lines) >= 4 and sum(map(len, lines)) / len(lines) < SHORT_LINE
    return short or any(marker in text.lower() for marker in MARKERS)


def _last_message(messages: Any) -> tuple[str, list[Mapping[str, Any]]]:
    """The words and the audio parts of the last message of a user."""
    if not isinstance(messages, list) or not messages:
        raise refused("messages", "has to be a list with a message of the user")
    users = [item for item in messages if isinstance(item, dict) and item.get("role") == "user"]
    if not users:
        raise refused("messages", "has no message of the role user")
    content = users[-1].get("content") or ""
    parts: Sequence[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise refused("messages", "need a content that is text, or a list of parts")
    words, sounds = [], []
    for part in parts:
        kind, sound = part.get("type"), as_object(part.get("input_audio") or {})
        if kind == "text" and isinstance(part.get("text"), str):
            words.append(part["text"])
        elif kind == "input_audio" and sound is not None:
            sounds.append(sound)
        else:
            raise refused(
                "messages", f"hold a part of type {str(kind)[:40]!r}; text and input_audio are read"
            )
    return "\n".join(words).strip(), sounds


async def _sounds(request: Request, parts: Sequence[Mapping[str, Any]], task: str) -> dict[str, str]:
    """Audio in the message, in the store: the source first where the task needs one, then the reference."""
    roles = ("source_audio", "reference_audio") if task in WITH_SOURCE else ("reference_audio",)
    if len(parts) > len(roles):
        raise refused("messages", f"hold {len(parts)} pieces of audio; {task} takes {len(roles)}")
    owner = await identify(request)
    found: dict[str, str] = {}
    for role, part in zip(roles, parts, strict=False):
        raw = _decoded(str(part.get("data") or ""))
        found[role] = await keep_audio(app_state(request), owner, io.BytesIO(raw))
    return found


def _decoded(data: str) -> bytes:
    """Base64, or a data URL with it."""
    try:
        raw = base64.b64decode(data.partition(",")[2] if data.startswith("data:") else data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(INVALID, "input_audio.data has to be base64 or a data URL.", errors=[]) from error
    if not raw:
        raise refused("input_audio.data", "is empty")
    return raw
