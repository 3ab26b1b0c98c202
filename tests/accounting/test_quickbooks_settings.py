"""The settings of a merchant whose books are QuickBooks': accounts, the item of the lines, tax codes."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, LedgerItem, Posting
from accounting.views import why_waiting
from merchants.models import Notification
from sandbox.launch import Running
from tests.people import House, build_house, usual_accounts

ACCOUNTS = "configure/merchants/accounts"
Drain = Callable[..., int]


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


def later(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def chosen(house: House) -> AccountingSettings:
    """The settings, read afresh."""
    return AccountingSettings.objects.get(merchant=house.merchant)


def test_everything_is_chosen_from_what_quickbooks_has(house: House) -> None:
    page = house.admin.get(house.url(ACCOUNTS)).content.decode()
    for offered in ("615 · Wise-Pay Clearing", "815 · Wise-Pay Prepayments", "Item for Prepayments", "Out of Scope"):
        assert offered in page
    for hidden in ("Imported without an account", "GST (10 %)", "Retired Service"):
        assert hidden not in page
    assert house.admin.post(house.url(ACCOUNTS), usual_accounts(house.merchant)).status_code == 302


def test_xero_asks_for_no_item(db: None, world: Running) -> None:
    xero = build_house(world)
    assert "Item for Prepayments" not in xero.admin.get(xero.url(ACCOUNTS)).content.decode()


def test_an_item_of_another_account_is_refused(house: House) -> None:
    other = LedgerItem.objects.get(merchant=house.merchant, name="Services")
    answer = house.admin.post(house.url(ACCOUNTS), usual_accounts(house.merchant) | {"item": other.code})
    assert answer.status_code == 422
    assert "another one than the account for prepayments" in answer.content.decode().replace("&#x27;", "'")


def test_an_item_is_made_on_request_and_what_waited_is_booked_with_it(house: House, drain: Drain) -> None:
    assert "Make one: “Wise-Pay quote payments”" in house.admin.get(house.url(ACCOUNTS)).content.decode()
    house.admin.post(house.url(ACCOUNTS), usual_accounts(house.merchant) | {"item": "new"})
    assert chosen(house).item == ""
    house.open_checkout().pay()
    drain()
    drain()
    made = LedgerItem.objects.get(merchant=house.merchant, name="Wise-Pay quote payments")
    assert (chosen(house).item, made.account) == (made.code, chosen(house).prepayments_account)
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_without_an_item_nothing_is_sent_and_the_reason_is_shown(house: House, drain: Drain) -> None:
    drain()
    AccountingSettings.objects.update(item="")
    before = len(house.world.journal("quickbooks"))
    house.open_checkout().pay()
    drain()
    assert len(house.world.journal("quickbooks")) == before
    assert b"item for prepayments" in house.admin.get(house.url("postings/")).content


def test_an_item_that_cannot_be_made_is_told(house: House, drain: Drain) -> None:
    drain()
    income = {"Name": "Wise-Pay quote payments", "Type": "Service", "IncomeAccountRef": {"value": "2"}}
    house.world.post("/intuit/_control", {"create": {"company": "au", "Item": [income]}})
    house.admin.post(house.url(ACCOUNTS), usual_accounts(house.merchant) | {"item": "new"})
    drain()
    assert chosen(house).item == ""
    [told] = Notification.objects.filter(event="posting_refused")
    assert "another income account" in told.body


def test_a_closed_day_waits_with_a_reason_and_is_booked_after_retry(house: House, drain: Drain) -> None:
    drain()
    house.world.post("/intuit/_control", {"close_books": {"company": "au", "date": "2099-12-31"}})
    house.open_checkout().pay()
    drain()
    refused = Posting.objects.filter(state="rejected")
    assert {p.kind for p in refused} == {"invoice", "credit_note"}
    assert all("books are closed" in p.error for p in refused)
    house.world.post("/intuit/_control", {"close_books": {"company": "au", "date": None}})
    house.admin.post(house.url("postings/retry"))
    drain()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_weather_at_any_call_ends_with_every_document_once(house: House, drain: Drain, kind: str, skip: int) -> None:
    checkout = house.open_checkout()
    drain()
    status = {} if kind.startswith("drop") else {"status": 502}
    house.world.fault("quickbooks", kind, path="*/batch", times=1, skip=skip, **status)
    checkout.pay()
    drain()
    for seconds in (30, 90):
        drain(at=later(seconds))
    assert {p.kind: p.state for p in Posting.objects.all()} == dict.fromkeys(
        ("contact", "invoice", "credit_note", "payment"), "posted"
    )
    held = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]
    assert [len(held[name]) for name in ("Customer", "Invoice", "CreditMemo", "Payment")] == [1, 1, 1, 1]
    assert why_waiting(house.merchant, now=later(90)) == ""


def test_a_company_that_applies_credits_by_itself_is_warned_of_before_anything_is_refused(
    house: House, drain: Drain
) -> None:
    words = "Switch off “Automatically apply credits”"
    assert words not in house.admin.get(house.url(ACCOUNTS)).content.decode()
    house.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": True}})
    house.admin.post(house.url(f"{ACCOUNTS}/lists"))
    drain()
    assert words in house.admin.get(house.url(ACCOUNTS)).content.decode()
    assert "Settings of the accounting package" in house.admin.get(house.url("quotes/setup")).content.decode()
    house.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": False}})
    house.admin.post(house.url(f"{ACCOUNTS}/lists"))
    drain()
    assert words not in house.admin.get(house.url(ACCOUNTS)).content.decode()
    assert chosen(house).is_complete, "what was chosen stays"
