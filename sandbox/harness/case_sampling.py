"""A pytest plugin: it samples long tables of cases, so that a run of all tests takes three minutes.

With `--draw N` of every parametrized test N cases are run, other ones in every run, and what is marked `thorough`
is left out. The launcher says so unless tests were named or THOROUGH is set, as CI does.
"""

import gc
import random
from collections import defaultdict
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many cases are drawn."""
    help_text = "how many cases of a parametrized test to run, without those marked thorough (default: all)"
    parser.addoption("--draw", type=int, default=0, metavar="N", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests that take long."""
    config.addinivalue_line("markers", "thorough: takes long, and is left out where cases are drawn")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not drawn. Every worker draws the same: they share the run's seed."""
    most = config.getoption("--draw")
    if not most:
        return
    tables: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not item.get_closest_marker("thorough"):
            tables[item.nodeid.partition("[")[0]].append(item)
    lots = random.Random(config.getoption("randomly_seed", 0))
    drawn = {id(item) for cases in tables.values() for item in lots.sample(cases, min(most, len(cases)))}
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in drawn])
    items[:] = [item for item in items if id(item) in drawn]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how to run the rest."""
    if terminalreporter.config.getoption("--draw"):
        terminalreporter.write_line("Long tables of cases were drawn from; THOROUGH=1 make test runs all of them.")


def pytest_collection_finish() -> None:
    """What was loaded until now stays; looking for garbage in it again and again costs a tenth of a run."""
    gc.collect()
    gc.freeze()
