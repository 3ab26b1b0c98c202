"""Rows of planning automatic payments: 100,000 open invoices of 5,000 payers."""

import pytest

from accounting.models import ScheduledPayment
from tests.bench.autopay import INVOICES, many_invoices, planned_apart
from tests.bench.rows import row
from tests.people import House

TOOK: dict[str, float] = {}


@pytest.fixture
def took(transactional_db: None, house: House) -> dict[str, float]:
    """Measured once for the three rows."""
    if not TOOK:
        many_invoices(house)
        TOOK.update(planned_apart(house.merchant))
        assert TOOK["scheduled"] == ScheduledPayment.objects.count() == INVOICES
    return TOOK


def test_planning_time(took: dict[str, float]) -> None:
    assert row("Planning 100,000 open invoices of 5,000 payers", took["seconds"], "s", bound=20).holds


def test_planning_statements(took: dict[str, float]) -> None:
    assert row("Planning them: statements", took["statements"], "statements", bound=40).holds


def test_planning_memory(took: dict[str, float]) -> None:
    assert row("Planning them: memory above idle", took["mebibytes"], "MiB", bound=150).holds
