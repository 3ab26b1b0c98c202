"""An operator's command beside the demo, and what is said where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sandbox.harness.manage import ENVIRONMENT, NOT_RUNNING, store_environment
from sandbox.harness.servers import Servers, is_in_use

ROOT = Path(__file__).resolve().parents[3]


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, with nothing of the tests' own settings."""
    shell = {"PATH": os.environ["PATH"], "WISEPAY_HOME": str(home)}
    command = [sys.executable, "-m", "sandbox.harness.manage", *words]
    return subprocess.run(command, cwd=ROOT, env=shell, check=False, capture_output=True, text=True, timeout=60)


def test_a_command_runs_with_what_the_demo_was_started_with(tmp_path: Path) -> None:
    with Servers(tmp_path, environ={"DATABASE_URL": "postgresql://localhost/nobody"}):
        assert is_in_use(tmp_path)
        store_environment(tmp_path, {name: os.environ[name] for name in os.environ if name != "PATH"})
        done = run(tmp_path, "shell", "--no-imports", "-c", "from django.conf import settings; print(settings.DEMO)")
    assert (done.returncode, done.stdout.strip()) == (0, os.environ["WISEPAY_DEMO"].replace("1", "True"))


def test_the_stored_settings_are_their_owners_alone(tmp_path: Path) -> None:
    store_environment(tmp_path, {"SECRET_KEY": "x"})
    path = tmp_path / ENVIRONMENT
    assert (path.stat().st_mode & 0o777, json.loads(path.read_text())) == (0o600, {"SECRET_KEY": "x"})


def test_without_a_demo_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    store_environment(tmp_path, dict(os.environ))  # of a demo that ended
    for home in (tmp_path, tmp_path / "nothing"):
        done = run(home, "doctor")
        assert (done.returncode, done.stderr.strip(), done.stdout) == (1, NOT_RUNNING, "")


def test_a_missing_setting_is_one_sentence_and_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Set the SECRET_KEY environment variable. README.md says what to set")
    assert len(done.stderr.splitlines()) == 1
