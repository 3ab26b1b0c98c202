"""Every command of the container files is run for real, against a database of its own."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from sandbox.harness.processes import find_free_port
from tests.test_compose import ROOT, SERVICES, command_of

BIN = Path(sys.executable).parent
PATIENCE = 40.0

Environment = dict[str, str]


pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """What the containers are given, with an empty database and a broker database that nobody else uses."""
    home, given = tmp_path_factory.mktemp("home"), os.environ["DATABASE_URL"]
    name = f"compose_{os.getpid()}"
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "DATABASE_URL": given.replace("/wisepay?", f"/{name}?"),
        "REDIS_URL": os.environ["REDIS_URL"].rpartition("/")[0] + "/7",
        "REDIS_PREFIX": f"{name}:",
        "WISEPAY_HOME": str(home),
        "STATIC_ROOT": str(home / "static"),
        "COLLECTED_STATIC": "1",
        "C_FORCE_ROOT": "1",
        "PYTHONWARNINGS": "ignore",
    }
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(command: list[str], environment: Environment) -> str:
    """Run to the end; answers what it printed, and fails when it failed."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def running(command: list[str], environment: Environment) -> Iterator[None]:
    """A lasting process for the length of a block; it must not have ended by itself."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
            assert process.poll() is None, "the process ended by itself"
        finally:
            process.terminate()


def wait(is_ready: Callable[[], bool]) -> None:
    """Until it is ready, or a failure."""
    limit = time.monotonic() + PATIENCE
    while not is_ready():
        assert time.monotonic() < limit, "not ready in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def migrated(environment: Environment) -> Environment:
    """The environment after `migrate` and the image's `collectstatic`."""
    run(command_of("migrate"), environment)
    run(["python", "manage.py", "collectstatic", "--noinput"], environment)
    return environment


def test_migrate_and_collectstatic_leave_nothing_to_do(migrated: Environment) -> None:
    assert "[ ]" not in run(["python", "manage.py", "showmigrations"], migrated)
    assert (Path(migrated["STATIC_ROOT"]) / "staticfiles.json").exists()


def test_web_answers_its_health_check(migrated: Environment) -> None:
    port = find_free_port()
    command = [f"127.0.0.1:{port}" if part == "0.0.0.0:8000" else part for part in command_of("web")]
    *_, check = SERVICES["web"]["healthcheck"]["test"]

    def is_healthy() -> bool:
        asked = [sys.executable, "-c", check.replace("8000", str(port))]
        return subprocess.run(asked, cwd=ROOT, env=migrated, capture_output=True, timeout=60).returncode == 0

    with running(command, migrated):
        wait(is_healthy)  # asked again while it starts, as the engine does


def test_the_worker_answers_its_health_check(migrated: Environment) -> None:
    test = SERVICES["worker"]["healthcheck"]["test"][1].replace("$$HOSTNAME", socket.gethostname())
    with running(command_of("worker"), migrated):

        def answers() -> bool:
            done = subprocess.run(shlex.split(test), cwd=ROOT, env=migrated, capture_output=True, timeout=60)
            return done.returncode == 0

        wait(answers)
        assert answers()


def test_beat_writes_its_schedule(migrated: Environment, tmp_path: Path) -> None:
    command = [part.replace("/tmp/", f"{tmp_path}/") for part in command_of("beat")]  # noqa: S108 (the container's)
    with running(command, migrated):
        wait(lambda: any(tmp_path.glob("celerybeat-schedule*")))
        assert list(tmp_path.glob("celerybeat-schedule*"))
