"""Numbers of documents: short ones fit every ledger, and what was promised under a long one keeps it."""

from collections.abc import Callable, Iterator

import pytest

from accounting import numbers
from accounting.models import CreditNote, Posting
from tests.accounting.debits import CARD, Attempted, come_again, invoices, notes, payments_there, submit, try_to_pay
from tests.people import House

Drain = Callable[..., int]
LONG = 20  # characters of the reference, as numbers had before QuickBooks


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Numbers are long until the answer is called."""
    with monkeypatch.context() as patch:
        patch.setattr(numbers, "STEM", LONG)
        yield patch.undo


@pytest.fixture
def paid(house: House, drain: Drain, long_ago: Callable[[], None]) -> Attempted:
    """A card payment that was booked long ago."""
    attempted = try_to_pay(house, house.open_checkout().payment, CARD)
    attempted.settle()
    drain()
    long_ago()
    assert attempted.note.number == f"PF_CR-{attempted.payment.reference[:LONG].upper()}"
    return attempted


def long_stem(attempted: Attempted) -> str:
    return attempted.payment.reference[:LONG].upper()


def short_stem(attempted: Attempted) -> str:
    return attempted.payment.reference[:12].upper()


def test_new_numbers_are_short(house: House) -> None:
    payment = house.open_checkout().payment
    assert numbers.invoice_number(payment) == f"PF-{payment.reference[:12].upper()}"
    assert len(numbers.note_number(payment, nth=99)) == 21


def test_what_is_in_the_books_under_a_long_number_is_not_made_again(
    house: House, drain: Drain, paid: Attempted
) -> None:
    before = len(house.world.journal("xero"))
    come_again("accounting.post_payment")
    drain()
    assert len(house.world.journal("xero")) == before
    assert [number for number, _, _ in notes(house)] == [f"PF_CR-{long_stem(paid)}"]
    assert set(Posting.objects.exclude(kind="contact").values_list("number", flat=True)) == {
        f"PF-{long_stem(paid)}",
        f"PF_CR-{long_stem(paid)}",
    }


def test_a_refund_goes_out_of_the_note_with_the_long_number(house: House, drain: Drain, paid: Attempted) -> None:
    paid.refund(10000)
    drain()
    assert [(number, left) for number, _, left in notes(house)] == [(f"PF_CR-{long_stem(paid)}", 525.0)]
    assert paid.states["refund"] == "posted"
    assert CreditNote.objects.get().remaining == 52500


def test_a_reversal_takes_back_what_has_a_long_number(house: House, drain: Drain, paid: Attempted) -> None:
    paid.reverse()
    drain()
    assert [(number, status) for number, status, _ in notes(house)] == [(f"PF_CR-{long_stem(paid)}", "VOIDED")]
    assert invoices(house) == [("AUTHORISED", 625.0, 625.0)]
    assert [(n, status) for n, status, _ in payments_there(house)] == [(f"PF-{long_stem(paid)}", "DELETED")]
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_a_draft_with_a_long_number_is_approved_beside_an_invoice_with_a_short_one(
    house: House, drain: Drain, long_ago: Callable[[], None]
) -> None:
    debit = submit(house)
    drain()
    long_ago()
    debit.settle()
    drain()
    assert [(number, status) for number, status, _ in notes(house)] == [(f"PF_CR-{long_stem(debit)}", "AUTHORISED")]
    assert [number for number, _, _ in payments_there(house)] == [f"PF-{short_stem(debit)}"]
    assert invoices(house) == [("PAID", 625.0, 0.0)]


def test_a_second_credit_after_a_long_number_is_short_and_counted_on(
    house: House, drain: Drain, long_ago: Callable[[], None]
) -> None:
    debit = submit(house)
    drain()
    long_ago()
    debit.fail()
    drain()
    again = try_to_pay(house, debit.payment, CARD)
    again.settle()
    drain()
    standing = [number for number, status, _ in notes(house) if status == "AUTHORISED"]
    assert standing == [f"PF_CR-{short_stem(debit)}-2"]
    assert invoices(house) == [("PAID", 625.0, 0.0)]
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()
