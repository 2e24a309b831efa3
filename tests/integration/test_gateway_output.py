"""Songs, sent by nginx from the storage folder itself."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from pathlib import Path

import pytest

from tasks.storage.folders import folder_of, located
from tests import needs
from tests.servers.gateway import House, standing

ID = "a_01hzzzzzzzzzzzzzzzzzzzzzzz"
OLD = "a_01hyyyyyyyyyyyyyyyyyyyyyyy"
SOUND = bytes(range(256)) * 40
TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "mid": "audio/midi",
}


def fill(house: House) -> Path:
    folder = house.data / "output"
    folder.mkdir(parents=True, exist_ok=True)
    dated = folder / folder_of(ID)
    dated.mkdir(parents=True)
    for extension in TYPES:
        (dated / f"{ID}.{extension}").write_bytes(SOUND)
    (dated / f"{ID}-2.wav").write_bytes(b"second")
    (folder / f"{OLD}.wav").write_bytes(b"before there were folders")
    (folder / "secret.txt").write_text("no")
    (folder.parent / "outside.wav").write_text("no")
    (folder / f"{ID[:-1]}0.wav").symlink_to("/etc/passwd")
    (folder / f"{ID}.1.tmp").write_text("no")
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory):
    with standing(tmp_path_factory.mktemp("output")) as built:
        fill(built)
        yield built


@pytest.mark.parametrize("extension", TYPES)
def test_each_kind_of_file_has_its_type_and_never_changes(shop: House, extension: str) -> None:
    with shop.client() as client:
        answer = client.get(f"/output/{ID}.{extension}")
    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["content-type"] == TYPES[extension]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-disposition"] == f'inline; filename="{ID}.{extension}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_refusals_are_documents_and_say_what_would_do(shop: House) -> None:
    with shop.client() as client:
        path = f"/output/{ID}.wav"
        asked = client.options(path)
        assert (asked.status_code, asked.headers["allow"]) == (405, "GET, HEAD")
        beyond = client.get(path, headers={"Range": "bytes=999999-"})
        assert (beyond.status_code, beyond.json()["type"]) == (416, "/problems/range")
        other = client.get(path, headers={"If-Match": '"other"'})
        assert (other.status_code, other.json()["type"]) == (412, "/problems/precondition")


def test_ranges_and_etags_are_honoured(shop: House) -> None:
    with shop.client() as client:
        whole = client.get(f"/output/{ID}.wav")
        part = client.get(f"/output/{ID}.wav", headers={"Range": "bytes=10-19"})
        tail = client.get(f"/output/{ID}.wav", headers={"Range": "bytes=-5"})
        same = client.get(f"/output/{ID}.wav", headers={"If-None-Match": whole.headers["etag"]})
        beyond = client.get(f"/output/{ID}.wav", headers={"Range": "bytes=999999-"})
    assert (part.status_code, part.content) == (206, SOUND[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(SOUND)}"
    assert tail.content == SOUND[-5:]
    assert (same.status_code, same.content) == (304, b"")
    assert beyond.status_code == 416
    status = located(shop.data / "output", f"{ID}.wav").stat()
    assert whole.headers["etag"] == f'"{int(status.st_mtime):x}-{status.st_size:x}"'


def test_a_song_from_before_there_were_folders_is_found(shop: House) -> None:
    with shop.client() as client:
        answer = client.get(f"/output/{OLD}.wav")
    assert (answer.status_code, answer.content) == (200, b"before there were folders")
    assert answer.headers["content-type"] == "audio/wav"


def test_a_download_has_its_name_and_a_variation_its_file(shop: House) -> None:
    with shop.client() as client:
        answer = client.get(f"/output/{ID}-2.wav?download=1")
    assert answer.content == b"second"
    assert answer.headers["content-disposition"] == f'attachment; filename="{ID}-2.wav"'


def test_head_is_answered_and_writing_is_not_allowed(shop: House) -> None:
    with shop.client() as client:
        head = client.head(f"/output/{ID}.wav")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(SOUND)))
        for method in ("PUT", "DELETE", "POST"):
            assert client.request(method, f"/output/{ID}.wav").status_code == 403
    assert located(shop.data / "output", f"{ID}.wav").read_bytes() == SOUND


@pytest.mark.parametrize(
    "path",
    [
        "/output/secret.txt",
        "/output/",
        "/output/../outside.wav",
        "/output/%2e%2e/outside.wav",
        "/output/..%2foutside.wav",
        f"/output/x/../../{ID}.wav",
        f"/output//etc/{ID}.wav",
        f"/output/{ID}.wav%00.mp3",
        f"/output/{ID}.wav/",
        f"/output/{ID}.1.tmp",
        f"/output/{ID}-9.wav",
        f"/output/{ID.upper()}.wav",
        f"/output/{ID[:-1]}0.wav",
        f"/output/{ID[:-1]}1.wav",
    ],
)
def test_no_other_path_leads_to_a_file(shop: House, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    head, _, body = shop.raw(request).partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status == 200:  # the path was folded into one outside /output: the app answers it
        assert b'"node": "n1"' in body or b'"node":"n1"' in body
    else:
        assert status in {400, 403, 404}
        assert b"application/problem+json" in head
    assert b"immutable" not in head
    assert b"root:" not in body
    assert body != b"no"


def test_the_lines_name_the_job_but_not_the_query(shop: House) -> None:
    with shop.client() as client:
        client.get(f"/output/{ID}.flac?signature=private&expires=1")
    line = shop.line(url__path=f"/output/{ID}.flac", tutti__job__id=ID)
    assert line["http"]["response"]["body"]["bytes"] == len(SOUND)
    assert b"private" not in (shop.data / "log/nginx.jsonl").read_bytes()
    assert b"private" not in (shop.data / "log/nginx-error.log").read_bytes()


TRACED = """#!/bin/sh
for word in "$@"; do
    case "$word" in -t|-V) exec {nginx} "$@" ;; esac
done
exec {strace} -D -f --seccomp-bpf -e trace=sendfile,pread64,read -o {trace} {nginx} "$@"
"""


def test_nginx_sends_a_song_by_sendfile_and_never_reads_it(tmp_path: Path, monkeypatch) -> None:
    """The kernel copies from the file to the socket: strace sees no other way that its bytes could take."""
    strace, trace = needs.program("strace"), tmp_path / "trace"
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/nginx"
    script.write_text(TRACED.format(nginx=needs.program("nginx"), strace=strace, trace=trace))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    song = os.urandom(3_000_000)
    with standing(tmp_path) as built, built.client() as client:
        fill(built)
        located(built.data / "output", f"{ID}.flac").write_bytes(song)
        assert client.get(f"/output/{ID}.flac").content == song
        built.line(url__path=f"/output/{ID}.flac")
    calls = trace.read_text()
    sent = [int(count) for count in re.findall(r"sendfile\(.*= (\d+)$", calls, re.MULTILINE)]
    assert sum(sent) == len(song)
    read = re.findall(r"(?:read|pread64)\(.*= (\d{4,})$", calls, re.MULTILINE)
    assert sum(map(int, read)) < len(song) / 2, "only its own configuration and small requests"


def signed(path: str, expires: int, key: str = "0123456789abcdef") -> str:
    digest = hashlib.md5(f"{expires}{path} {key}".encode(), usedforsecurity=False).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{path}?signature={signature}&expires={expires}"


def test_signed_links_hold_for_their_file_and_their_time(tmp_path: Path) -> None:
    path, later = f"/output/{ID}.wav", int(time.time()) + 600
    with standing(tmp_path, sign_output=True) as built, built.client() as client:
        fill(built)
        good = client.get(signed(path, later))
        assert (good.status_code, good.headers["cache-control"].split(",")[0]) == (200, "private")
        assert client.get(path).status_code == 403
        assert client.get(signed(path, later, key="another")).status_code == 403
        assert client.get(signed(path, later).replace(".wav", ".mp3")).status_code == 403
        assert client.get(signed(path, later).replace(str(later), str(later + 1))).status_code == 403
        gone = client.get(signed(path, int(time.time()) - 5))
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/link_expired")
        assert client.get(signed(path.replace(".wav", "-3.wav"), later)).status_code == 404
