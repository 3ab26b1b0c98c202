"""One document whose answer cannot be read holds up itself only, says so with a way out, and is never sent twice.

Report: one value that the client library does not know stopped every posting (xero-php-oauth2#274, xero-ruby#311).
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import Posting
from tests.accounting.ledgers.test_odd_answers import count_documents
from tests.tenants import Tenant

DeliverOutbox = Callable[..., int]
# What is spoiled of the answer to a write, and of every answer when the document is looked for.
ENTITIES = {
    "contact": ("Contacts", "ContactID", "Customer"),
    "invoice": ("Invoices", "InvoiceID", "Invoice"),
    "credit_note": ("CreditNotes", "CreditNoteID", "CreditMemo"),
}


def spoil(tenant: Tenant, kind: str) -> None:
    """Let the ids of one kind of document be missing in every answer."""
    plural, key, entity = ENTITIES[kind]
    orders = {
        "xero": [{"path": f"/{plural}", "field": f"{plural}.*.{key}"}],
        "quickbooks": [
            {"path": "*/batch", "field": f"BatchItemResponse.*.{entity}.Id"},
            {"path": "*/query", "field": f"QueryResponse.{entity}.*.Id"},
        ],
    }
    for order in orders[tenant.connection.provider]:
        tenant.world.fault(tenant.connection.provider, "mutate", drop=True, times=None, **order)


@pytest.mark.parametrize("kind", ["contact", "invoice", "credit_note"])
def test_what_cannot_be_read_waits_alone_and_is_found_later(
    any_tenant: Tenant, deliver: DeliverOutbox, kind: str
) -> None:
    deliver()
    spoil(any_tenant, kind)
    first = any_tenant.open_checkout(customer={"account_name": "First Pty Ltd"})
    first.pay()
    deliver()
    [unclear] = Posting.objects.filter(state="sent")
    assert unclear.kind == kind
    page = any_tenant.admin.get(any_tenant.url("postings/")).content.decode()
    assert "cannot be read" in page
    assert "press Retry" in page
    any_tenant.world.clear_faults()
    second = any_tenant.open_checkout(customer={"account_name": "Second Pty Ltd"})
    second.pay()
    deliver(at=timezone.now() + timedelta(minutes=20))
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    for checkout in (first, second):
        assert count_documents(any_tenant, checkout.payment) == {"invoice": 1, "credit_note": 1, "payment": 1}
