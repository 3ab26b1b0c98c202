"""Forty connections that send a byte now and then, before Caddy: the site answers everybody else all the same."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.harness.processes import find_free_port, spawn, stop
from tests.bench.conftest import ROOT, await_answer
from tests.bench.results import record_measurement

SLOW, PROBES, PAUSE = 40, 8, 0.75
CADDYFILE = ROOT / "deploy" / "Caddyfile"
HEAD = "POST /webhooks/xero HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"


@pytest.fixture
def proxied(db: None, web: str, tmp_path: Path) -> Iterator[str]:
    """The address of Caddy before the web server, with the file that the containers use."""
    program = which("caddy")
    if program is None:
        pytest.skip("caddy is not installed: apt-get install caddy")
    port = find_free_port()
    ours = {
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "WEB": urlsplit(web).netloc,
        "BUFFERING": get_buffering(program),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    command = [program, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    log = tmp_path / "caddy.log"
    with log.open("wb") as output:
        server = spawn(command, log=output, env={**os.environ, **ours}, cwd=ROOT)
    try:
        await_answer(f"http://127.0.0.1:{port}/health/caddy", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def get_buffering(program: str) -> str:
    """Which of the file's snippets this version of Caddy understands."""
    printed = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    version = printed.strip().lstrip("v").split()[0]
    major, minor, patch = (int(part) for part in version.split("-")[0].split(".")[:3])
    return "buffering" if (major, minor, patch) >= (2, 6, 3) else "buffering_2_6"


@contextmanager
def slow_connections(address: str, count: int) -> Iterator[list[socket.socket]]:
    """So many half requests, every other one with a whole head and a body that never ends."""
    at = urlsplit(address)
    with ExitStack() as opened:
        sockets = []
        for number in range(count):
            link = opened.enter_context(socket.create_connection((at.hostname, at.port or 80), timeout=5))
            head = HEAD.format(host=at.netloc)
            link.sendall((head + "Content-Length: 5000\r\n\r\n{" if number % 2 else head + "X-Slow: ").encode())
            sockets.append(link)
        yield sockets


def count_answered_probes(address: str, sockets: list[socket.socket]) -> int:
    """Ask for the site's health again and again, while each connection sends one more byte."""
    answered = 0
    for _ in range(PROBES):
        for link in sockets:
            try:
                link.sendall(b"a")
            except OSError:
                continue  # cut off, as it should be in the end
        with suppress(requests.RequestException):
            answered += requests.get(f"{address}/health/alive", timeout=5).status_code == 200
        time.sleep(PAUSE)
    return answered


def test_forty_slow_connections_stop_nobody_else(proxied: str) -> None:
    with slow_connections(proxied, SLOW) as sockets:
        answered = count_answered_probes(proxied, sockets)
    name = f"{SLOW} slow connections: health probes of {PROBES} that were not answered"
    assert record_measurement(name, PROBES - answered, "probes", bound=0).holds


def test_what_passes_through_is_whole_and_says_where_it_came_from(proxied: str) -> None:
    answer = requests.post(f"{proxied}/webhooks/xero", data=b"x" * 2000, timeout=5)
    assert answer.status_code in (400, 401, 403, 503)
    too_large = requests.post(f"{proxied}/webhooks/xero", data=b"x" * 3_000_000, timeout=5)
    assert too_large.status_code in (413, 502)  # Caddy 2.6 says the latter; either way web never hears of it
