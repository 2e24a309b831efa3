"""An nginx of somebody else in front of Tutti, with a server block as its owner wrote it."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.needs import program
from tests.servers.gateway import answers, free_port, until

DOCUMENT = Path(__file__).parents[2] / "docs/deploying-behind-a-proxy.md"
WHOLE = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def recipe(name: str) -> str:
    """A server block of the document, by the name in its first line."""
    blocks = re.findall(r"```nginx\n# recipe: (\w+)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return dict(blocks)[name]


@contextlib.contextmanager
def foreign(folder: Path, server: str, behind: int) -> Iterator[int]:
    """Run the block with free ports in place of 8080 and 8000; its port is given."""
    folder.mkdir(parents=True)
    port = free_port()
    text = server.replace("listen 8080", f"listen 127.0.0.1:{port}").replace(
        "127.0.0.1:8000", f"127.0.0.1:{behind}"
    )
    config = folder / "nginx.conf"
    config.write_text(WHOLE.format(folder=folder, server=text))
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: answers(f"127.0.0.1:{port}"), "the foreign nginx listens")
            yield port
        finally:
            process.terminate()
            process.wait(20)
