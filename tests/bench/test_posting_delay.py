"""Rows about how soon a payment is posted: web server, outbox, worker and ledger, each its own process."""

import re
import time

import pytest
import requests
from django.utils import timezone

from accounting.models import Posting
from sandbox.harness.sandbox_process import SandboxProcess
from tests.bench.quote_data import create_open_quote
from tests.bench.results import p99, record_measurement
from tests.payments.consent_form import get_consent_fields
from tests.tenants import Tenant, create_tenant, deliver_outbox

PAYMENTS = {"xero": 40, "quickbooks": 15}  # QuickBooks takes forty batches a minute, and each payment is two
PATIENCE = 20.0
UNHURRIED = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def measure_posting_delay(tenant: Tenant, web: str) -> float:
    """Seconds from the response that a guest's card was charged until everything is posted to the ledger."""
    payment = create_open_quote(tenant).payment
    browser = requests.Session()
    page = browser.get(f"{web}/pay/{payment.reference}/guest", timeout=PATIENCE)
    found = CSRF.search(page.text)
    assert found is not None
    form = {
        "name": "Accounts Payable",
        "email": "accounts@example.com",
        "amount": payment.amount,
        "confirmation_token": tenant.confirmation_token("4242424242424242"),
        "csrfmiddlewaretoken": found[1],
        **get_consent_fields(payment),
    }
    response = browser.post(f"{web}/pay/{payment.reference}/attempts", form, timeout=PATIENCE)
    begin = time.perf_counter()
    assert response.json()["status"] == "succeeded", response.text
    while time.perf_counter() - begin < PATIENCE:
        states = list(Posting.objects.filter(payment=payment).values_list("state", flat=True))
        if states and set(states) == {"posted"}:
            return time.perf_counter() - begin
        time.sleep(0.01)
    raise AssertionError("it was never posted")


@pytest.mark.parametrize("provider", PAYMENTS)
def test_a_payment_is_posted_soon(
    transactional_db: None, world: SandboxProcess, web: str, worker: None, provider: str
) -> None:
    """One payment after the other: waiting for rate limits is measured elsewhere."""
    world.config(xero_limits=UNHURRIED, intuit_limits=UNHURRIED)
    tenant = create_tenant(world, provider=provider)
    deliver_outbox(at=timezone.now())
    measure_posting_delay(tenant, web)
    waits = [measure_posting_delay(tenant, web) for _ in range(PAYMENTS[provider])]
    assert record_measurement(f"{provider}: payment succeeded until all is posted: p99", p99(waits), "s", bound=3).holds
