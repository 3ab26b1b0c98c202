"""The tests' launcher: `python -m sandbox.harness.testing [pytest arguments]` runs pytest beside embedded servers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sandbox.harness.environment import Ports, process_environment, product_environment
from sandbox.harness.servers import HomeInUse, Servers, default_home
from sandbox.harness.template_database import ensure_template

ROOT = Path(__file__).resolve().parents[2]
SLOTS = 20
WORKERS = ("-n", "2")
SAMPLING = ("--draw", "1")
PLUGINS = ("-p", "sandbox.harness.browser_tests", "-p", "sandbox.harness.case_sampling")


def main(arguments: list[str] | None = None) -> int:
    """Run pytest once and answer its exit status; without `-n` it runs on two workers.

    Of long tables of cases a few are drawn, unless tests are chosen or THOROUGH is set.
    """
    chosen = sys.argv[1:] if arguments is None else arguments
    chosen = chosen[1:] if chosen[:1] == ["--"] else chosen
    parallel = [] if any(argument.startswith(("-n", "--numprocesses")) for argument in chosen) else WORKERS
    drawn = [] if os.environ.get("THOROUGH") or is_selecting_tests(chosen) else SAMPLING
    command = [sys.executable, "-m", "pytest", *PLUGINS, *parallel, *drawn, *chosen]
    signal.signal(signal.SIGTERM, _terminate)
    # A shell starts background jobs with SIGINT ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with acquire_free_home(default_home() / "test") as servers:
        environment = product_environment(
            servers.home, Ports(), database_url=servers.database_url, redis_url=servers.redis_url
        )
        given = {name: os.environ[name] for name in environment if name in os.environ}
        shell = process_environment(environment | given)
        if servers.postgres is not None:
            shell["TEST_TEMPLATE"] = ensure_template(servers.postgres, shell)
        return _run(command, shell)


def is_selecting_tests(arguments: Sequence[str]) -> bool:
    """Whether the arguments choose files, tests, or parts of their names."""
    is_path = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments if argument[:1] != "-")
    return is_path or any(argument.startswith("-k") for argument in arguments)


class RunTerminated(BaseException):
    """Somebody sent SIGTERM to this process alone."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise RunTerminated


def _run(command: list[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(command, cwd=ROOT, env=environment) as pytest:
        try:
            return pytest.wait()
        except RunTerminated:
            pytest.send_signal(signal.SIGINT)
            return pytest.wait()
        except KeyboardInterrupt:
            # The terminal has sent SIGINT to pytest as well, which ends its report.
            return pytest.wait()


@contextmanager
def acquire_free_home(base: Path) -> Iterator[Servers]:
    """Servers without durability in the first directory below `base` that no other run uses at the moment."""
    for slot in range(SLOTS):
        servers = Servers(base / str(slot), durable=False)
        try:
            servers.__enter__()
        except HomeInUse:
            continue
        try:
            yield servers
        finally:
            servers.__exit__(None, None, None)
        return
    raise HomeInUse(f"{SLOTS} test runs are under way in {base} already.")


if __name__ == "__main__":
    sys.exit(main())
