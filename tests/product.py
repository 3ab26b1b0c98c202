"""What the product is made of: its apps, as the contract of their layers names them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
# The lowest first.
APPS: tuple[str, ...] = tuple(reversed(next(one["layers"] for one in CONTRACTS if "psa" in one.get("layers", []))))
