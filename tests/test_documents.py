"""The documents that people follow step by step name only what exists: commands, buttons, tests, paths."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent
CONNECTWISE = ("docs/connectwise.md", "docs/connectwise-psa.md", "docs/wise-pay-payment.md")
GUIDES = ("docs/going-live.md", "docs/certification.md", *CONNECTWISE)
SOURCES = "".join(path.read_text() for path in [*ROOT.glob("templates/**/*.html"), *ROOT.glob("[a-z]*/**/*views.py")])
TESTS = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


def read_guide(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_exists(name: str) -> None:
    commands = set(re.findall(r"manage\.py (\w+)", read_guide(name)))
    assert commands - set(get_commands()) == set()


@pytest.mark.parametrize("name", GUIDES)
def test_every_test_and_path_exists(name: str) -> None:
    text = read_guide(name)
    paths = set(re.findall(r"`((?:tests|templates|accounting|wisepay|deploy)/[\w./]+)`", text))
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [word for word in re.findall(r"`(test_\w+)`", text) if f"def {word}(" not in TESTS] == []
    links = re.findall(r"\]\(((?!http)[^)#]+)", text)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_step_of_going_live_is_proved() -> None:
    text = read_guide("docs/going-live.md").partition("## The rehearsal")[2].partition("## Going back")[0]
    rehearsal = [" ".join(step.split()) for step in re.split(r"^\d+\. ", text, flags=re.MULTILINE)[1:]]
    assert len(rehearsal) > 15
    assert [step[:40] for step in rehearsal if "Proved by" not in step and "and by" not in step] == [
        step[:40] for step in rehearsal if step.startswith("**The next day**")
    ]


def test_every_button_of_going_live_exists() -> None:
    steps = read_guide("docs/going-live.md").partition("## The rehearsal")[2]
    buttons = {word for word in re.findall(r"\*\*([A-Z][\w ]+)\*\*", steps) if len(word.split()) < 4}
    assert {"Save", "Read now", "Refund", "Disconnect all", "Read again", "Connect"} <= buttons
    spoken = {
        "Pause",
        "A card",
        "A bank debit",
        "A refund",
        "A dispute",
        "Accounts",
        "The real company",
        "The next day",
    }
    spoken |= {"A week later", "Automatic payments", "Reconciliation", "ConnectWise Sell", "When it breaks"}
    assert sorted(word for word in buttons - spoken if f"{word}<" not in SOURCES and f">{word}" not in SOURCES) == []


PAGES = "".join(path.read_text() for path in [*ROOT.glob("sandbox/templates/**/*.html"), *ROOT.glob("quotes/*.py")])
LARGEST_PICTURE = 150_000


@pytest.mark.parametrize("name", CONNECTWISE)
def test_every_button_field_and_heading_of_the_connectwise_guides_exists(name: str) -> None:
    """A reader who has only these pages finds what they name."""
    text = " ".join(read_guide(name).split())
    named = re.findall(r"\b(?:[Pp]ress|choose|follow|With|form) \*\*([^*]+)\*\*", text)
    assert [words for words in named if words not in SOURCES + PAGES] == []
    assert named


def test_pictures_are_small_and_every_one_is_shown() -> None:
    pictures = [*(ROOT / "docs").glob("*/*.png")]
    assert pictures
    text = "".join(path.read_text() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
    assert [path.name for path in pictures if f"{path.parent.name}/{path.name}" not in text] == []
    assert [path.name for path in pictures if path.stat().st_size > LARGEST_PICTURE] == []


REAL_LIFE = [line.strip("|").split(" | ") for line in read_guide("tests/real_life.md").splitlines() if line[:2] == "| "]


@pytest.mark.parametrize("row", REAL_LIFE[1:], ids=lambda row: row[0].strip())
def test_every_line_of_real_life_names_a_source_and_tests_that_exist(row: list[str]) -> None:
    _, source, tests = row
    assert re.search(r"[\w.-]+/[\w.-]+#\d+|[a-z.]+\.(?:com|org)\b", source), source
    named = re.findall(r"`([\w/]+\.py)(?:::(test_\w+))?`", tests)
    assert named, tests
    for path, name in named:
        assert f"def {name or 'test_'}" in (ROOT / "tests" / path).read_text(), (path, name)
