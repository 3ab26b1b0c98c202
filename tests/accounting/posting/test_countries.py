"""A paid quote is booked in companies of every country: their currencies, tax codes and ways to number differ.

Vendor pages: developer.xero.com/documentation/api/accounting/types (tax types by country), Intuit's pages on global and
automated sales tax.
"""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounting.models import CreditNote, LedgerTaxCode, Posting
from sandbox.harness.sandbox_process import SandboxProcess
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Tenant, create_tenant, deliver_outbox

COUNTRIES = {"au": "AUD", "nz": "NZD", "us": "USD", "uk": "GBP", "ca": "CAD", "sg": "SGD"}


@pytest.mark.parametrize("provider", ["xero", "quickbooks"])
@pytest.mark.parametrize("slug", COUNTRIES)
def test_a_paid_quote_is_booked_once(db: None, world: SandboxProcess, provider: str, slug: str) -> None:
    tenant = create_tenant(world, provider=provider, organisation=slug)
    deliver_outbox()
    quote = tenant.open_checkout(quote={"currency": COUNTRIES[slug]})
    assert quote.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    deliver_outbox()
    refused = Posting.objects.exclude(state="posted").values_list("number", "state", "error")
    assert list(refused) == []
    assert CreditNote.objects.get().state == "approved"
    [note] = list_ledger_rows(tenant, "CreditNotes", where=f'CreditNoteNumber=="{CreditNote.objects.get().number}"')
    assert note["Total"] == 625.0
    assert LedgerTaxCode.objects.filter(merchant=tenant.merchant).count() > 1


def read_page(tenant: Tenant, name: str, arguments: list[str]) -> str:
    """A page of the console."""
    return tenant.admin.get(reverse(name, args=arguments)).content.decode()


@pytest.mark.parametrize(("provider", "word"), [("xero", "credit note"), ("quickbooks", "credit memo")])
def test_pages_call_documents_what_the_package_calls_them(
    db: None, world: SandboxProcess, provider: str, word: str
) -> None:
    """Intuit calls it a credit memo, so nobody finds a credit note in QuickBooks."""
    other = {"credit note", "credit memo"} - {word}
    tenant = create_tenant(world, provider=provider)
    deliver_outbox()
    quote = tenant.open_checkout()
    quote.pay()
    ref = [tenant.merchant.reference]
    pages = {name: read_page(tenant, name, ref) for name in ("accounting:accounts", "accounting:postings")}
    with world.inject_fault(provider, "status", status=503, times=None):
        deliver_outbox()
        pages["waiting"] = read_page(tenant, "accounting:waiting", ref)
    deliver_outbox(at=timezone.now() + timedelta(hours=1))
    pages["payment"] = read_page(tenant, "accounting:of_payment", [*ref, quote.payment.reference])
    pages["clearing"] = read_page(tenant, "reconciliation:accounts", ref)
    for name, page in pages.items():
        assert f"PF_CR {word}" in page, name
        assert not [one for one in other if one in page], name
