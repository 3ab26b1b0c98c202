"""QuickBooks read: what it costs, one answer for all kinds, what left the books, payments that do several things."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers.protocol import AllocationOrder, PaymentRemovalOrder, RemoteApplication, WriteResult
from accounting.ledgers.quickbooks.ledger import QuickBooksLedger
from connections.rate_limiter.limiter import BudgetAccount
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase, aud
from tests.tenants import Tenant, create_tenant

KINDS = ("read_contact_page", "read_invoice_page", "read_credit_note_page", "read_payment_page")


@pytest.fixture
def any_tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose books are QuickBooks'."""
    return create_tenant(world, provider="quickbooks")


@pytest.fixture
def an_hour_ago() -> Any:
    """An instant before everything."""
    return timezone.now() - timedelta(hours=1)


def count_calls(ledger_case: LedgerCase, verb: str, **asked: Any) -> int:
    """How many calls a page takes that is read by a ledger of its own."""
    before = ledger_case.count_calls()
    getattr(open_again(ledger_case), verb)(1, **({"since": None} | asked))
    return ledger_case.count_calls() - before


def open_again(ledger_case: LedgerCase) -> QuickBooksLedger:
    """The same books, as another worker opens them."""
    connection = ledger_case.tenant.connection
    return QuickBooksLedger(connection.access_token.decrypt(), BudgetAccount.from_owner(connection), priority="service")


def create_objects(ledger_case: LedgerCase, **rows: list[dict[str, Any]]) -> None:
    """Write objects as somebody's other app does."""
    ledger_case.tenant.world.post("/intuit/_control", {"create": {"company": "au", **rows}})


def build_payment(whose: str, total: str, *lines: tuple[str, WriteResult, str], **more: str) -> dict[str, Any]:
    """A payment of these lines."""
    linked = [{"Amount": amount, "LinkedTxn": [{"TxnId": w.id, "TxnType": kind}]} for kind, w, amount in lines]
    return {"CustomerRef": {"value": whose}, "TotalAmt": total, "TxnDate": TODAY.isoformat(), "Line": linked, **more}


# ---- what it costs ----------------------------------------------------------------------------------


def test_a_full_reading_costs_one_call_a_page_and_what_it_cannot_do_without(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    assert [count_calls(ledger_case, verb) for verb in KINDS] == [1, 1, 1, 1]
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(invoice, whose, 100, number="PF-7")], key="p")
    assert [count_calls(ledger_case, verb) for verb in KINDS] == [1, 2, 1, 2]
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(100), whose)
    ledger_case.ledger.create_allocations([order], key="a")
    assert [count_calls(ledger_case, verb) for verb in KINDS] == [1, 2, 3, 2]


def test_one_answer_tells_the_changes_of_all_kinds_and_a_second_look_asks_again(
    ledger_case: LedgerCase, an_hour_ago: Any
) -> None:
    whose = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(whose, "INV-1")
    ledger_case.create_credit_note(contact_id=whose)
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(invoice, whose, 100, number="PF-7")], key="p")
    before, ledger = ledger_case.count_calls(), open_again(ledger_case)
    pages = [getattr(ledger, verb)(1, since=an_hour_ago) for verb in KINDS]
    assert (ledger_case.count_calls() - before, [len(page.rows) for page in pages]) == (1, [1, 1, 1, 1])
    ledger_case.create_invoice(whose, "INV-2")
    assert [row.number for row in ledger.read_invoice_page(1, since=an_hour_ago).rows] == ["INV-1", "INV-2"]
    assert ledger_case.count_calls() - before == 3


def test_a_kind_that_is_asked_for_from_later_on_is_read_only_from_there(
    ledger_case: LedgerCase, an_hour_ago: Any
) -> None:
    whose = ledger_case.create_contact()
    ledger_case.create_invoice(whose, "INV-1")
    ledger_case.tenant.world.advance(1500)
    ledger_case.create_invoice(whose, "INV-2")
    before, ledger = ledger_case.count_calls(), open_again(ledger_case)
    assert len(ledger.read_contact_page(1, since=an_hour_ago).rows) == 1
    later = timezone.now() + timedelta(minutes=20)
    assert [row.number for row in ledger.read_invoice_page(1, since=later).rows] == ["INV-2"]
    assert ledger_case.count_calls() - before == 1


def test_an_older_payment_of_a_changed_invoice_is_one_call_more(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(whose, "INV-1")
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(invoice, whose, 100, number="PF-7")], key="p")
    ledger_case.tenant.world.advance(1500)
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(invoice, whose, 200, number="PF-8")], key="q")
    since = timezone.now() + timedelta(minutes=20)
    assert count_calls(ledger_case, "read_invoice_page", since=since) == 2
    [row] = open_again(ledger_case).read_invoice_page(1, since=since).rows
    assert {each.remark for each in row.applied} == {"PF-7", "PF-8"}


# ---- what left the books ----------------------------------------------------------------------------


def test_what_somebody_deleted_is_a_tombstone_by_kind_and_by_id(ledger_case: LedgerCase, an_hour_ago: Any) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, 100, number="PF-7")], key="p"
    )
    ledger_case.act_in_ledger("delete", payment="PF-7")
    ledger_case.act_in_ledger("delete", invoice="INV-1")
    ledger_case.act_in_ledger("delete", credit_note="PF_CR-1")
    ledger = open_again(ledger_case)
    gone = [getattr(ledger, verb)(1, since=an_hour_ago).tombstones for verb in KINDS]
    assert gone == [(), (invoice.id,), (note.id,), (paid.id,)]
    assert ledger.read_invoices([invoice.id]).tombstones == (invoice.id,)
    assert ledger.read_credit_notes_by_id([note.id]).tombstones == (note.id,)


def test_changes_that_are_too_many_for_one_answer_are_read_by_pages(
    ledger_case: LedgerCase, an_hour_ago: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounting.ledgers.quickbooks.reading.MAX_CAPTURED_CHANGES", 3)
    whose = ledger_case.create_contact()
    made = [ledger_case.create_invoice(whose, f"INV-{n}") for n in range(3)]
    ledger_case.act_in_ledger("delete", invoice="INV-0")
    page = open_again(ledger_case).read_invoice_page(1, since=an_hour_ago)
    assert ([row.id for row in page.rows], page.tombstones) == ([w.id for w in made[1:]], (made[0].id,))
    assert count_calls(ledger_case, "read_invoice_page", since=an_hour_ago) == 2


def test_a_row_that_is_deleted_between_two_pages_hides_no_other(
    ledger_case: LedgerCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounting.ledgers.quickbooks.company.LARGEST_PAGE", 2)
    monkeypatch.setattr("accounting.ledgers.quickbooks.company.PAGE_OVERLAP", 1)
    whose = ledger_case.create_contact()
    made = [ledger_case.create_invoice(whose, f"INV-{n}").id for n in range(7)]
    first = ledger_case.ledger.read_invoice_page(1, since=None)
    ledger_case.act_in_ledger("delete", invoice="INV-0")
    second = ledger_case.ledger.read_invoice_page(2, since=None)
    assert [row.id for row in first.rows] == made[:4]
    assert [row.id for row in second.rows] == made[4:]


def test_a_voided_payment_stands_no_more_and_a_join_stands_as_its_refund_only(
    ledger_case: LedgerCase, an_hour_ago: Any
) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, 100, number="PF-7")], key="p"
    )
    [back] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    join, _, _ = back.id.partition("-")
    ledger_case.act_in_ledger("void", payment="PF-7")
    for since in (an_hour_ago, None, timezone.now() - timedelta(days=60)):
        page = open_again(ledger_case).read_payment_page(1, since=since)
        assert ([row.id for row in page.rows], set(page.tombstones)) == ([back.id], {paid.id, join})


# ---- payments that do several things ----------------------------------------------------------------


def test_a_payment_of_money_and_credit_is_read_as_both_and_remains_with_a_person(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1", 10000), ledger_case.create_credit_note(contact_id=whose)
    create_objects(
        ledger_case,
        Payment=[build_payment(whose, "60.00", ("Invoice", invoice, "100.00"), ("CreditMemo", note, "40.00"))],
    )
    [row] = ledger_case.ledger.read_invoices([invoice.id]).rows
    [payment] = {each.source_id for each in row.applied if each.kind == "payment"}
    assert set(row.applied) == {
        RemoteApplication("payment", payment, payment, "", aud(6000), TODAY),
        RemoteApplication("credit", f"{payment}-{note.id}", note.id, "", aud(4000), TODAY),
    }
    [credit] = ledger_case.ledger.read_credit_notes_by_id([note.id]).rows
    assert [(a.id, a.invoice, a.amount) for a in credit.allocations] == [(payment, "INV-1", aud(4000))]
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(4000), whose)
    assert ledger_case.ledger.find_allocations([order]) == [WriteResult("PF_AL-1", id=payment)]
    there = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(4000), whose, payment)
    [refused] = ledger_case.ledger.remove_allocations([there], key="x")
    assert "take the tick off the credit memo" in refused.refusal
    assert ledger_case.ledger.read_invoices([invoice.id]).rows == (row,)


def test_a_payment_of_several_invoices_and_credits_is_read_to_the_cent(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    one, two = ledger_case.create_invoice(whose, "INV-1", 10000), ledger_case.create_invoice(whose, "INV-2", 10000)
    note, other = ledger_case.create_credit_note(contact_id=whose), ledger_case.create_credit_note("PF_CR-2", whose)
    lines = (("Invoice", two, "70.00"), ("CreditMemo", other, "60.00"), ("Invoice", one, "100.00"))
    create_objects(ledger_case, Payment=[build_payment(whose, "30.00", *lines, ("CreditMemo", note, "80.00"))])
    first, second = ledger_case.ledger.read_invoices([one.id, two.id]).rows
    shares = [[(each.kind, each.amount.amount) for each in row.applied] for row in (first, second)]
    assert shares == [[("credit", 8000), ("credit", 2000)], [("credit", 4000), ("payment", 3000)]]
    assert len({each.id for each in first.applied}) == 2
    page = ledger_case.ledger.read_credit_note_page(1, since=None)
    used = {row.number: sum(a.amount.amount for a in row.allocations) for row in page.rows}
    assert used == {"PF_CR-1": 8000, "PF_CR-2": 6000}


def test_a_payment_of_several_invoices_is_money_once(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    one, two = ledger_case.create_invoice(whose, "INV-1", 10000), ledger_case.create_invoice(whose, "INV-2", 10000)
    lines = (("Invoice", one, "100.00"), ("Invoice", two, "30.00"))
    create_objects(ledger_case, Payment=[build_payment(whose, "150.00", *lines, PaymentRefNum="EFT")])
    [row] = ledger_case.ledger.read_payment_page(1, since=None).rows
    assert (row.reference, row.amount, row.document_number) == ("EFT", aud(15000), "INV-1")


def test_a_refund_that_was_taken_back_is_gone(ledger_case: LedgerCase, an_hour_ago: Any) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    [back] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    assert ledger_case.ledger.find_removed_payments([PaymentRemovalOrder("PF_RF-1", back.id)]) == []
    ledger_case.ledger.remove_payments([PaymentRemovalOrder("PF_RF-1", back.id)], key="x")
    page = open_again(ledger_case).read_payment_page(1, since=an_hour_ago)
    assert (page.rows, page.tombstones) == ((), (back.id.partition("-")[0],))


def test_whether_many_payments_were_taken_back_is_one_call(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    orders = [ledger_case.build_payment_order(invoice, whose, 100, number=f"PF-{n}") for n in range(3)]
    made = ledger_case.ledger.create_payments(orders, key="p")
    back = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    asked = [PaymentRemovalOrder(w.number, w.id) for w in (*made, *back)]
    ledger_case.act_in_ledger("delete", payment="PF-0")
    ledger_case.act_in_ledger("void", payment="PF-1")
    before = ledger_case.count_calls()
    assert [w.number for w in ledger_case.ledger.find_removed_payments(asked)] == ["PF-0", "PF-1"]
    assert ledger_case.count_calls() - before == 1


# ---- fields -----------------------------------------------------------------------------------------


def test_what_a_customer_may_read_of_an_invoice_is_its_remark_and_a_private_note_is_not(
    ledger_case: LedgerCase,
) -> None:
    made = ledger_case.create_invoice(ledger_case.create_contact(), "INV-1")
    field = {"DefinitionId": "1", "Name": "P.O. Number", "Type": "StringType", "StringValue": "PO 4711"}
    fields = {"CustomField": [field], "CustomerMemo": {"value": "Thanks"}, "PrivateNote": "Pays late"}
    edit = {"company": "au", "invoice": "INV-1", "fields": fields}
    ledger_case.tenant.world.post("/intuit/_control", {"edit": edit})
    [row] = ledger_case.ledger.read_invoices([made.id]).rows
    assert row.remark == "PO 4711 · Thanks"


def test_an_invoices_terms_are_among_the_terms_of_the_books(ledger_case: LedgerCase) -> None:
    terms = {term.name: term.id for term in ledger_case.ledger.read_terms()}
    assert list(terms) == ["Due on receipt", "Net 15", "Net 30", "Net 60"]
    whose = ledger_case.create_contact()
    line = {"Amount": 10, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {
        "ItemRef": {"value": "1"}, "TaxCodeRef": {"value": ledger_case.settings.tax_code}}}  # fmt: skip
    rows = {"CustomerRef": {"value": whose}, "Line": [line], "SalesTermRef": {"value": terms["Net 15"]}}
    create_objects(ledger_case, Invoice=[{**rows, "TxnDate": TODAY.isoformat()}])
    [row] = ledger_case.ledger.read_invoice_page(1, since=None).rows
    assert (row.term_id, row.due_on) == (terms["Net 15"], TODAY + timedelta(days=15))


def test_books_that_apply_credits_by_themselves_say_what_to_switch_off(ledger_case: LedgerCase) -> None:
    ledger_case.tenant.world.post("/intuit/_control", {"preferences": {"company": "au", "AutoApplyCredit": True}})
    assert "Switch off “Automatically apply credits”" in ledger_case.ledger.read_settings_warning()


def test_a_row_that_nobody_can_read_is_left_out_and_is_not_gone(ledger_case: LedgerCase, an_hour_ago: Any) -> None:
    made = ledger_case.create_invoice(ledger_case.create_contact(), "INV-1")
    broken = {"Id": "7", "DocNumber": "INV-7", "MetaData": {"LastUpdatedTime": "2026-11-21T10:00:00-07:00"}}
    body = {"QueryResponse": {"Invoice": [broken]}, "time": "2026-11-21T10:00:00.000-07:00"}
    with ledger_case.tenant.world.inject_fault("quickbooks", "status", status=200, body=body, path="*/query", times=1):
        page = ledger_case.ledger.read_invoices(["7", made.id])
    assert (page.rows, page.tombstones) == ((), (made.id,))
    body = {"QueryResponse": {"CreditMemo": [{**broken, "TotalAmt": 5, "Balance": 1}]}}
    with ledger_case.tenant.world.inject_fault("quickbooks", "status", status=200, body=body, path="*/query", times=1):
        notes = ledger_case.ledger.read_credit_notes_by_id(["7"])
    assert (notes.rows, notes.tombstones) == ((), ())
