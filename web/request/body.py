"""Reading a request's body: bounded in size and time, of the right type, packed or not, as text of any kind.

A body may be packed (`Content-Encoding`, RFC 9110, 8.4); what it unpacks to is bounded, not what arrives.
Text may begin with a byte-order mark or name its `charset`; inside it is UTF-8.
"""

from __future__ import annotations

import asyncio
import codecs
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from web.request.fields import fields, whole_number
from web.request.http import JSON_MAX
from web.request.problems import BAD_REQUEST, INVALID_JSON, MEDIA, TOO_LARGE, Kind, Problem

PATIENCE = 30.0  # seconds for a whole body; nginx cuts slow clients earlier
PIECE: Final = 1 << 16
WINDOW: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHARSETS: Final = frozenset(
    [
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "ascii",
        "iso8859-1",
        "iso8859-15",
        "cp1252",
        "gb2312",
        "gbk",
        "gb18030",
        "big5",
        "shift_jis",
        "euc_jp",
        "euc_kr",
        "koi8-r",
        "cp1251",
    ]
)


async def read(request: Request, limit: int = JSON_MAX) -> bytes:
    """The whole body, unpacked.

    Raises:
        Problem: 413 where it is larger than `limit` bytes, 415 where it is packed in a way that is not known,
            400 where it does not arrive.
    """
    return b"".join([chunk async for chunk in stream(request, limit, PATIENCE)])


async def stream(request: Request, limit: int, patience: float) -> AsyncIterator[bytes]:
    """The body, unpacked, piece by piece as it arrives.

    Raises:
        Problem: As `read`.
    """
    unpack, size = _unpacker(request), 0
    announced = whole_number(fields(request.scope).get("content-length", ""))
    if unpack is None and announced is not None and announced > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(patience):
            async for chunk in request.stream():
                for piece in unpack.pieces(chunk) if unpack else (chunk,):
                    size += len(piece)
                    if size > limit:
                        raise too_large(limit)
                    yield piece
    except (TimeoutError, ClientDisconnect) as error:
        raise Problem(BAD_REQUEST, "The body did not arrive in full.") from error
    if unpack:
        unpack.end()


def too_large(limit: int) -> Problem:
    """The refusal of a body of more than `limit` bytes.

    The connection is not closed for it: a gateway that is still sending would take that for a failure of
    this node. What is left of the body is read and thrown away, for as long as `web.asgi.connection` allows.
    """
    return Problem(TOO_LARGE, f"The body may have {limit:,} bytes.")


class Unpacker:
    """Unpacks gzip or deflate in pieces of bounded size, however much a few bytes unpack to."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inner = zlib.decompressobj(window)
        self._begun = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What the next bytes unpack to.

        Raises:
            Problem: 400 where they are not packed so.
        """
        while chunk:
            if self._inner.eof:  # another member (RFC 1952, 2.2)
                self._inner = zlib.decompressobj(self._window)
            try:
                piece = self._inner.decompress(chunk, PIECE)
            except zlib.error as error:
                raise self._broken() from error
            self._begun = True
            chunk = self._inner.unconsumed_tail or self._inner.unused_data
            if piece:
                yield piece

    def end(self) -> None:
        """Nothing more comes.

        Raises:
            Problem: 400 where the body breaks off.
        """
        if self._begun and not self._inner.eof:
            raise self._broken()

    @staticmethod
    def _broken() -> Problem:
        return Problem(BAD_REQUEST, "The body is not packed as Content-Encoding says, or breaks off.")


def _unpacker(request: Request) -> Unpacker | None:
    named = fields(request.scope).get("content-encoding", "").strip().lower()
    if named in {"", "identity"}:
        return None
    if named not in WINDOW:
        accepted = {"accept-encoding": "gzip, deflate"}
        raise Problem(
            MEDIA, "Send the body plain, or with Content-Encoding gzip or deflate.", headers=accepted
        )
    return Unpacker(WINDOW[named])


def media_type(request: Request) -> str:
    """The content type without its parameters, lower case."""
    return fields(request.scope).get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, limit: int = JSON_MAX) -> bytes:
    """The text of a request that says it is JSON, as UTF-8; parsing is the model's."""
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(MEDIA, f"Send Content-Type: application/json, not {kind or 'none'}.")
    return as_utf8(request, await read(request, limit), INVALID_JSON)


async def read_form(request: Request, limit: int = JSON_MAX) -> dict[str, str]:
    """The fields of an urlencoded form.

    Raises:
        Problem: 415 for another type, 400 where it cannot be read or gives a field twice.
    """
    if media_type(request) != "application/x-www-form-urlencoded":
        raise Problem(MEDIA, "Send Content-Type: application/x-www-form-urlencoded.")
    text = as_utf8(request, await read(request, limit), BAD_REQUEST).decode()
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100, errors="strict")
    except UnicodeDecodeError as error:
        raise Problem(BAD_REQUEST, "The form's text is not UTF-8; send it as UTF-8.") from error
    except ValueError as error:
        raise Problem(BAD_REQUEST, "The form has too many fields.") from error
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Problem(BAD_REQUEST, "The form gives a field twice.")
    return given


def as_utf8(request: Request, raw: bytes, kind: Kind) -> bytes:
    """The text as UTF-8 without a mark: by its own mark, else by the charset that is named, else as it is.

    Raises:
        Problem: 400 where it is not what it says, 415 for a charset that is not known.
    """
    charset = next((name for mark, name in MARKS if raw.startswith(mark)), None) or _charset(
        fields(request.scope).get("content-type", "")
    )
    try:
        return raw.decode(charset).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        raise Problem(kind, f"The body is not {charset.removesuffix('-sig').upper()} text.") from error


@lru_cache(256)
def _charset(content_type: str) -> str:
    _, options = parse_options_header(content_type)
    named = options.get(b"charset", b"utf-8").decode("latin-1").strip("'")
    try:
        found = codecs.lookup(named).name
    except (LookupError, ValueError):
        found = ""
    if found not in CHARSETS:
        raise Problem(MEDIA, f"The charset {named[:40]!r} is not known here; send UTF-8.")
    return found
