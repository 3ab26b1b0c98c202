"""What every ledger promises of reading: pages in an order that stands still, changes, what left, money, documents."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounting.ledgers.protocol import (
    AllocationOrder,
    PaymentRemovalOrder,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePayment,
    WriteResult,
)
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase, aud
from wisepay.errors import Rejected, Unavailable

READ_MODES = ("all", "changed", "long ago", "by id")


def get_time_ago(**span: float) -> datetime:
    """So long ago."""
    return timezone.now() - timedelta(**span)


def invoices(ledger_case: LedgerCase, way: str = "all") -> dict[str, RemoteInvoice]:
    """The first page of the books' invoices by number, read this way."""
    page = ledger_case.ledger.read_invoice_page(1, since=get_since(way))
    if way == "by id":
        page = ledger_case.ledger.read_invoices([row.id for row in page.rows])
    return {row.number: row for row in page.rows}


def credit_notes(ledger_case: LedgerCase, way: str = "all") -> dict[str, RemoteCreditNoteDetails]:
    """The same of credit notes."""
    page = ledger_case.ledger.read_credit_note_page(1, since=get_since(way))
    if way == "by id":
        page = ledger_case.ledger.read_credit_notes_by_id([row.id for row in page.rows])
    return {row.number: row for row in page.rows}


def get_since(way: str) -> datetime | None:
    """What a page is asked for."""
    return {"changed": get_time_ago(days=1), "long ago": get_time_ago(days=60)}.get(way)


def payments(ledger_case: LedgerCase, *, since: datetime | None = None) -> dict[str, RemotePayment]:
    """The payments that stand, by their reference."""
    page = ledger_case.ledger.read_payment_page(1, since=since)
    return {row.reference: row for row in page.rows if row.is_standing}


def create_allocation(
    ledger_case: LedgerCase, invoice: WriteResult, note: WriteResult, contact_id: str, amount: int
) -> WriteResult:
    """A part of a credit put to an invoice."""
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(amount), contact_id)
    [made] = ledger_case.ledger.create_allocations([order], key="al")
    assert made.id, made.refusal
    return made


# ---- documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", READ_MODES)
def test_an_invoice_is_read_with_everything_that_was_applied_to_it(ledger_case: LedgerCase, way: str) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    ledger_case.create_invoice(whose, "INV-2", 100)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, 20000, number="PF-7")], key="p"
    )
    create_allocation(ledger_case, invoice, note, whose, 12500)
    found = invoices(ledger_case, way)
    document = found["INV-1"]
    assert (document.id, document.contact_id, document.remark, document.status) == (
        invoice.id,
        whose,
        "PF Q1-1",
        "open",
    )
    assert (document.total, document.due, document.issued_on, document.due_on) == (aud(62500), aud(30000), TODAY, TODAY)
    assert abs(document.changed_at - timezone.now()) < timedelta(seconds=30)
    money, credit = sorted(document.applied, key=lambda each: each.kind, reverse=True)
    assert (money.kind, money.id, money.source_id, money.amount, money.on) == (
        "payment", paid.id, paid.id, aud(20000), TODAY,
    )  # fmt: skip
    assert money.remark == "PF-7"
    assert (credit.kind, credit.source_id, credit.amount, credit.on) == ("credit", note.id, aud(12500), TODAY)
    assert (found["INV-2"].applied, found["INV-2"].due) == ((), aud(100))


@pytest.mark.parametrize("way", READ_MODES)
def test_an_invoice_is_paid_when_nothing_is_due_and_void_when_somebody_voided_it(
    ledger_case: LedgerCase, way: str
) -> None:
    whose = ledger_case.create_contact()
    full, void = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_invoice(whose, "INV-2")
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(full, whose, number="PF-7")], key="p")
    ledger_case.act_in_ledger("void", invoice=void.number)
    found = invoices(ledger_case, way)
    assert {number: row.status for number, row in found.items()} == {"INV-1": "paid", "INV-2": "voided"}
    assert (found["INV-1"].due, found["INV-2"].due) == (aud(0), aud(0))


def test_what_was_removed_is_not_read(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, 20000, number="PF-7")], key="p"
    )
    put = create_allocation(ledger_case, invoice, note, whose, 12500)
    ledger_case.ledger.remove_payments([PaymentRemovalOrder("PF-7", paid.id)], key="x")
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(12500), whose, put.id)
    ledger_case.ledger.remove_allocations([order], key="y")
    for way in READ_MODES:
        assert (invoices(ledger_case, way)["INV-1"].applied, invoices(ledger_case, way)["INV-1"].due) == (
            (),
            aud(62500),
        )
        assert credit_notes(ledger_case, way)["PF_CR-1"].is_unused


@pytest.mark.parametrize("way", READ_MODES)
def test_credits_are_read_whoever_created_them_with_their_uses(ledger_case: LedgerCase, way: str) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    ledger_case.create_credit_note("CN-77", whose)
    put = create_allocation(ledger_case, invoice, note, whose, 12500)
    [back] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    found = credit_notes(ledger_case, way)
    document = found["PF_CR-1"]
    assert set(found) == {"PF_CR-1", "CN-77"}
    assert (document.id, document.contact_id, document.remark, document.issued_on) == (note.id, whose, "PF Q1-1", TODAY)
    assert (document.status, document.total, document.remaining) == ("approved", aud(62500), aud(40000))
    [allocation] = document.allocations
    assert (allocation.id, allocation.invoice_id, allocation.invoice) == (put.id, invoice.id, "INV-1")
    assert (allocation.amount, allocation.on) == (aud(12500), TODAY)
    assert [(r.id, r.reference, r.amount) for r in document.refunds] == [(back.id, "PF_RF-1", aud(10000))]
    assert found["CN-77"].is_unused


@pytest.mark.parametrize("way", READ_MODES)
def test_a_credit_of_which_nothing_remains_is_applied_and_one_that_a_person_voided_is_void(
    ledger_case: LedgerCase, way: str
) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    ledger_case.create_credit_note("PF_CR-2", whose)
    create_allocation(ledger_case, invoice, note, whose, 62500)
    ledger_case.act_in_ledger("void", credit_note="PF_CR-2")
    statuses = {number: row.status for number, row in credit_notes(ledger_case, way).items()}
    assert statuses == {"PF_CR-1": "applied", "PF_CR-2": "voided"}


def test_contacts_are_read_with_those_that_were_retired(ledger_case: LedgerCase) -> None:
    active, gone = ledger_case.create_contact(), ledger_case.create_contact("Old Client")
    retire = {"xero": ("edit_contact", {"contact": gone, "status": "ARCHIVED"}), "quickbooks": ("retire", {})}
    act, fields = retire[ledger_case.tenant.connection.provider]
    ledger_case.act_in_ledger(act, **(fields or {"customer": gone}))
    for page in (
        ledger_case.ledger.read_contact_page(1, since=None),
        ledger_case.ledger.read_contact_page(1, since=get_time_ago(days=1)),
        ledger_case.ledger.read_contact_page(1, since=get_time_ago(days=60)),
        ledger_case.ledger.read_contacts([active, gone]),
    ):
        found = {row.id: row for row in page.rows}
        assert (found[active].name, found[active].email, found[active].is_active) == (
            "Harbour Dental",
            "a@example.com",
            True,
        )
        assert (found[gone].is_active, page.tombstones) == (False, ())
        assert found[active].changed_at is not None


# ---- pages and changes ------------------------------------------------------------------------------


@pytest.fixture
def two_rows_per_page(ledger_case: LedgerCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that answer two rows at a time."""
    for name in ("xero.reading", "quickbooks.company"):
        monkeypatch.setattr(f"accounting.ledgers.{name}.LARGEST_PAGE", 2)
    monkeypatch.setattr("accounting.ledgers.quickbooks.company.QUERIES_PER_PAGE", 1)


@pytest.mark.usefixtures("two_rows_per_page")
def test_pages_hold_everything_although_rows_change_between_them(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    made = [ledger_case.create_invoice(whose, f"INV-{n}", 1000 + n) for n in range(5)]
    first = ledger_case.ledger.read_invoice_page(1, since=None)
    for n, invoice in enumerate(made):
        ledger_case.ledger.create_payments(
            [ledger_case.build_payment_order(invoice, whose, 100, number=f"PF-{n}")], key=f"p{n}"
        )
    others = [ledger_case.ledger.read_invoice_page(page, since=None) for page in range(2, first.pages + 1)]
    assert first.pages == 3
    assert {row.id for page in (first, *others) for row in page.rows} == {invoice.id for invoice in made}
    assert all(len(row.applied) == 1 for row in others[-1].rows)


@pytest.mark.usefixtures("two_rows_per_page")
@pytest.mark.parametrize("verb", ["read_contact_page", "read_credit_note_page", "read_payment_page"])
def test_every_list_is_read_to_its_end(ledger_case: LedgerCase, verb: str) -> None:
    whose = ledger_case.create_contact()
    for n in range(3):
        ledger_case.create_credit_note(f"CN-{n}", ledger_case.create_contact(f"Client {n}"))
        invoice = ledger_case.create_invoice(whose, f"INV-{n}")
        ledger_case.ledger.create_payments(
            [ledger_case.build_payment_order(invoice, whose, number=f"PF-{n}")], key=f"p{n}"
        )
    read = getattr(ledger_case.ledger, verb)
    first = read(1, since=None)
    rows = {row.id for page in range(1, first.pages + 1) for row in read(page, since=None).rows}
    assert first.pages == 2
    assert len(rows) == {"read_contact_page": 4}.get(verb, 3)


@pytest.mark.usefixtures("two_rows_per_page")
def test_money_that_is_taken_back_between_two_pages_hides_no_other(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(whose, "INV-1")
    orders = [ledger_case.build_payment_order(invoice, whose, 100 + n, number=f"PF-{n}") for n in range(5)]
    made = [ledger_case.ledger.create_payments([order], key=order.number)[0].id for order in orders]
    first = ledger_case.ledger.read_payment_page(1, since=None)
    ledger_case.ledger.remove_payments([PaymentRemovalOrder("x", first.rows[0].id)], key="x")
    others = [ledger_case.ledger.read_payment_page(page, since=None) for page in range(2, first.pages + 1)]
    assert {row.id for page in (first, *others) for row in page.rows} == set(made)


def test_only_what_changed_is_read(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    old, fresh = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_invoice(whose, "INV-2")
    ledger_case.create_credit_note(contact_id=whose)
    ledger_case.tenant.world.advance(1500)
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(fresh, whose, number="PF-7")], key="p")
    since = timezone.now() + timedelta(minutes=20)
    assert [row.id for row in ledger_case.ledger.read_invoice_page(1, since=since).rows] == [fresh.id]
    assert [row.reference for row in ledger_case.ledger.read_payment_page(1, since=since).rows] == ["PF-7"]
    assert ledger_case.ledger.read_credit_note_page(1, since=since).rows == ()
    assert {row.id for row in ledger_case.ledger.read_invoice_page(1, since=None).rows} == {old.id, fresh.id}
    later = timezone.now() + timedelta(hours=9)
    for verb in ("read_contact_page", "read_invoice_page", "read_credit_note_page", "read_payment_page"):
        assert getattr(ledger_case.ledger, verb)(1, since=later).rows == ()


def test_a_page_carries_the_books_own_clock(ledger_case: LedgerCase) -> None:
    ledger_case.tenant.world.advance(1500)
    for verb in ("read_contact_page", "read_invoice_page", "read_credit_note_page"):
        for since in (None, get_time_ago(days=1), get_time_ago(days=60)):
            as_of = getattr(ledger_case.ledger, verb)(1, since=since).as_of
            assert abs(as_of - timezone.now() - timedelta(seconds=1500)) < timedelta(seconds=30)


def test_what_is_asked_for_by_id_and_missing_is_a_tombstone_where_rows_can_be_deleted(
    ledger_case: LedgerCase,
) -> None:
    nobody = str(uuid.uuid4()) if ledger_case.ledger.deletion_feed_window is None else "987654"
    for verb in ("read_contacts", "read_invoices", "read_credit_notes_by_id"):
        page = getattr(ledger_case.ledger, verb)([nobody])
        assert (page.rows, page.tombstones) == (
            (),
            () if ledger_case.ledger.deletion_feed_window is None else (nobody,),
        )


# ---- money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [None, 1, 60])
def test_payments_are_read_with_their_account_and_what_they_were_for(ledger_case: LedgerCase, days: int | None) -> None:
    whose, clearing = ledger_case.create_contact(), ledger_case.settings.clearing_account
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, 20000, number="PF-7")], key="p"
    )
    [back] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    create_allocation(ledger_case, invoice, note, whose, 12500)
    found = payments(ledger_case, since=get_time_ago(days=days) if days else None)
    assert found == {
        "PF-7": RemotePayment(paid.id, "PF-7", aud(20000), TODAY, clearing, True, True, invoice.id, "INV-1"),
        "PF_RF-1": RemotePayment(back.id, "PF_RF-1", aud(10000), TODAY, clearing, False, True, note.id, "PF_CR-1"),
    }


def test_money_that_was_taken_back_stands_no_more(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(whose, "INV-1"), ledger_case.create_credit_note(contact_id=whose)
    [paid] = ledger_case.ledger.create_payments(
        [ledger_case.build_payment_order(invoice, whose, number="PF-7")], key="p"
    )
    [back] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    for made in (paid, back):
        ledger_case.ledger.remove_payments([PaymentRemovalOrder(made.number, made.id)], key=made.number)
    page = ledger_case.ledger.read_payment_page(1, since=get_time_ago(days=1))
    ended = {row.id for row in page.rows if not row.is_standing} | set(page.tombstones)
    assert [row for row in page.rows if row.is_standing] == []
    assert {paid.id, back.id.partition("-")[0] if ledger_case.ledger.deletion_feed_window else back.id} <= ended


# ---- terms and documents ----------------------------------------------------------------------------


def test_terms_are_read_under_their_own_names(ledger_case: LedgerCase) -> None:
    terms = ledger_case.ledger.read_terms()
    assert len({term.id for term in terms}) == len(terms) > 0
    assert all(term.id and term.name for term in terms)


def test_books_whose_settings_spoil_nothing_warn_of_nothing(ledger_case: LedgerCase) -> None:
    assert ledger_case.ledger.read_settings_warning() == ""


def test_an_invoice_is_had_as_a_document(ledger_case: LedgerCase) -> None:
    invoice = ledger_case.create_invoice(ledger_case.create_contact(), "INV-1")
    assert ledger_case.ledger.read_invoice_pdf(invoice.id).startswith(b"%PDF")
    with pytest.raises(Rejected):
        ledger_case.ledger.read_invoice_pdf(
            str(uuid.uuid4()) if ledger_case.ledger.deletion_feed_window is None else "987654"
        )


def test_a_document_that_is_none_is_unavailable(ledger_case: LedgerCase) -> None:
    invoice = ledger_case.create_invoice(ledger_case.create_contact(), "INV-1")
    provider = ledger_case.tenant.connection.provider
    for fault in ({"kind": "html", "status": 200}, {"kind": "html", "status": 502}, {"kind": "drop_before"}):
        with ledger_case.tenant.world.inject_fault(provider, **fault, times=1), pytest.raises(Unavailable):
            ledger_case.ledger.read_invoice_pdf(invoice.id)
