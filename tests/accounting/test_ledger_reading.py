"""What every ledger promises of reading: pages in an order that stands still, changes, what left, money, documents."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounting.ledgers.words import AllocationOrder, CreditFacts, InvoiceFacts, PaymentFacts, RemovalOrder, Written
from tests.accounting.test_ledger_contract import TODAY, Desk, aud, desk
from wisepay.errors import Rejected, Unavailable

__all__ = ["desk"]
WAYS = ("all", "changed", "long ago", "by id")


def back_to(**span: float) -> datetime:
    """So long ago."""
    return timezone.now() - timedelta(**span)


def invoices(desk: Desk, way: str = "all") -> dict[str, InvoiceFacts]:
    """The first page of the books' invoices by number, read this way."""
    page = desk.ledger.read_invoice_page(1, since=since_of(way))
    if way == "by id":
        page = desk.ledger.read_invoices([row.id for row in page.rows])
    return {row.number: row for row in page.rows}


def credit_notes(desk: Desk, way: str = "all") -> dict[str, CreditFacts]:
    """The same of credit notes."""
    page = desk.ledger.read_credit_page(1, since=since_of(way))
    if way == "by id":
        page = desk.ledger.read_credits([row.id for row in page.rows])
    return {row.number: row for row in page.rows}


def since_of(way: str) -> datetime | None:
    """What a page is asked for."""
    return {"changed": back_to(days=1), "long ago": back_to(days=60)}.get(way)


def payments(desk: Desk, *, since: datetime | None = None) -> dict[str, PaymentFacts]:
    """The payments that stand, by their reference."""
    page = desk.ledger.read_payment_page(1, since=since)
    return {row.reference: row for row in page.rows if row.is_standing}


def applied(desk: Desk, invoice: Written, note: Written, contact_id: str, amount: int) -> Written:
    """A part of a credit put to an invoice."""
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(amount), contact_id)
    [made] = desk.ledger.allocate_credits([order], key="al")
    assert made.id, made.refusal
    return made


# ---- documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_an_invoice_is_told_with_everything_that_was_put_to_it(desk: Desk, way: str) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    desk.invoice(whose, "INV-2", 100)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, 20000, number="PF-7")], key="p")
    applied(desk, invoice, note, whose, 12500)
    found = invoices(desk, way)
    told = found["INV-1"]
    assert (told.id, told.contact_id, told.remark, told.status) == (invoice.id, whose, "PF Q1-1", "open")
    assert (told.total, told.due, told.issued_on, told.due_on) == (aud(62500), aud(30000), TODAY, TODAY)
    assert abs(told.changed_at - timezone.now()) < timedelta(seconds=30)
    money, credit = sorted(told.applied, key=lambda each: each.kind, reverse=True)
    assert (money.kind, money.id, money.source_id, money.amount, money.on) == (
        "payment", paid.id, paid.id, aud(20000), TODAY,
    )  # fmt: skip
    assert money.remark == "PF-7"
    assert (credit.kind, credit.source_id, credit.amount, credit.on) == ("credit", note.id, aud(12500), TODAY)
    assert (found["INV-2"].applied, found["INV-2"].due) == ((), aud(100))


@pytest.mark.parametrize("way", WAYS)
def test_an_invoice_is_paid_when_nothing_is_due_and_void_when_somebody_voided_it(desk: Desk, way: str) -> None:
    whose = desk.contact()
    full, void = desk.invoice(whose, "INV-1"), desk.invoice(whose, "INV-2")
    desk.ledger.create_payments([desk.paid(full, whose, number="PF-7")], key="p")
    desk.by_hand("void", invoice=void.number)
    found = invoices(desk, way)
    assert {number: row.status for number, row in found.items()} == {"INV-1": "paid", "INV-2": "voided"}
    assert (found["INV-1"].due, found["INV-2"].due) == (aud(0), aud(0))


def test_what_was_taken_back_is_not_told(desk: Desk) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, 20000, number="PF-7")], key="p")
    put = applied(desk, invoice, note, whose, 12500)
    desk.ledger.remove_payments([RemovalOrder("PF-7", paid.id)], key="x")
    order = AllocationOrder("PF_AL-1", note.number, note.id, invoice.id, TODAY, aud(12500), whose, put.id)
    desk.ledger.remove_allocations([order], key="y")
    for way in WAYS:
        assert (invoices(desk, way)["INV-1"].applied, invoices(desk, way)["INV-1"].due) == ((), aud(62500))
        assert credit_notes(desk, way)["PF_CR-1"].is_untouched


@pytest.mark.parametrize("way", WAYS)
def test_credits_are_told_whoever_made_them_with_where_they_went(desk: Desk, way: str) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    desk.note("CN-77", whose)
    put = applied(desk, invoice, note, whose, 12500)
    [back] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    found = credit_notes(desk, way)
    told = found["PF_CR-1"]
    assert set(found) == {"PF_CR-1", "CN-77"}
    assert (told.id, told.contact_id, told.remark, told.issued_on) == (note.id, whose, "PF Q1-1", TODAY)
    assert (told.status, told.total, told.remaining) == ("approved", aud(62500), aud(40000))
    [allocation] = told.allocations
    assert (allocation.id, allocation.invoice_id, allocation.invoice) == (put.id, invoice.id, "INV-1")
    assert (allocation.amount, allocation.on) == (aud(12500), TODAY)
    assert [(r.id, r.reference, r.amount) for r in told.refunds] == [(back.id, "PF_RF-1", aud(10000))]
    assert found["CN-77"].is_untouched


@pytest.mark.parametrize("way", WAYS)
def test_a_credit_with_nothing_left_is_applied_and_one_that_a_person_voided_is_void(desk: Desk, way: str) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    desk.note("PF_CR-2", whose)
    applied(desk, invoice, note, whose, 62500)
    desk.by_hand("void", credit_note="PF_CR-2")
    statuses = {number: row.status for number, row in credit_notes(desk, way).items()}
    assert statuses == {"PF_CR-1": "applied", "PF_CR-2": "voided"}


def test_contacts_are_told_with_those_that_were_retired(desk: Desk) -> None:
    kept, gone = desk.contact(), desk.contact("Old Client")
    retire = {"xero": ("edit_contact", {"contact": gone, "status": "ARCHIVED"}), "quickbooks": ("retire", {})}
    act, said = retire[desk.house.connection.provider]
    desk.by_hand(act, **(said or {"customer": gone}))
    for page in (
        desk.ledger.read_contact_page(1, since=None),
        desk.ledger.read_contact_page(1, since=back_to(days=1)),
        desk.ledger.read_contact_page(1, since=back_to(days=60)),
        desk.ledger.read_contacts([kept, gone]),
    ):
        found = {row.id: row for row in page.rows}
        assert (found[kept].name, found[kept].email, found[kept].is_active) == ("Harbour Dental", "a@example.com", True)
        assert (found[gone].is_active, page.gone) == (False, ())
        assert found[kept].changed_at is not None


# ---- pages and changes ------------------------------------------------------------------------------


@pytest.fixture
def two_rows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that answer two rows at a time."""
    for name in ("xero_reading", "xero_payments", "quickbooks_base"):
        monkeypatch.setattr(f"accounting.ledgers.{name}.LARGEST_PAGE", 2)
    monkeypatch.setattr("accounting.ledgers.quickbooks_base.AT_ONCE", 1)


@pytest.mark.usefixtures("two_rows")
def test_pages_hold_everything_although_rows_change_between_them(desk: Desk) -> None:
    whose = desk.contact()
    made = [desk.invoice(whose, f"INV-{n}", 1000 + n) for n in range(5)]
    first = desk.ledger.read_invoice_page(1, since=None)
    for n, invoice in enumerate(made):
        desk.ledger.create_payments([desk.paid(invoice, whose, 100, number=f"PF-{n}")], key=f"p{n}")
    others = [desk.ledger.read_invoice_page(page, since=None) for page in range(2, first.pages + 1)]
    assert first.pages == 3
    assert {row.id for page in (first, *others) for row in page.rows} == {invoice.id for invoice in made}
    assert all(len(row.applied) == 1 for row in others[-1].rows)


@pytest.mark.usefixtures("two_rows")
@pytest.mark.parametrize("verb", ["read_contact_page", "read_credit_page", "read_payment_page"])
def test_every_list_is_read_to_its_end(desk: Desk, verb: str) -> None:
    whose = desk.contact()
    for n in range(3):
        desk.note(f"CN-{n}", desk.contact(f"Client {n}"))
        invoice = desk.invoice(whose, f"INV-{n}")
        desk.ledger.create_payments([desk.paid(invoice, whose, number=f"PF-{n}")], key=f"p{n}")
    read = getattr(desk.ledger, verb)
    first = read(1, since=None)
    rows = {row.id for page in range(1, first.pages + 1) for row in read(page, since=None).rows}
    assert first.pages == 2
    assert len(rows) == {"read_contact_page": 4}.get(verb, 3)


@pytest.mark.usefixtures("two_rows")
def test_money_that_is_taken_back_between_two_pages_hides_no_other(desk: Desk) -> None:
    whose = desk.contact()
    invoice = desk.invoice(whose, "INV-1")
    orders = [desk.paid(invoice, whose, 100 + n, number=f"PF-{n}") for n in range(5)]
    made = [desk.ledger.create_payments([order], key=order.number)[0].id for order in orders]
    first = desk.ledger.read_payment_page(1, since=None)
    desk.ledger.remove_payments([RemovalOrder("x", first.rows[0].id)], key="x")
    others = [desk.ledger.read_payment_page(page, since=None) for page in range(2, first.pages + 1)]
    assert {row.id for page in (first, *others) for row in page.rows} == set(made)


def test_only_what_changed_is_told(desk: Desk) -> None:
    whose = desk.contact()
    old, fresh = desk.invoice(whose, "INV-1"), desk.invoice(whose, "INV-2")
    desk.note(contact_id=whose)
    desk.house.world.advance(1500)
    desk.ledger.create_payments([desk.paid(fresh, whose, number="PF-7")], key="p")
    since = timezone.now() + timedelta(minutes=20)
    assert [row.id for row in desk.ledger.read_invoice_page(1, since=since).rows] == [fresh.id]
    assert [row.reference for row in desk.ledger.read_payment_page(1, since=since).rows] == ["PF-7"]
    assert desk.ledger.read_credit_page(1, since=since).rows == ()
    assert {row.id for row in desk.ledger.read_invoice_page(1, since=None).rows} == {old.id, fresh.id}
    later = timezone.now() + timedelta(hours=9)
    for verb in ("read_contact_page", "read_invoice_page", "read_credit_page", "read_payment_page"):
        assert getattr(desk.ledger, verb)(1, since=later).rows == ()


def test_a_page_carries_the_books_own_clock(desk: Desk) -> None:
    desk.house.world.advance(1500)
    for verb in ("read_contact_page", "read_invoice_page", "read_credit_page"):
        for since in (None, back_to(days=1), back_to(days=60)):
            as_of = getattr(desk.ledger, verb)(1, since=since).as_of
            assert abs(as_of - timezone.now() - timedelta(seconds=1500)) < timedelta(seconds=30)


def test_what_is_asked_for_by_id_and_not_there_is_not_told_and_surely_gone_where_rows_leave(desk: Desk) -> None:
    nobody = str(uuid.uuid4()) if desk.ledger.tells_gone is None else "987654"
    for verb in ("read_contacts", "read_invoices", "read_credits"):
        page = getattr(desk.ledger, verb)([nobody])
        assert (page.rows, page.gone) == ((), () if desk.ledger.tells_gone is None else (nobody,))


# ---- money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [None, 1, 60])
def test_payments_are_told_with_their_account_and_what_they_were_for(desk: Desk, days: int | None) -> None:
    whose, clearing = desk.contact(), desk.chosen.clearing_account
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, 20000, number="PF-7")], key="p")
    [back] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    applied(desk, invoice, note, whose, 12500)
    found = payments(desk, since=back_to(days=days) if days else None)
    assert found == {
        "PF-7": PaymentFacts(paid.id, "PF-7", aud(20000), TODAY, clearing, True, True, invoice.id, "INV-1"),
        "PF_RF-1": PaymentFacts(back.id, "PF_RF-1", aud(10000), TODAY, clearing, False, True, note.id, "PF_CR-1"),
    }


def test_money_that_was_taken_back_stands_no_more(desk: Desk) -> None:
    whose = desk.contact()
    invoice, note = desk.invoice(whose, "INV-1"), desk.note(contact_id=whose)
    [paid] = desk.ledger.create_payments([desk.paid(invoice, whose, number="PF-7")], key="p")
    [back] = desk.ledger.create_refunds([desk.back(note, whose, 10000)], key="f")
    for made in (paid, back):
        desk.ledger.remove_payments([RemovalOrder(made.number, made.id)], key=made.number)
    page = desk.ledger.read_payment_page(1, since=back_to(days=1))
    ended = {row.id for row in page.rows if not row.is_standing} | set(page.gone)
    assert [row for row in page.rows if row.is_standing] == []
    assert {paid.id, back.id.partition("-")[0] if desk.ledger.tells_gone else back.id} <= ended


# ---- terms and documents ----------------------------------------------------------------------------


def test_terms_are_told_under_their_own_names(desk: Desk) -> None:
    terms = desk.ledger.read_terms()
    assert len({term.id for term in terms}) == len(terms) > 0
    assert all(term.id and term.name for term in terms)


def test_books_whose_settings_spoil_nothing_warn_of_nothing(desk: Desk) -> None:
    assert desk.ledger.read_warning() == ""


def test_an_invoice_is_had_as_a_document(desk: Desk) -> None:
    invoice = desk.invoice(desk.contact(), "INV-1")
    assert desk.ledger.read_invoice_pdf(invoice.id).startswith(b"%PDF")
    with pytest.raises(Rejected):
        desk.ledger.read_invoice_pdf(str(uuid.uuid4()) if desk.ledger.tells_gone is None else "987654")


def test_a_document_that_is_none_is_weather(desk: Desk) -> None:
    invoice = desk.invoice(desk.contact(), "INV-1")
    provider = desk.house.connection.provider
    for fault in ({"kind": "html", "status": 200}, {"kind": "html", "status": 502}, {"kind": "drop_before"}):
        with desk.house.world.faulty(provider, **fault, times=1), pytest.raises(Unavailable):
            desk.ledger.read_invoice_pdf(invoice.id)
