"""QuickBooks' rows beside Xero's: calls against what the work cannot do without."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.downloads import request_download
from accounting.models import Posting
from payers.models import PayerCompany
from payers.services import link_contact
from payments.models import GatewayAccount
from sandbox.launch import Running
from tests.bench.rows import row
from tests.bench.workload import CALLS_A_QUOTE, open_quote, pay_quietly
from tests.people import House, build_house

SIZES = (1, 15, 50, 200)
BATCH, PAGE = 30, 1000


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


def least_calls(*, quotes: int, contacts: int) -> int:
    """A payment names the invoice that it pays, so there are two calls at least; contacts come before documents."""
    return max(2, math.ceil(CALLS_A_QUOTE * quotes / BATCH)) + math.ceil(contacts / BATCH)


def known_customers(house: House, count: int) -> list[str]:
    """Customers that somebody made in the practice books before."""
    made = [{"DisplayName": f"Known {number}"} for number in range(count)]
    house.world.post("/intuit/_control", {"create": {"company": "au", "Customer": made}})
    rows = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]["Customer"]
    return [key for key, found in rows.items() if found["DisplayName"].startswith("Known ")]


def pay_many(house: House, *, quotes: int, contacts: int) -> None:
    """`quotes` paid quotes of as many companies, `contacts` of which the books don't know."""
    account = GatewayAccount.objects.get(merchant=house.merchant)
    for number in range(quotes):
        pay_quietly(open_quote(house, company=f"Payer {number}").payment, account, now=timezone.now())
    known = PayerCompany.objects.filter(merchant=house.merchant).order_by("pk")[contacts:]
    for company, contact_id in zip(known, known_customers(house, len(known)), strict=True):
        link_contact(company, organisation_id=house.connection.organisation_id, contact_id=contact_id)


def calls_of(house: House, drain: Callable[..., int]) -> int:
    """How often QuickBooks is asked until nothing waits; every answer is good."""
    before = len(house.world.journal("quickbooks"))
    drain()
    for minute in range(1, 20):
        if not Posting.objects.exclude(state__in=Posting.OVER).exists():
            break
        drain(at=timezone.now() + timedelta(minutes=minute))
    calls = house.world.journal("quickbooks")[before:]
    assert {call["status"] for call in calls} <= {200}
    return len(calls)


@pytest.mark.parametrize(("quotes", "contacts"), [(n, k) for n in SIZES for k in (n, 0)])
def test_quickbooks_calls(house: House, drain: Callable[..., int], quotes: int, contacts: int) -> None:
    drain()
    pay_many(house, quotes=quotes, contacts=contacts)
    calls = calls_of(house, drain)
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    name = f"QuickBooks: {quotes} paid quotes, {contacts} new contacts"
    assert row(name, calls, "calls", bound=least_calls(quotes=quotes, contacts=contacts)).holds


@pytest.mark.parametrize("contacts", [0, 1000, 2500])
def test_full_download(house: House, drain: Callable[..., int], contacts: int) -> None:
    """Contacts, and one page of credit memos."""
    drain()
    if contacts:
        known_customers(house, contacts)
    request_download(house.merchant, by=None, now=timezone.now())
    least = max(1, math.ceil(contacts / PAGE)) + 1
    name = f"QuickBooks: full download, {contacts} contacts"
    assert row(name, calls_of(house, drain), "calls", bound=least).holds


def test_incremental_download(house: House, drain: Callable[..., int]) -> None:
    """Contacts and credit memos, with what was deleted, by change data capture."""
    drain()
    request_download(house.merchant, by=None, now=timezone.now())
    drain()
    request_download(house.merchant, by=None, now=timezone.now() + timedelta(minutes=5))
    assert row("QuickBooks: incremental download", calls_of(house, drain), "calls", bound=1).holds
