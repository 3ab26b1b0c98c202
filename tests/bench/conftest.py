"""What the measurements stand on: a web server as in the demo, a load of its own process, the printed table."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connection

from sandbox.harness.environment import vendor_addresses
from sandbox.harness.processes import find_free_port, spawn, stop
from sandbox.harness.sandbox_process import SandboxProcess
from tests.bench.results import MEASUREMENTS, render_table, write_report

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
CONCURRENCY, WARM_UP = 8, 64
Load = Callable[..., list[float]]


@pytest.fixture(scope="session")
def web(
    django_db_setup: None, sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The product behind gunicorn: two workers of four threads, on the tests' database. Its root address."""
    port = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "wisepay.wsgi", "-b", f"127.0.0.1:{port}", "--workers", "2"]
    command += ["--threads", "4", "--worker-class", "gthread", "--no-control-socket", "--graceful-timeout", "5"]
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    ours = {"DATABASE_URL": database, "PUBLIC_URL": f"http://127.0.0.1:{port}", "DECLINES_PER_NETWORK_HOUR": "100000"}
    environment = {**os.environ, **vendor_addresses(sandbox_process.url), **ours}
    log = tmp_path_factory.mktemp("web") / "web.log"
    with log.open("wb") as output:
        server = spawn(command, log=output, env=environment, cwd=ROOT)
    try:
        await_answer(f"http://127.0.0.1:{port}/health/ready", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def await_answer(address: str, log: Path) -> None:
    """Return once it says 200."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.05)
    raise AssertionError(f"the web server does not answer\n{log.read_text()[-4000:]}")


@pytest.fixture
def load(web: str) -> Load:
    """`load(calls)` sends them, eight at once; answers the milliseconds of each, which all had to succeed."""

    def run(calls: list[dict[str, Any]], at_once: int = CONCURRENCY) -> list[float]:
        at = urlsplit(web)
        order = {
            "host": at.hostname,
            "port": at.port,
            "concurrency": at_once,
            "warm_up": WARM_UP,
            "requests": calls,
        }
        command = [sys.executable, "-m", "tests.bench.load_generator"]
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, cwd=ROOT, check=True)
        seen = json.loads(done.stdout)
        assert {status for status, _ in seen} == {200}
        return [milliseconds for _, milliseconds in seen]

    return run


@pytest.fixture
def worker(web: str, world: SandboxProcess, tmp_path: Path) -> Iterator[None]:
    """A Celery worker as in the demo, on the tests' database."""
    command = [sys.executable, "-m", "celery", "-A", "wisepay", "worker", "--concurrency", "2", "--loglevel", "info"]
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {**os.environ, **vendor_addresses(world.url), "DATABASE_URL": database, "PUBLIC_URL": web}
    with (tmp_path / "worker.log").open("wb") as output:
        process = spawn(command, log=output, env=environment, cwd=ROOT)
    yield
    stop(process)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table and keep it for programs."""
    if MEASUREMENTS:
        terminalreporter.write_line("")
        terminalreporter.write_line(render_table(MEASUREMENTS))
        write_report(MEASUREMENTS)
