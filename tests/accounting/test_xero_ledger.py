"""The ledger's promises, and the traps of Xero's SDK shown closed, over HTTP."""

import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers import open_ledger
from accounting.ledgers.words import (
    ContactOrder,
    DocumentOrder,
    Ledger,
    NoteFacts,
    NoteOrder,
    PaymentOrder,
    RefundOrder,
    RemovalOrder,
    Written,
)
from accounting.ledgers.xero import XeroLedger
from tests.people import House
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.money import Money

TODAY = date(2026, 11, 21)


@pytest.fixture
def ledger(house: House) -> Ledger:
    """The merchant's books."""
    return open_ledger(house.connection, lane="company", now=timezone.now())


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
    ledger = XeroLedger("token", house.connection, lane="company")
    with pytest.raises(Unavailable) as caught:
        ledger.read_accounts()
    assert not caught.value.maybe_done


def test_a_revoked_token_is_disconnected(house: House, ledger: Ledger) -> None:
    house.world.post("/xero/_control", {"revoke": house.user.email})
    with pytest.raises(Disconnected):
        ledger.read_accounts()


def test_two_clients_in_one_process_keep_their_own_tokens(house: House, stranger: House) -> None:
    mine = open_ledger(house.connection, lane="company", now=timezone.now())
    theirs = open_ledger(stranger.connection, lane="company", now=timezone.now())
    assert mine.read_accounts()
    assert theirs.read_accounts()
    crossed = XeroLedger(stranger.connection.access_token.reveal(), house.connection, lane="company")
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_the_sdk_never_refreshes(house: House) -> None:
    house.world.post("/xero/_control", {"expire": "access"})
    before = len(house.world.journal("xero-oauth"))
    ledger = XeroLedger(house.connection.access_token.reveal(), house.connection, lane="company")
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


def on_note(note: Written, amount: int = 62500) -> NoteOrder:
    return NoteOrder(note.number, note.id, TODAY, Money(amount, "AUD"))


def back(note: Written, amount: int, number: str = "PF_RF-1") -> RefundOrder:
    return RefundOrder(number, note.number, note.id, TODAY, Money(amount, "AUD"), "615")


def draft(ledger: Ledger, number: str = "PF_CR-1") -> Written:
    [made] = ledger.create_draft_notes([order(contact(ledger, number), number)], key=f"d-{number}")
    assert made.id, made.refusal
    return made


def approved(ledger: Ledger, number: str = "PF_CR-1") -> Written:
    [made] = ledger.create_credit_notes([order(contact(ledger, number), number)], key=f"n-{number}")
    return made


def facts(ledger: Ledger, number: str = "PF_CR-1") -> NoteFacts:
    [found] = ledger.read_credit_notes([number])
    return found


def test_a_draft_is_approved_once_and_then_found_approved(ledger: Ledger) -> None:
    made = draft(ledger)
    assert ledger.find_credit_notes([order("", "PF_CR-1")]) == [made]
    assert ledger.find_approved_notes([on_note(made)]) == []
    assert ledger.approve_notes([on_note(made)], key="a") == [made]
    assert ledger.find_approved_notes([on_note(made)]) == [made]
    assert ledger.find_approved_notes([on_note(made, amount=1)]) == []
    assert ledger.approve_notes([on_note(made)], key="a2") == [made]
    assert facts(ledger) == NoteFacts("PF_CR-1", made.id, "approved", Money(62500, "AUD"), Money(62500, "AUD"))


def test_a_draft_is_removed_and_an_approved_note_is_not(ledger: Ledger) -> None:
    gone, stays = draft(ledger), approved(ledger, "PF_CR-2")
    assert ledger.find_removed_drafts([on_note(gone)]) == []
    removed, refused = ledger.remove_drafts([on_note(gone), on_note(stays)], key="r")
    assert removed == gone
    assert (refused.id, "DELETED" in refused.refusal) == ("", True)
    assert ledger.find_removed_drafts([on_note(gone), on_note(stays)]) == [gone]
    assert (facts(ledger).status, facts(ledger, "PF_CR-2").status) == ("removed", "approved")
    assert ledger.find_credit_notes([order("", "PF_CR-1")]) == []


def test_an_untouched_note_is_voided_and_a_used_one_is_not(ledger: Ledger) -> None:
    free, used = approved(ledger), approved(ledger, "PF_CR-2")
    ledger.create_refunds([back(used, 10000)], key="f")
    voided, refused = ledger.void_notes([on_note(free), on_note(used)], key="v")
    assert voided == free
    assert refused.refusal
    assert ledger.find_voided_notes([on_note(free), on_note(used)]) == [free]
    assert (facts(ledger).status, facts(ledger, "PF_CR-2").is_untouched) == ("voided", False)


def test_refunds_are_made_found_and_taken_back(ledger: Ledger) -> None:
    note = approved(ledger)
    [first] = ledger.create_refunds([back(note, 10000)], key="f")
    assert ledger.find_refunds([back(note, 10000), back(note, 10000, "PF_RF-2")]) == [first]
    assert ledger.find_refunds([back(note, 9999)]) == []
    seen = facts(ledger)
    assert (seen.remaining, [r.reference for r in seen.refunds]) == (Money(52500, "AUD"), ["PF_RF-1"])
    [too_much] = ledger.create_refunds([back(note, 52501, "PF_RF-2")], key="f2")
    assert too_much.refusal
    removal = RemovalOrder("PF_RF-1", first.id)
    assert ledger.find_removed_payments([removal]) == []
    assert ledger.remove_payments([removal], key="x") == [first]
    assert ledger.find_removed_payments([removal]) == [Written("PF_RF-1", id=first.id)]
    assert (facts(ledger).remaining, ledger.find_refunds([back(note, 10000)])) == (Money(62500, "AUD"), [])
    with pytest.raises(Rejected, match="already been deleted"):
        ledger.remove_payments([removal], key="x2")


def test_a_fully_refunded_note_has_nothing_left(ledger: Ledger) -> None:
    note = approved(ledger)
    ledger.create_refunds([back(note, 62500)], key="f")
    assert (facts(ledger).status, facts(ledger).remaining) == ("applied", Money(0, "AUD"))


def test_a_payment_that_was_taken_back_is_not_found_and_can_be_made_again(ledger: Ledger) -> None:
    ledger.create_invoices([order(contact(ledger))], key="i")
    [first] = ledger.create_payments([paid()], key="p")
    ledger.remove_payments([RemovalOrder("PF-1", first.id)], key="x")
    assert ledger.find_payments([paid()]) == []
    again = PaymentOrder("PF-1-2", "PF-1", TODAY, Money(62500, "AUD"), "615")
    [second] = ledger.create_payments([again], key="p2")
    assert ledger.find_payments([again]) == [second]
    assert ledger.find_payments([paid()]) == []


def test_an_unpaid_invoice_takes_another_amount_and_a_paid_one_does_not(ledger: Ledger) -> None:
    contact_id = contact(ledger)
    [made] = ledger.create_invoices([order(contact_id)], key="i")
    change = order(contact_id, "PF-1-2", 125000, id=made.id)
    assert ledger.find_changed_invoices([change]) == []
    assert ledger.change_invoices([change], key="c") == [Written("PF-1-2", id=made.id)]
    assert ledger.find_changed_invoices([change]) == [Written("PF-1-2", id=made.id)]
    assert ledger.find_invoices([order(contact_id, amount=125000)]) == [made]
    ledger.create_payments([paid(amount=125000)], key="p")
    [refused] = ledger.change_invoices([order(contact_id, "PF-1-3", 1, id=made.id)], key="c2")
    assert refused.refusal


def test_notes_are_read_in_pages_without_those_that_are_not_ours(house: House, ledger: Ledger) -> None:
    approved(ledger)
    ledger.create_credit_notes([order(contact(ledger), "CN-77")], key="n")
    page = ledger.read_note_page(1, since=None)
    assert ([n.number for n in page.rows], page.pages) == (["PF_CR-1"], 1)
    assert ledger.read_note_page(1, since=timezone.now() + timedelta(hours=1)).rows == ()


def test_contacts_are_read_in_pages_with_the_archived_ones(ledger: Ledger) -> None:
    contact_id = contact(ledger, "Harbour Dental")
    rows = {c.id: c for c in ledger.read_contact_page(1, since=None).rows}
    found = rows[contact_id]
    assert (found.name, found.email, found.is_active) == ("Harbour Dental", "a@example.com", True)
    assert ledger.read_contact_page(1, since=timezone.now() + timedelta(hours=1)).rows == ()
    assert "None" not in {c.email for c in rows.values()}


@pytest.mark.parametrize("verb", ["approve_notes", "remove_drafts"])
def test_a_dropped_answer_to_a_change_is_one_execution_too(house: House, ledger: Ledger, verb: str) -> None:
    made = draft(ledger)
    with house.world.faulty("xero", "drop_after", method="POST", path="/CreditNotes*"), pytest.raises(Unavailable):
        getattr(ledger, verb)([on_note(made)], key="k")
    posts = [e for e in house.world.journal("xero") if e["method"] == "POST"]
    assert len(posts) == 1
    assert facts(ledger).status == {"approve_notes": "approved", "remove_drafts": "removed"}[verb]
