"""QuickBooks read: what it costs, one answer for all kinds, what left the books, payments that do several things."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers.quickbooks import QuickBooksLedger
from accounting.ledgers.words import AllocationOrder, Applied, RemovalOrder, Written
from connections.budget import Account
from sandbox.launch import Running
from tests.accounting.test_ledger_contract import TODAY, Desk, aud, desk
from tests.people import House, build_house

__all__ = ["desk"]
KINDS = ("read_contact_page", "read_invoice_page", "read_credit_page", "read_payment_page")


@pytest.fixture
def any_house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


@pytest.fixture
def lately() -> Any:
    """An instant before everything."""
    return timezone.now() - timedelta(hours=1)


def calls_of(desk: Desk, verb: str, **asked: Any) -> int:
    """How many calls a page takes that is read by a ledger of its own."""
    before = desk.calls()
    getattr(opened(desk), verb)(1, **({"since": None} | asked))
    return desk.calls() - before


def opened(desk: Desk) -> QuickBooksLedger:
    """The same books, as another worker opens them."""
    held = desk.house.connection
    return QuickBooksLedger(held.access_token.reveal(), Account.of(held), lane="service")


def create(desk: Desk, **rows: list[dict[str, Any]]) -> None:
    """Write objects as somebody's other app does."""
    desk.house.world.post("/intuit/_control", {"create": {"company": "au", **rows}})


def joined(whose: str, total: str, *lines: tuple[str, Written, str], **more: str) -> dict[str, Any]:
    """A payment of these lines."""
    linked = [{"Amount": amount, "LinkedTxn": [{"TxnId": w.id, "TxnType": kind}]} for kind, w, amount in lines]
    return {"CustomerRef": {"value": whose}, "TotalAmt": total, "TxnDate": TODAY.isoformat(), "Line": linked, **more}


# ---- what it costs ----------------------------------------------------------------------------------


def test_a_full_reading_costs_one_call_a_page_and_what_it_cannot_do_without(desk: Desk) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    assert [calls_of(desk, verb) for verb in KINDS] == [1, 1, 1, 1]
    desk.ledger.create_payments([desk.paid(invoice, whose, 100, number="PF-7")], key="p")
    assert [calls_of(desk, verb) for verb in KINDS] == [1, 2, 1, 2]
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(100), whose)
    desk.ledger.allocate_credits([order], key="a")
    assert [calls_of(desk, verb) for verb in KINDS] == [1, 2, 3, 2]


def test_one_answer_tells_the_changes_of_all_kinds_and_a_second_look_asks_again(desk: Desk, lately: Any) -> None:
    whose = desk.contact()
    invoice = desk.invoice(whose, "INV-1")
    desk.note(contact_id=whose)
    desk.ledger.create_payments([desk.paid(invoice, whose, 100, number="PF-7")], key="p")
    before, ledger = desk.calls(), opened(desk)
    pages = [getattr(ledger, verb)(1, since=lately) for verb in KINDS]
    assert (desk.calls() - before, [len(page.rows) for page in pages]) == (1, [1, 1, 1, 1])
    desk.invoice(whose, "INV-2")
    assert [row.number for row in ledger.read_invoice_page(1, since=lately).rows] == ["INV-1", "INV-2"]
    assert desk.calls() - before == 3


def test_a_kind_that_is_asked_for_from_later_on_is_told_only_that(desk: Desk, lately: Any) -> None:
    whose = desk.contact()
    desk.invoice(whose, "INV-1")
    desk.house.world.advance(1500)
    desk.invoice(whose, "INV-2")
    before, ledger = desk.calls(), opened(desk)
    assert len(ledger.read_contact_page(1, since=lately).rows) == 1
    later = timezone.now() + timedelta(minutes=20)
    assert [row.number for row in ledger.read_invoice_page(1, since=later).rows] == ["INV-2"]
    assert desk.calls() - before == 1


def test_an_older_payment_of_a_changed_invoice_is_one_call_more(desk: Desk) -> None:
    whose = desk.contact()
    invoice = desk.invoice(whose, "INV-1")
    desk.ledger.create_payments([desk.paid(invoice, whose, 100, number="PF-7")], key="p")
    desk.house.world.advance(1500)
    desk.ledger.create_payments([desk.paid(invoice, whose, 200, number="PF-8")], key="q")
    since = timezone.now() + timedelta(minutes=20)
    assert calls_of(desk, "read_invoice_page", since=since) == 2
    [row] = opened(desk).read_invoice_page(1, since=since).rows
    assert {each.remark for each in row.applied} == {"PF-7", "PF-8"}


# ---- what left the books ----------------------------------------------------------------------------


def test_what_somebody_deleted_is_told_as_gone_by_kind_and_by_id(desk: Desk, lately: Any) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, 100, number="PF-7")], key="p")
    desk.by_hand("delete", payment="PF-7")
    desk.by_hand("delete", invoice="INV-1")
    desk.by_hand("delete", credit_note="PF_CR-1")
    ledger = opened(desk)
    gone = [getattr(ledger, verb)(1, since=lately).gone for verb in KINDS]
    assert gone == [(), (invoice.id,), (note.id,), (paid.id,)]
    assert ledger.read_invoices([invoice.id]).gone == (invoice.id,)
    assert ledger.read_credits([note.id]).gone == (note.id,)


def test_changes_that_are_too_many_for_one_answer_are_read_by_pages(
    desk: Desk, lately: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounting.ledgers.quickbooks_reading.MOST_TOLD", 3)
    whose = desk.contact()
    made = [desk.invoice(whose, f"INV-{n}") for n in range(3)]
    desk.by_hand("delete", invoice="INV-0")
    page = opened(desk).read_invoice_page(1, since=lately)
    assert ([row.id for row in page.rows], page.gone) == ([w.id for w in made[1:]], (made[0].id,))
    assert calls_of(desk, "read_invoice_page", since=lately) == 2


def test_a_row_that_is_deleted_between_two_pages_hides_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounting.ledgers.quickbooks_base.LARGEST_PAGE", 2)
    monkeypatch.setattr("accounting.ledgers.quickbooks_base.MARGIN", 1)
    whose = desk.contact()
    made = [desk.invoice(whose, f"INV-{n}").id for n in range(7)]
    first = desk.ledger.read_invoice_page(1, since=None)
    desk.by_hand("delete", invoice="INV-0")
    second = desk.ledger.read_invoice_page(2, since=None)
    assert [row.id for row in first.rows] == made[:4]
    assert [row.id for row in second.rows] == made[4:]


def test_a_voided_payment_stands_no_more_and_a_join_stands_as_its_refund_only(desk: Desk, lately: Any) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, 100, number="PF-7")], key="p")
    [back] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    join, _, _ = back.id.partition("-")
    desk.by_hand("void", payment="PF-7")
    for since in (lately, None, timezone.now() - timedelta(days=60)):
        page = opened(desk).read_payment_page(1, since=since)
        assert ([row.id for row in page.rows], set(page.gone)) == ([back.id], {paid.id, join})


# ---- payments that do several things ----------------------------------------------------------------


def test_a_payment_of_money_and_credit_is_told_as_both_and_left_to_a_person(desk: Desk) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1", 10000), desk.note(contact_id=whose)
    create(desk, Payment=[joined(whose, "60.00", ("Invoice", invoice, "100.00"), ("CreditMemo", note, "40.00"))])
    [row] = desk.ledger.read_invoices([invoice.id]).rows
    [payment] = {each.source_id for each in row.applied if each.kind == "payment"}
    assert set(row.applied) == {
        Applied("payment", payment, payment, "", aud(6000), TODAY),
        Applied("credit", f"{payment}-{note.id}", note.id, "", aud(4000), TODAY),
    }
    [credit] = desk.ledger.read_credits([note.id]).rows
    assert [(a.id, a.invoice, a.amount) for a in credit.allocations] == [(payment, "INV-1", aud(4000))]
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(4000), whose)
    assert desk.ledger.find_allocations([order]) == [Written("PF_AL-1", id=payment)]
    there = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(4000), whose, payment)
    [refused] = desk.ledger.remove_allocations([there], key="x")
    assert "take the tick off the credit memo" in refused.refusal
    assert desk.ledger.read_invoices([invoice.id]).rows == (row,)


def test_a_payment_of_several_invoices_and_credits_is_told_to_the_cent(desk: Desk) -> None:
    whose = desk.contact()
    one, two = desk.invoice(whose, "INV-1", 10000), desk.invoice(whose, "INV-2", 10000)
    note, other = desk.note(contact_id=whose), desk.note("PF_CR-2", whose)
    lines = (("Invoice", two, "70.00"), ("CreditMemo", other, "60.00"), ("Invoice", one, "100.00"))
    create(desk, Payment=[joined(whose, "30.00", *lines, ("CreditMemo", note, "80.00"))])
    first, second = desk.ledger.read_invoices([one.id, two.id]).rows
    shares = [[(each.kind, each.amount.amount) for each in row.applied] for row in (first, second)]
    assert shares == [[("credit", 8000), ("credit", 2000)], [("credit", 4000), ("payment", 3000)]]
    assert len({each.id for each in first.applied}) == 2
    used = {row.number: sum(a.amount.amount for a in row.allocations) for row in desk.ledger.read_credit_page(
        1, since=None).rows}  # fmt: skip
    assert used == {"PF_CR-1": 8000, "PF_CR-2": 6000}


def test_a_payment_of_several_invoices_is_money_once(desk: Desk) -> None:
    whose = desk.contact()
    one, two = desk.invoice(whose, "INV-1", 10000), desk.invoice(whose, "INV-2", 10000)
    lines = (("Invoice", one, "100.00"), ("Invoice", two, "30.00"))
    create(desk, Payment=[joined(whose, "150.00", *lines, PaymentRefNum="EFT")])
    [row] = desk.ledger.read_payment_page(1, since=None).rows
    assert (row.reference, row.amount, row.document_number) == ("EFT", aud(15000), "INV-1")


def test_a_refund_that_was_taken_back_is_gone(desk: Desk, lately: Any) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    [back] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    assert desk.ledger.find_removed_payments([RemovalOrder("PF_RF-1", back.id)]) == []
    desk.ledger.remove_payments([RemovalOrder("PF_RF-1", back.id)], key="x")
    page = opened(desk).read_payment_page(1, since=lately)
    assert (page.rows, page.gone) == ((), (back.id.partition("-")[0],))


def test_whether_many_payments_were_taken_back_is_one_call(desk: Desk) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    orders = [desk.paid(invoice, whose, 100, number=f"PF-{n}") for n in range(3)]
    made = desk.ledger.create_payments(orders, key="p")
    back = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    asked = [RemovalOrder(w.number, w.id) for w in (*made, *back)]
    desk.by_hand("delete", payment="PF-0")
    desk.by_hand("void", payment="PF-1")
    before = desk.calls()
    assert [w.number for w in desk.ledger.find_removed_payments(asked)] == ["PF-0", "PF-1"]
    assert desk.calls() - before == 1


# ---- fields -----------------------------------------------------------------------------------------


def test_what_a_customer_may_read_of_an_invoice_is_its_remark_and_a_private_note_is_not(desk: Desk) -> None:
    made = desk.invoice(desk.contact(), "INV-1")
    field = {"DefinitionId": "1", "Name": "P.O. Number", "Type": "StringType", "StringValue": "PO 4711"}
    fields = {"CustomField": [field], "CustomerMemo": {"value": "Thanks"}, "PrivateNote": "Pays late"}
    edit = {"company": "au", "invoice": "INV-1", "fields": fields}
    desk.house.world.post("/intuit/_control", {"edit": edit})
    [row] = desk.ledger.read_invoices([made.id]).rows
    assert row.remark == "PO 4711 · Thanks"


def test_an_invoices_terms_are_among_the_terms_of_the_books(desk: Desk) -> None:
    terms = {term.name: term.id for term in desk.ledger.read_terms()}
    assert list(terms) == ["Due on receipt", "Net 15", "Net 30", "Net 60"]
    whose = desk.contact()
    line = {"Amount": 10, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {
        "ItemRef": {"value": "1"}, "TaxCodeRef": {"value": desk.chosen.tax_code}}}  # fmt: skip
    rows = {"CustomerRef": {"value": whose}, "Line": [line], "SalesTermRef": {"value": terms["Net 15"]}}
    create(desk, Invoice=[{**rows, "TxnDate": TODAY.isoformat()}])
    [row] = desk.ledger.read_invoice_page(1, since=None).rows
    assert (row.term_id, row.due_on) == (terms["Net 15"], TODAY + timedelta(days=15))


def test_books_that_apply_credits_by_themselves_say_what_to_switch_off(desk: Desk) -> None:
    desk.house.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": True}})
    assert "Switch off “Automatically apply credits”" in desk.ledger.read_warning()


def test_a_row_that_nobody_can_read_is_left_out_and_is_not_gone(desk: Desk, lately: Any) -> None:
    made = desk.invoice(desk.contact(), "INV-1")
    broken = {"Id": "7", "DocNumber": "INV-7", "MetaData": {"LastUpdatedTime": "2026-11-21T10:00:00-07:00"}}
    body = {"QueryResponse": {"Invoice": [broken]}, "time": "2026-11-21T10:00:00.000-07:00"}
    with desk.house.world.faulty("quickbooks", "status", status=200, body=body, path="*/query", times=1):
        page = desk.ledger.read_invoices(["7", made.id])
    assert (page.rows, page.gone) == ((), (made.id,))
    body = {"QueryResponse": {"CreditMemo": [{**broken, "TotalAmt": 5, "Balance": 1}]}}
    with desk.house.world.faulty("quickbooks", "status", status=200, body=body, path="*/query", times=1):
        notes = desk.ledger.read_credits(["7"])
    assert (notes.rows, notes.gone) == ((), ())
