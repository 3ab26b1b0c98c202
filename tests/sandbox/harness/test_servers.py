"""The embedded servers: they start, stop, survive kill -9, and leave no process behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import environ
import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis

from sandbox.harness.postgres import find_reachable_directory, remove_orphaned_directories
from sandbox.harness.servers import HomeInUse, Servers

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from sandbox.harness.servers import Servers
with Servers(Path(sys.argv[1]), durable=False, environ={}) as servers:
    print(servers.database_url, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that the database's own system user can reach even when the tests run as root."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    return tmp_path / "home"


@pytest.fixture
def holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the servers of `home`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    wait_for(lambda: not list_processes(home))


def list_processes(home: Path) -> list[int]:
    """Every process whose command line names this home, except Python ones (those are the tests')."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "name"])
        if not (process.info["name"] or "").startswith(("python", "pytest"))
        and any(str(home) in part for part in process.info["cmdline"] or [])
    ]


def wait_for(condition: Callable[[], bool], *, timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def build_servers(home: Path) -> Servers:
    return Servers(home, durable=False, environ={})


def test_both_servers_answer_and_nothing_is_left_afterwards(home: Path) -> None:
    with build_servers(home) as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == ("on",)
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()
        assert list_processes(home)
    assert list_processes(home) == []


def test_django_environ_reads_the_url_as_libpq_does(home: Path) -> None:
    with build_servers(home) as servers:
        config = environ.Env.db_url_config(servers.database_url)
        parameters = {"dbname": config["NAME"], "user": config["USER"], **config["OPTIONS"]}
        with psycopg.connect(**parameters) as connection:
            assert connection.info.dbname == "wisepay"


def test_data_outlives_a_restart_and_a_second_start_is_quick(home: Path) -> None:
    with build_servers(home) as servers, psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    began = time.monotonic()
    with build_servers(home) as servers:
        assert time.monotonic() - began < 2
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_killing_the_holder_takes_the_servers_with_it(home: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    wait_for(lambda: not list_processes(home))
    with build_servers(home) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_killing_everything_leaves_a_home_that_starts_again(home: Path, holder: subprocess.Popen[str]) -> None:
    for pid in [holder.pid, *list_processes(home)]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not list_processes(home))
    assert (home / "valkey" / "valkey.pid").exists()
    with build_servers(home) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_orphans_of_a_killed_run_are_stopped_first(home: Path) -> None:
    lost = build_servers(home)
    lost.__enter__()
    orphans = list_processes(home)
    claim_dropped = home / "servers.lock"
    claim_dropped.unlink()
    with build_servers(home) as servers:
        assert not set(orphans) & set(list_processes(home))
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    lost.__exit__(None, None, None)


def test_a_second_run_in_the_same_home_is_told_who_has_it(home: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(HomeInUse, match=f"in use by process {holder.pid}"), build_servers(home):
        pass


def test_ctrl_c_in_the_block_stops_the_servers(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), build_servers(home):
        raise KeyboardInterrupt
    assert list_processes(home) == []


def test_an_interrupted_first_start_is_begun_anew(home: Path) -> None:
    unfinished = home / "postgres" / "data"
    unfinished.mkdir(parents=True)
    (unfinished / "postgresql.conf").write_text("half written")
    with build_servers(home) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_servers_named_in_the_environment_are_left_alone(home: Path) -> None:
    named = {"DATABASE_URL": "postgresql://db/x", "REDIS_URL": "redis://cache/1"}
    with Servers(home, environ=named) as servers:
        assert (servers.database_url, servers.redis_url) == (named["DATABASE_URL"], named["REDIS_URL"])
        assert not home.exists()


def test_a_long_home_still_gets_a_socket(home: Path) -> None:
    deep = home / ("a-long-directory-name-" * 5)
    with build_servers(deep) as servers, psycopg.connect(servers.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_lies_elsewhere_goes_with_its_home(tmp_path: Path) -> None:
    saved, remaining = tmp_path / "kept", tmp_path / "left"
    for name, home in (("wisepay-kept", saved), ("wisepay-left", remaining)):
        (tmp_path / name / "postgres").mkdir(parents=True)
        (tmp_path / name / "home").write_text(str(home))
        home.symlink_to(tmp_path / name / "postgres")
    remaining.unlink()
    remove_orphaned_directories(tmp_path)
    assert (saved / ".").is_dir()
    assert not (tmp_path / "wisepay-left").exists()


def test_a_home_that_was_cleaned_gets_its_place_elsewhere_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    expected = tmp_path / "home" / "postgres"
    place = find_reachable_directory(expected, "anybody")
    expected.unlink()
    try:
        assert find_reachable_directory(expected, "anybody") == place
        assert expected.readlink() == place
        assert (place.parent / "home").read_text() == str(expected)
    finally:
        shutil.rmtree(place.parent)
