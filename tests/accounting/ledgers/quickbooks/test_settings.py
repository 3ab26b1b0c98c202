"""The settings of a merchant whose books are QuickBooks': accounts, the item of the lines, tax codes."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, LedgerItem, Posting
from accounting.posting.services import get_waiting_reason
from merchants.models import Notification
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import Tenant, create_tenant, get_usual_accounts

ACCOUNTS = "configure/merchants/accounts"
SendPostings = Callable[..., int]


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose books are QuickBooks'."""
    return create_tenant(world, provider="quickbooks")


def get_time_in(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def get_settings(tenant: Tenant) -> AccountingSettings:
    """The settings, read afresh."""
    return AccountingSettings.objects.get(merchant=tenant.merchant)


def test_everything_is_chosen_from_what_quickbooks_has(tenant: Tenant) -> None:
    page = tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    for offered in ("615 · Wise-Pay Clearing", "815 · Wise-Pay Prepayments", "Item for Prepayments", "Out of Scope"):
        assert offered in page
    for hidden in ("Imported without an account", "GST (10 %)", "Retired Service"):
        assert hidden not in page
    assert tenant.admin.post(tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant)).status_code == 302


def test_xero_asks_for_no_item(db: None, world: SandboxProcess) -> None:
    xero = create_tenant(world)
    assert "Item for Prepayments" not in xero.admin.get(xero.url(ACCOUNTS)).content.decode()


def test_an_item_of_another_account_is_refused(tenant: Tenant) -> None:
    other = LedgerItem.objects.get(merchant=tenant.merchant, name="Services")
    answer = tenant.admin.post(tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant) | {"item": other.code})
    assert answer.status_code == 422
    assert "another one than the account for prepayments" in answer.content.decode().replace("&#x27;", "'")


def test_an_item_is_made_on_request_and_what_waited_is_booked_with_it(tenant: Tenant, deliver: SendPostings) -> None:
    assert "Make one: “Wise-Pay quote payments”" in tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    tenant.admin.post(tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant) | {"item": "new"})
    assert get_settings(tenant).item == ""
    tenant.open_checkout().pay()
    deliver()
    deliver()
    made = LedgerItem.objects.get(merchant=tenant.merchant, name="Wise-Pay quote payments")
    assert (get_settings(tenant).item, made.account) == (made.code, get_settings(tenant).prepayments_account)
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_without_an_item_nothing_is_sent_and_the_reason_is_shown(tenant: Tenant, deliver: SendPostings) -> None:
    deliver()
    AccountingSettings.objects.update(item="")
    before = len(tenant.world.journal("quickbooks"))
    tenant.open_checkout().pay()
    deliver()
    assert len(tenant.world.journal("quickbooks")) == before
    assert b"item for prepayments" in tenant.admin.get(tenant.url("postings/")).content


def test_an_item_that_cannot_be_created_is_notified(tenant: Tenant, deliver: SendPostings) -> None:
    deliver()
    income = {"Name": "Wise-Pay quote payments", "Type": "Service", "IncomeAccountRef": {"value": "2"}}
    tenant.world.post("/intuit/_control", {"create": {"company": "au", "Item": [income]}})
    tenant.admin.post(tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant) | {"item": "new"})
    deliver()
    assert get_settings(tenant).item == ""
    [notification] = Notification.objects.filter(event="posting_refused")
    assert "another income account" in notification.body


def test_a_closed_day_waits_with_a_reason_and_is_booked_after_retry(tenant: Tenant, deliver: SendPostings) -> None:
    deliver()
    tenant.world.post("/intuit/_control", {"close_books": {"company": "au", "date": "2099-12-31"}})
    tenant.open_checkout().pay()
    deliver()
    refused = Posting.objects.filter(state="rejected")
    assert {p.kind for p in refused} == {"invoice", "credit_note"}
    assert all("books are closed" in p.error for p in refused)
    tenant.world.post("/intuit/_control", {"close_books": {"company": "au", "date": None}})
    tenant.admin.post(tenant.url("postings/retry"))
    deliver()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_failure_of_any_call_ends_with_every_document_once(
    tenant: Tenant, deliver: SendPostings, kind: str, skip: int
) -> None:
    checkout = tenant.open_checkout()
    deliver()
    status = {} if kind.startswith("drop") else {"status": 502}
    tenant.world.fault("quickbooks", kind, path="*/batch", times=1, skip=skip, **status)
    checkout.pay()
    deliver()
    for seconds in (30, 90):
        deliver(at=get_time_in(seconds))
    assert {p.kind: p.state for p in Posting.objects.all()} == dict.fromkeys(
        ("contact", "invoice", "credit_note", "payment"), "posted"
    )
    tables = tenant.world.state()["sections"]["intuit"]["companies"][tenant.connection.organisation_id]
    assert [len(tables[name]) for name in ("Customer", "Invoice", "CreditMemo", "Payment")] == [1, 1, 1, 1]
    assert get_waiting_reason(tenant.merchant, now=get_time_in(90)) == ""


def test_a_company_that_applies_credits_by_itself_is_warned_of_before_anything_is_refused(
    tenant: Tenant, deliver: SendPostings
) -> None:
    words = "Switch off “Automatically apply credits”"
    assert words not in tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    tenant.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": True}})
    tenant.admin.post(tenant.url(f"{ACCOUNTS}/lists"))
    deliver()
    assert words in tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    assert "Settings of the accounting package" in tenant.admin.get(tenant.url("quotes/setup")).content.decode()
    tenant.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": False}})
    tenant.admin.post(tenant.url(f"{ACCOUNTS}/lists"))
    deliver()
    assert words not in tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    assert get_settings(tenant).is_complete, "what was chosen stays"
