"""The table: each measured number with the bound that it has to keep, for people and for programs."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

REPORT = Path(__file__).resolve().parents[2] / "var" / "bench.json"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number. It holds when it is not above its bound."""

    name: str
    value: float
    unit: str
    bound: float
    holds: bool


MEASUREMENTS: list[Measurement] = []


def record_measurement(name: str, value: float, unit: str, *, bound: float) -> Measurement:
    """Write a measured number into the table; whoever measured it asserts that it holds."""
    value = round(value, 3)
    MEASUREMENTS.append(Measurement(name, value, unit, bound, value <= bound))
    return MEASUREMENTS[-1]


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def render_table(rows: Sequence[Measurement]) -> str:
    """The rows for people."""
    width = max(len(found.name) for found in rows)
    head = f"{'':{width}}  {'value':>10} {'unit':<10} {'bound':>10}  holds"
    lines = [
        f"{r.name:{width}}  {r.value:>10g} {r.unit:<10} {r.bound:>10g}  {'yes' if r.holds else 'NO'}" for r in rows
    ]
    return "\n".join([head, *lines])


def write_report(rows: Sequence[Measurement], to: Path = REPORT) -> None:
    """The rows for programs: a list of objects."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps([asdict(found) for found in rows], indent=1) + "\n")
