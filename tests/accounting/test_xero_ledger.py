"""The ledger's promises, and the traps of Xero's SDK shown closed, over HTTP."""

import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers import open_ledger
from accounting.ledgers.words import ContactOrder, DocumentOrder, Ledger, PaymentOrder, Written
from accounting.ledgers.xero import XeroLedger
from tests.people import House
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.money import Money

TODAY = date(2026, 11, 21)


@pytest.fixture
def ledger(house: House) -> Ledger:
    """The merchant's books."""
    return open_ledger(house.connection, now=timezone.now())


def contact(ledger: Ledger, name: str = "Harbour Dental") -> str:
    [made] = ledger.create_contacts([ContactOrder(f"no-{name}"[:50], name, "a@example.com", "")], key=f"c-{name}")
    assert made.id, made.refusal
    return made.id


def order(contact_id: str, number: str = "PF-1", amount: int = 62500, **changes: Any) -> DocumentOrder:
    words: dict[str, Any] = {
        "number": number,
        "contact_id": contact_id,
        "on": TODAY,
        "reference": "PF Q1-1",
        "description": "Prepayment",
        "amount": Money(amount, "AUD"),
        "account": "815",
        "tax_code": "BASEXCLUDED",
    }
    return DocumentOrder(**(words | changes))


def paid(number: str = "PF-1", amount: int = 62500) -> PaymentOrder:
    return PaymentOrder(number, number, TODAY, Money(amount, "AUD"), "615")


def writes(house: House, path: str) -> int:
    return len([e for e in house.world.journal("xero") if e["method"] == "PUT" and e["path"].startswith(path)])


def test_documents_are_made_and_found_again(ledger: Ledger) -> None:
    contact_id = contact(ledger)
    [invoice] = ledger.create_invoices([order(contact_id)], key="i")
    [note] = ledger.create_credit_notes([order(contact_id, "PF_CR-1")], key="n")
    [payment] = ledger.create_payments([paid()], key="p")
    assert ledger.find_invoices([order(contact_id)]) == [Written("PF-1", id=invoice.id)]
    assert ledger.find_credit_notes([order(contact_id, "PF_CR-1")]) == [Written("PF_CR-1", id=note.id)]
    assert ledger.find_payments([paid()]) == [Written("PF-1", id=payment.id)]
    assert ledger.find_contacts([ContactOrder("other", "Harbour Dental", "", "")]) == [Written("other", id=contact_id)]


def test_what_is_not_there_is_not_found(ledger: Ledger) -> None:
    contact_id = contact(ledger)
    ledger.create_invoices([order(contact_id)], key="i")
    assert ledger.find_invoices([order(contact_id, "PF-2")]) == []
    assert ledger.find_invoices([order(contact_id, amount=1)]) == []
    assert ledger.find_credit_notes([order(contact_id)]) == []
    assert ledger.find_payments([paid()]) == []
    assert ledger.find_contacts([ContactOrder("x", 'Quote " and \\ slash', "", "")]) == []


def test_each_element_of_a_batch_is_judged_by_itself(ledger: Ledger) -> None:
    contact_id = contact(ledger)
    orders = [order(contact_id, "PF-1"), order(contact_id, "PF-2", account="000"), order(contact_id, "PF-3")]
    good, bad, also_good = ledger.create_invoices(orders, key="i")
    assert good.id
    assert also_good.id
    assert not bad.id
    assert bad.refusal.endswith(".") or bad.refusal


def test_amounts_keep_every_cent(ledger: Ledger) -> None:
    contact_id = contact(ledger)
    for number, amount in (("PF-1", 1), ("PF-2", 10), ("PF-3", 99_999_999_99), ("PF-4", 123_456_789_01)):
        [made] = ledger.create_invoices([order(contact_id, number, amount)], key=number)
        assert ledger.find_invoices([order(contact_id, number, amount)]) == [Written(number, id=made.id)]


def test_lists_are_read_with_exact_rates(ledger: Ledger) -> None:
    accounts = {a.code: a for a in ledger.read_accounts()}
    assert accounts["615"].takes_payments
    assert not accounts["815"].takes_payments
    assert "899" not in accounts
    codes = {c.code: c.rate for c in ledger.read_tax_codes()}
    assert codes["BASEXCLUDED"] == 0
    assert codes["OUTPUT"] == Decimal(10)


def test_a_dropped_answer_is_one_execution(house: House, ledger: Ledger) -> None:
    contact_id = contact(ledger)
    with house.world.faulty("xero", "drop_after", path="/CreditNotes*"), pytest.raises(Unavailable) as caught:
        ledger.create_credit_notes([order(contact_id, "PF_CR-1")], key="n")
    assert caught.value.maybe_done
    assert writes(house, "/CreditNotes") == 1
    assert len(ledger.find_credit_notes([order(contact_id, "PF_CR-1")])) == 1


def test_a_rate_limit_is_raised_at_once_with_its_pause(house: House, ledger: Ledger) -> None:
    contact_id = contact(ledger)
    order_of_fault = {"status": 429, "headers": {"Retry-After": "37", "X-Rate-Limit-Problem": "minute"}}
    began = time.monotonic()
    with (
        house.world.faulty("xero", "status", path="/Invoices*", **order_of_fault),
        pytest.raises(Unavailable) as caught,
    ):
        ledger.create_invoices([order(contact_id)], key="i")
    assert time.monotonic() - began < 2
    assert caught.value.retry_after == 37
    assert not caught.value.maybe_done
    assert writes(house, "/Invoices") == 1


def test_a_silent_xero_is_given_up_in_time(house: House, ledger: Ledger, settings: Any) -> None:
    settings.HTTP_TIMEOUT = (1, 1)
    began = time.monotonic()
    with house.world.faulty("xero", "timeout", path="/Accounts*", seconds=10), pytest.raises(Unavailable):
        ledger.read_accounts()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["status", "html", "drop_before"])
def test_weather_is_unavailable(house: House, ledger: Ledger, kind: str) -> None:
    with house.world.faulty("xero", kind, path="/Accounts*", times=1), pytest.raises(Unavailable):
        ledger.read_accounts()
    assert ledger.read_accounts()


def test_a_refused_connection_certainly_did_nothing(house: House, settings: Any) -> None:
    settings.XERO_API_URL = "http://127.0.0.1:1/api.xro/2.0"
    ledger = XeroLedger("token", house.connection.organisation_id)
    with pytest.raises(Unavailable) as caught:
        ledger.read_accounts()
    assert not caught.value.maybe_done


def test_a_revoked_token_is_disconnected(house: House, ledger: Ledger) -> None:
    house.world.post("/xero/_control", {"revoke": house.user.email})
    with pytest.raises(Disconnected):
        ledger.read_accounts()


def test_two_clients_in_one_process_keep_their_own_tokens(house: House, stranger: House) -> None:
    mine = open_ledger(house.connection, now=timezone.now())
    theirs = open_ledger(stranger.connection, now=timezone.now())
    assert mine.read_accounts()
    assert theirs.read_accounts()
    crossed = XeroLedger(stranger.connection.access_token.reveal(), house.connection.organisation_id)
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_the_sdk_never_refreshes(house: House) -> None:
    house.world.post("/xero/_control", {"expire": "access"})
    before = len(house.world.journal("xero-oauth"))
    ledger = XeroLedger(house.connection.access_token.reveal(), house.connection.organisation_id)
    with pytest.raises(Disconnected):
        ledger.read_accounts()
    assert len(house.world.journal("xero-oauth")) == before


def test_a_batch_that_is_refused_as_a_whole_says_why(house: House, ledger: Ledger) -> None:
    contact_id = contact(ledger)
    body = {"Type": "ValidationException", "Message": "The organisation is locked", "Elements": []}
    with (
        house.world.faulty("xero", "status", path="/Invoices*", status=400, body=body),
        pytest.raises(Rejected) as caught,
    ):
        ledger.create_invoices([order(contact_id)], key="i")
    assert "locked" in caught.value.message
