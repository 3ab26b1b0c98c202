"""Rows of planning automatic payments: 100,000 open invoices of 5,000 payers."""

import pytest

from accounting.models import ScheduledPayment
from tests.bench.autopay_data import INVOICES, create_many_invoices, measure_in_subprocess
from tests.bench.results import record_measurement
from tests.tenants import Tenant

TOOK: dict[str, float] = {}


@pytest.fixture
def took(transactional_db: None, tenant: Tenant) -> dict[str, float]:
    """Measured once for the three rows."""
    if not TOOK:
        create_many_invoices(tenant)
        TOOK.update(measure_in_subprocess(tenant.merchant))
        assert TOOK["scheduled"] == ScheduledPayment.objects.count() == INVOICES
    return TOOK


def test_planning_time(took: dict[str, float]) -> None:
    assert record_measurement("Planning 100,000 open invoices of 5,000 payers", took["seconds"], "s", bound=20).holds


def test_planning_statements(took: dict[str, float]) -> None:
    assert record_measurement("Planning them: statements", took["statements"], "statements", bound=40).holds


def test_planning_memory(took: dict[str, float]) -> None:
    assert record_measurement("Planning them: memory above idle", took["mebibytes"], "MiB", bound=150).holds
