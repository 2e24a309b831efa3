"""One connection, one understanding of where a request ends: nginx's and the app's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.servers.front import Front, standing_front

KIND = b"Host: localhost\r\nContent-Type: application/json\r\n"
SECOND = b"POST /v1/jobs HTTP/1.1\r\n" + KIND + b"Content-Length: 44\r\n\r\n"
SECOND += b'{"prompt": "a smuggled song", "duration": 5}'
HEAD = b"POST /query_result HTTP/1.1\r\n" + KIND
FIVE = b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SECOND
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TRIALS = {
    "length and chunks": HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "chunks and length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 200\r\n\r\n0\r\n\r\n"
    + SECOND,
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}" + SECOND,
    "a list of lengths": HEAD + b"Content-Length: 2, 200\r\n\r\n{}" + SECOND,
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}" + SECOND,
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\n{}" + SECOND,
    "an odd digit": HEAD + b"Content-Length: \xb2\r\n\r\n{}" + SECOND,
    "another coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a coding twice": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECOND,
    "a space before the colon": HEAD
    + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SECOND,
    "a tab in the coding": HEAD
    + b"Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SECOND,
    "a folded line": HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + FIVE,
    "bare line feeds": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}" + SECOND,
    "a bare carriage return": HEAD + b"X: a\rContent-Length: 2\r\n\r\n{}" + SECOND,
    "a zero in a header": HEAD + b"X: a\x00b\r\nContent-Length: 2\r\n\r\n{}" + SECOND,
    "a huge chunk": HEAD + CHUNKED + b"ffffffffffffffff1\r\n{}\r\n0\r\n\r\n" + SECOND,
    "a negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n" + SECOND,
    "a chunk with a stray end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n" + SECOND,
    "version 0.9": b"POST /query_result\r\n" + SECOND,
    "an upgrade": HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}" + SECOND,
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with standing_front(tmp_path_factory.mktemp("smuggling"), client_timeout="2") as standing:
        yield standing


def exchange(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(text)
        got = b""
        link.settimeout(10)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while part := link.recv(65_536):
                got += part
    return got


@pytest.mark.parametrize("direct", [False, True], ids=["gateway", "web alone"])
@pytest.mark.parametrize("name", TRIALS)
def test_a_request_hidden_in_another_is_never_a_request_of_somebody_elses(
    front: Front, name: str, direct: bool
) -> None:
    """Either the first is refused and all after it dropped, or both are plain requests of this one client.

    What must never happen is that the gateway takes two for one and the app one for two: then the app would
    have more requests on its hands than the gateway has answers for.
    """
    seen = _requests(front)
    said = exchange(front.direct_port if direct else front.port, TRIALS[name])
    answers = said.count(b"HTTP/1.1 ")
    assert answers <= 2, said[:400]
    with front.client(direct=direct) as client:
        assert client.get("/livez").text == "ok\n", "the next client gets its own answer"
    if not direct:
        reached = _requests(front) - seen - 1  # but for the /livez
        assert reached <= answers, (reached, said[:400])


def _requests(front: Front) -> int:
    """How many requests the two web nodes have answered."""
    return (front.data / "log/web.jsonl").read_bytes().count(b'"action":"http.request"')
