"""docs/compliance.md and its neighbours: no row without a test, code or a reason, and every place named there exists.

PCI DSS v4.0.1 asks for an inventory that is kept (6.4.3, 12.8.5), ASVS 5.0 for decisions that are written down; a
table whose places have moved proves nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from payments.payment_pages import element

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
COMPLIANCE = (DOCS / "compliance.md").read_text()
DOCUMENTS = ("docs/compliance.md", "docs/privacy.md", "SECURITY.md", "CONTRIBUTING.md", "docs/runbook.md")
TOP = {path.name for path in ROOT.iterdir()}
FILE = re.compile(r"[\w.][\w./-]*\.(?:py|md|html|txt|js|css|yml|toml|lock|lua|sh)")
TEST = re.compile(r"test_\w+")
LEVELS = {"met", "partly", "not met", "n/a", "operator"}


def list_rows(title: str) -> Iterator[list[str]]:
    """The rows of the tables below a heading, without their heads and the lines that only name a chapter."""
    part = COMPLIANCE.partition(f"## {title}")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def list_places(text: str) -> Iterator[str]:
    """Every file or folder that a text names, by itself or as a link."""
    for token in re.findall(r"`([^`\s]+)`", text):
        if token.split("/")[0] in TOP or (FILE.fullmatch(token) and "/" in token):
            yield token
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith(("/", "mailto:")):
            yield f"docs/{target}"


def exists(place: str) -> bool:
    """Whether the place is there."""
    return (ROOT / place).resolve().exists()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_place_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    if not document.startswith("docs/"):
        text = re.sub(r"\]\((?!https?:|mailto:|[#/])", "](../", text)
    assert [place for place in list_places(text) if not exists(place)] == []


def test_every_test_that_is_named_exists() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    tokens = [token for token in re.findall(r"`([^`\s]+)`", COMPLIANCE) if "/" not in token]
    named = {name for token in tokens for name in TEST.findall(token)}
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


def test_every_requirement_has_a_test_code_or_a_reason() -> None:
    rows = [row for row in list_rows("ASVS 5.0, level 2") if not row[0].startswith("**") or row[1]]
    assert len(rows) > 70
    bare = []
    for number, level, where in rows:
        assert set(level.split(", ")) <= LEVELS, number
        is_proved = any(exists(place) for place in list_places(where))
        has_reason = len(where.split()) >= 3
        if not (has_reason or is_proved) or (level.startswith("met") and not is_proved):
            bare.append(number)
    assert bare == []


def test_every_chapter_of_the_standard_is_there() -> None:
    chapters = re.findall(r"^\| \*\*V(\d+) ", COMPLIANCE, re.MULTILINE)
    assert chapters == [str(number) for number in range(1, 18)]


def test_every_line_about_bank_debits_is_answered() -> None:
    rows = list(list_rows("Bank debits"))
    assert len(rows) >= 11
    for row in rows:
        assert len(row) == 3, row
        assert any(exists(place) for place in list_places(row[2])) or re.search(r"Stripe's|the same", row[2]), row


def test_every_cell_of_the_matrix_says_who_does_what() -> None:
    rows = list(list_rows("Who is responsible"))
    assert len(rows) >= 13
    for row in rows:
        assert len(row) == 4, row
        assert any(len(cell) > 1 for cell in row[1:]), row


def test_every_script_of_the_payment_pages_is_in_the_inventory() -> None:
    shown = " ".join(row[0] for row in list_rows("Scripts of the payment pages"))
    for script in element.PAGE_SCRIPTS:
        assert (f"static/{script.source}" if script.is_ours else "stripe.js") in shown, script
