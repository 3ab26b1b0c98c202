"""The table: a measuring function becomes a test of its bound and a row of the report."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path

REPORT = Path(__file__).resolve().parents[2] / "var" / "bench.json"
Bound = float | Callable[..., float]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. It holds when it is not above its bound."""

    name: str
    value: float
    unit: str
    bound: float
    holds: bool


ROWS: list[Row] = []


def row(name: str, unit: str, bound: Bound) -> Callable[[Callable[..., float]], Callable[..., None]]:
    """Turn a function that answers a number into a test that the number is at most `bound`.

    `name` may mention the test's parameters in braces; a `bound` that is a function is called with them.
    """

    def decorate(measure: Callable[..., float]) -> Callable[..., None]:
        @wraps(measure)
        def test(**given: object) -> None:
            most = bound(**{k: v for k, v in given.items() if isinstance(v, int)}) if callable(bound) else bound
            value = round(measure(**given), 3)
            found = Row(name.format(**given), value, unit, most, value <= most)
            ROWS.append(found)
            assert found.holds, f"{found.name}: {value} {unit}, and at most {most} was promised"

        return test

    return decorate


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    width = max(len(found.name) for found in rows)
    head = f"{'':{width}}  {'value':>10} {'unit':<10} {'bound':>10}  holds"
    lines = [
        f"{r.name:{width}}  {r.value:>10g} {r.unit:<10} {r.bound:>10g}  {'yes' if r.holds else 'NO'}" for r in rows
    ]
    return "\n".join([head, *lines])


def write_report(rows: Sequence[Row], to: Path = REPORT) -> None:
    """The rows for programs: a list of objects."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps([asdict(found) for found in rows], indent=1) + "\n")
