"""An operator's command beside the running demo: `python -m sandbox.harness.manage doctor` runs `manage.py doctor`."""

import json
import subprocess
import sys
from pathlib import Path

from sandbox.harness.environment import process_environment, write_private_file
from sandbox.harness.servers import default_home, is_in_use

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "environment.json"
NOT_RUNNING = "The demo is not running. Start it with `make demo`, and come back in another terminal."


def store_environment(home: Path, product: dict[str, str]) -> None:
    """Store what the demo's processes were started with, readable by their owner only."""
    write_private_file(home / ENVIRONMENT, json.dumps(product, indent=2))


def main(arguments: list[str] | None = None) -> int:
    """Run the command in the environment of this home's demo; answer its exit status, or 1 where none runs."""
    words = sys.argv[1:] if arguments is None else arguments
    home = default_home()
    try:
        product = json.loads((home / ENVIRONMENT).read_text()) if is_in_use(home) else None
    except (OSError, ValueError):
        product = None
    if product is None:
        sys.stderr.write(f"{NOT_RUNNING}\n")
        return 1
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=process_environment(product), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
