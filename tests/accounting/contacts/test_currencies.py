"""Several currencies: one customer each in QuickBooks, and a currency that the books can't hold is refused in time.

QuickBooks: "The currency of a customer can't be changed", error 6000 (developer.intuit.com, multicurrency; seen as
QuickBooks-V3-PHP-SDK#143 and node-quickbooks#71). Xero: "Organisation is not subscribed to currency GBP".
"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.configuration.currencies import can_book
from accounting.configuration.imports import import_ledger_lists
from accounting.ledgers.quickbooks.errors import explain_error
from accounting.models import AccountingSettings, LedgerContact, LedgerInvoice, Posting
from payers.companies import Contact, map_company
from payers.models import CompanyContact, PayerCompany
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.mirror.ledger_actions import act_in_ledger, make_invoice, poll_everything, sync_due
from tests.tenants import BODY, Checkout, Tenant, create_tenant, deliver_outbox, merge_body

HARBOUR = "Harbour Dental Pty Ltd"


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant with QuickBooks, whose outbox is empty."""
    tenant = create_tenant(world, provider="quickbooks")
    deliver_outbox()
    sync_due()
    return tenant


def pay(tenant: Tenant, currency: str) -> Checkout:
    """Pay a quote in this currency; every posting of it is in the books afterwards."""
    checkout = tenant.open_checkout(quote={"currency": currency})
    checkout.pay()
    deliver_outbox()
    rows = Posting.objects.filter(payment=checkout.payment)
    assert set(rows.values_list("state", "error")) == {("posted", "")}
    return checkout


def list_customers(tenant: Tenant) -> dict[str, str]:
    """Each customer's currency by its name."""
    poll_everything()
    return dict(LedgerContact.objects.order_by("name").values_list("name", "currency"))


def test_a_second_currency_makes_a_second_customer_and_each_has_its_own_documents(tenant: Tenant) -> None:
    pay(tenant, "AUD")
    pay(tenant, "USD")
    pay(tenant, "USD")
    assert list_customers(tenant) == {HARBOUR: "AUD", f"{HARBOUR} (USD)": "USD"}
    company = PayerCompany.objects.get()
    other = CompanyContact.objects.get()
    assert (company.contact_currency, other.currency, other.company) == ("AUD", "USD", company)
    rows = set(LedgerInvoice.objects.values_list("contact_id", "currency", "company"))
    assert rows == {(company.contact_id, "AUD", company.pk), (other.contact_id, "USD", company.pk)}


def test_the_same_name_in_another_currency_is_not_taken_for_ours(tenant: Tenant) -> None:
    act_in_ledger(tenant, "make_contact", name=HARBOUR, currency="USD")
    pay(tenant, "AUD")
    assert list_customers(tenant) == {HARBOUR: "USD", f"{HARBOUR} (AUD)": "AUD"}
    pay(tenant, "USD")
    assert len(list_customers(tenant)) == 2
    assert PayerCompany.objects.get().get_contact_id("USD") == LedgerContact.objects.get(name=HARBOUR).contact_id


def test_a_customer_that_the_bookkeeper_made_is_chosen_on_the_page(tenant: Tenant) -> None:
    pay(tenant, "AUD")
    act_in_ledger(tenant, "make_contact", name="Harbour in America", currency="USD")
    poll_everything()
    chosen, company = LedgerContact.objects.get(name="Harbour in America"), PayerCompany.objects.get()
    url = tenant.url(f"payers/companies/{company.reference}/contact")
    page = tenant.admin.get(url, {"contact_id": chosen.contact_id}).content.decode()
    assert "Documents in USD go to Harbour in America from now on" in page
    tenant.admin.post(url, {"contact_id": chosen.contact_id})
    company.refresh_from_db()
    assert (company.contact_currency, company.get_contact_id("USD")) == ("AUD", chosen.contact_id)
    pay(tenant, "USD")
    assert len(list_customers(tenant)) == 2
    page = tenant.admin.get(url).content.decode()
    assert HARBOUR in page
    assert "Harbour in America" in page


def test_the_payer_reads_the_invoices_of_both_customers(tenant: Tenant) -> None:
    client = tenant.payer()
    pay(tenant, "AUD")
    pay(tenant, "USD")
    make_invoice(tenant, "INV-A", "100", contact=HARBOUR)
    make_invoice(tenant, "INV-U", "200", contact=f"{HARBOUR} (USD)")
    poll_everything()
    page = client.get("/my/outstanding").content.decode()
    assert "INV-A" in page
    assert "INV-U" in page


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
def test_a_lost_answer_makes_no_third_customer(tenant: Tenant, kind: str) -> None:
    pay(tenant, "AUD")
    checkout = tenant.open_checkout(quote={"currency": "USD"})
    checkout.pay()
    tenant.world.fault("quickbooks", kind, method="POST", path="*batch*", times=1)
    for seconds in (0, 100, 400, 2000):
        deliver_outbox(at=timezone.now() + timedelta(seconds=seconds))
    assert set(Posting.objects.filter(payment=checkout.payment).values_list("state", flat=True)) == {"posted"}
    assert list_customers(tenant) == {HARBOUR: "AUD", f"{HARBOUR} (USD)": "USD"}


def test_a_customer_mapped_before_currencies_were_asked_for_is_learned(tenant: Tenant) -> None:
    created = act_in_ledger(tenant, "make_contact", name="Old Name", currency="USD")
    poll_everything()
    company = tenant.company()
    map_company(company, contact=Contact(tenant.connection.organisation_id, str(created["Id"])))
    pay(tenant, "AUD")
    company.refresh_from_db()
    assert company.contact_currency == "USD"
    assert company.get_contact_id("AUD") not in ("", company.contact_id)


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("The currency of the transaction must be the currency of the customer.", "Choose the customer for this"),
        ("Business Validation Error: You can only use one foreign currency per transaction.", "has one currency"),
        ("Multi Currency should be enabled to perform this operation.", "Switch on Multicurrency"),
        ("Business Validation Error: We're sorry, something else.", "something else"),
    ],
)
def test_error_6000_is_explained(detail: str, words: str) -> None:
    assert words in explain_error(6000, detail)


# ---- what the books can't hold -----------------------------------------------------------------------


def refuse(tenant: Tenant, currency: str) -> dict[str, Any]:
    """The refusal of a quote in this currency."""
    answer = tenant.post_checkout(quote={"currency": currency, "id": f"in-{currency}"})
    assert answer.status_code == 422, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    return found


@pytest.mark.parametrize("currency", ["GBP", "EUR", "KWD", "NOK"])
def test_a_quote_in_a_currency_that_the_books_cannot_hold_is_refused_with_words(
    any_tenant: Tenant, currency: str
) -> None:
    import_ledger_lists(any_tenant.merchant, now=timezone.now())
    problem = refuse(any_tenant, currency)
    assert "quote.currency" in str(problem)
    assert f"{currency} is not switched on" in str(problem)


def test_a_currency_that_was_switched_off_is_refused_before_anybody_is_charged(any_tenant: Tenant) -> None:
    checkout = any_tenant.open_checkout(quote={"currency": "USD"})
    AccountingSettings.objects.update(currencies=["AUD"])
    checkout.pay()
    assert (any_tenant.total_charged(), checkout.payment.attempts.count()) == (0, 0)
    page = any_tenant.admin.get(checkout.path).content.decode()
    assert "take USD at the moment" in page


def test_one_currency_only_where_multicurrency_is_off(db: None, world: SandboxProcess) -> None:
    tenant = create_tenant(world, provider="quickbooks", organisation="us")
    import_ledger_lists(tenant.merchant, now=timezone.now())
    assert AccountingSettings.objects.get(merchant=tenant.merchant).currencies == ["USD"]
    assert not can_book(tenant.merchant, "AUD")
    assert "AUD is not switched on" in str(refuse(tenant, "AUD"))


def test_nothing_is_refused_while_the_books_did_not_say(any_tenant: Tenant) -> None:
    AccountingSettings.objects.update(currencies=[])
    body = merge_body(BODY, {"quote": {"currency": "GBP"}})
    assert any_tenant.call(body).status_code == 201
