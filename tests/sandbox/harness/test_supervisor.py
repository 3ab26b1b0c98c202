"""The demo's children: watched, reported when they die, and all gone in the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from sandbox.harness.environment import Ports, get_or_create_secret, process_environment, product_environment
from sandbox.harness.processes import find_free_port
from sandbox.harness.supervisor import ChildDied, ChildNotReady, Supervisor

ROOT = Path(__file__).resolve().parents[3]
SLEEP = "import time; time.sleep(60)"
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
LAUNCHER = """
import os, sys
from pathlib import Path
from sandbox.harness.supervisor import Supervisor
with Supervisor(Path.cwd(), Path(sys.argv[1]), dict(os.environ)) as family:
    family.start("one", "-c", "import time; time.sleep(60)")
    print(family.children["one"].pid, flush=True)
    family.watch()
"""


@pytest.fixture
def family(tmp_path: Path) -> Supervisor:
    return Supervisor(ROOT, tmp_path / "log", dict(os.environ))


def is_gone(pid: int) -> bool:
    """Ended; a process that nobody has buried yet counts."""
    try:
        return str(psutil.Process(pid).status()) == str(psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.05)


def test_children_are_gone_after_the_block(family: Supervisor) -> None:
    with family:
        family.start("one", "-c", SLEEP)
        family.start("two", "-c", SLEEP)
        pids = [child.pid for child in family.children.values()]
    assert all(is_gone(pid) for pid in pids)


def test_grandchildren_go_too(family: Supervisor) -> None:
    with family:
        family.start("one", "-c", PARENT + "; time.sleep(60)")
        child = psutil.Process(family.children["one"].pid)
        family.wait("one", lambda: bool(child.children()), 10)
        (grandchild,) = child.children()
    wait_until_gone(grandchild.pid)
    assert is_gone(grandchild.pid)


def test_a_child_that_dies_is_named_with_the_end_of_its_log(family: Supervisor) -> None:
    with family:
        family.start("one", "-c", SLEEP)
        family.start("two", "-c", "print('the reason'); raise SystemExit(3)")
        with pytest.raises(ChildDied, match=r"(?s)two ended with status 3\..*the reason"):
            family.watch()


def test_a_step_that_fails_stops_the_start(family: Supervisor) -> None:
    with family, pytest.raises(ChildDied, match="migrate ended with status 1"):
        family.run("migrate", "-c", "raise SystemExit(1)")


def test_a_death_during_a_step_is_noticed(family: Supervisor) -> None:
    with family:
        family.start("sandbox", "-c", "pass")
        with pytest.raises(ChildDied, match="sandbox ended"):
            family.run("migrate", "-c", SLEEP)


def test_a_child_that_never_answers_is_given_up(family: Supervisor) -> None:
    with family:
        family.start("web", "-c", SLEEP)
        with pytest.raises(ChildNotReady, match="web did not answer within 0 s"):
            family.wait("web", lambda: False, 0.2)


def test_killing_the_launcher_kills_its_children(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
    wait_until_gone(pid)


def test_secrets_are_made_once_and_kept_privately(tmp_path: Path) -> None:
    created = get_or_create_secret(tmp_path / "home" / "secret", lambda: "first")
    assert created == get_or_create_secret(tmp_path / "home" / "secret", lambda: "second") == "first"
    assert (tmp_path / "home" / "secret").stat().st_mode & 0o777 == 0o600


def test_the_product_is_sent_to_the_practice_world_only(tmp_path: Path) -> None:
    ports = Ports(web=1, sandbox=2, smtp=3)
    product = product_environment(tmp_path, ports, database_url="postgresql://x/y", redis_url="redis://z")
    vendors = ("STRIPE_", "XERO_", "INTUIT_", "MICROSOFT_")
    addresses = {name: value for name, value in product.items() if name.startswith(vendors)}
    assert {name.partition("_")[0] + "_" for name in addresses} == set(vendors)
    assert all(value.startswith("http://127.0.0.1:2/") or value.startswith("sandbox-") for value in addresses.values())
    assert product["PUBLIC_URL"] == "http://127.0.0.1:1"
    assert process_environment(product)["PATH"] == os.environ["PATH"]


def test_a_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.harness.demo", "--port", "{}", "--sandbox-port", str(find_free_port())]
    with subprocess.Popen([sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True) as other:  # fmt: skip
        assert other.stdout is not None
        port = other.stdout.readline().split(" port ")[1].split()[0]
        answer = subprocess.run(
            [part.format(port) for part in command],
            cwd=ROOT,
            env={**os.environ, "WISEPAY_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        other.kill()
    assert answer.returncode == 1
    assert f"Port {port} is in use" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
    assert not (tmp_path / "home").exists()
