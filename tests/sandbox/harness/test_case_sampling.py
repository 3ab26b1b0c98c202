"""What a run at a desk leaves out, and when it leaves out nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.harness.testing import ROOT, is_selecting_tests

TABLE = """
import pytest

@pytest.mark.parametrize("case", range(20))
def test_table(case):
    pass

def test_alone():
    pass

@pytest.mark.thorough
def test_long():
    pass
"""


def run_table(folder: Path, *options: str) -> set[str]:
    """The names of the tests that a run of `TABLE` with these options passed."""
    (folder / "test_it.py").write_text(TABLE)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    plain = ("-p", "sandbox.harness.case_sampling", "-p", "no:django", "-v", "--rootdir", str(folder))
    command = [sys.executable, "-m", "pytest", *plain, *options, "-c", str(folder / "pytest.ini"), str(folder)]
    params = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert params.returncode == 0, params.stdout + params.stderr
    return set(re.findall(r"::(\S+) PASSED", params.stdout))


def test_of_a_table_some_cases_are_drawn_and_others_with_another_seed(tmp_path: Path) -> None:
    first, again, other = (run_table(tmp_path, "--draw", "3", f"--randomly-seed={seed}") for seed in (1, 1, 2))
    assert first == again != other
    for drawn in (first, other):
        assert "test_alone" in drawn
        assert len(drawn) == 4
        assert "test_long" not in drawn


def test_every_case_is_run_where_nothing_is_said_of_drawing(tmp_path: Path) -> None:
    assert len(run_table(tmp_path)) == 22


@pytest.mark.parametrize(
    ("words", "is_choice"),
    [
        ((), False),
        (("-q", "-m", "not browser"), False),
        (("-q", "tests/quotes"), True),
        (("tests/test_house.py::test_no_module_is_longer_than_400_lines",), True),
        (("-k", "expired"), True),
    ],
)
def test_who_names_tests_gets_all_their_cases(words: tuple[str, ...], is_choice: bool) -> None:
    assert is_selecting_tests(words) is is_choice
