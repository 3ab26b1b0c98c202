"""The list of invoices: amounts are asked for as people type them, whatever the decimals of the currency (ISO 4217)."""

import pytest
from django.http import QueryDict

from accounting.invoices.lists import InvoiceList
from tests.accounting.autopay.builders import AutoPayBuilder
from tests.tenants import Tenant

AMOUNTS = [
    ("AUD", 50_000, True),
    ("AUD", 49_999, False),
    ("JPY", 500, True),
    ("JPY", 499, False),
    ("KWD", 500_000, True),
    ("KWD", 499_999, False),
]


@pytest.mark.parametrize(("currency", "due", "is_found"), AMOUNTS)
def test_what_is_outstanding_is_compared_in_the_decimals_of_its_currency(
    tenant: Tenant, currency: str, due: int, is_found: bool
) -> None:
    invoice = AutoPayBuilder(tenant).create_invoice(due, currency=currency)
    listing = InvoiceList(QueryDict("at_least=500"), tenant.merchant)
    assert listing.is_valid
    assert (invoice in listing.list_matching()) is is_found
