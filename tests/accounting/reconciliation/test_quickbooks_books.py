"""Reconciliation with QuickBooks, which deletes for good: what left the books is named although nobody can show it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import LedgerPayment, MoneyCursor, Posting
from accounting.reconciliation.reading import WHOLE_EVERY, link_papers, read_ledger_payments
from accounting.reconciliation.words import Kind
from sandbox.launch import Running
from tests.accounting.mirror_stage import fill
from tests.accounting.reconciliation.test_with_the_books import compared, keep_books, kinds, read
from tests.people import Checkout, House, build_house


@pytest.fixture
def quick(db: None, world: Running) -> House:
    """A merchant with QuickBooks."""
    return build_house(world, provider="quickbooks")


@pytest.fixture
def paid(quick: House, drain: Callable[..., int]) -> Checkout:
    """A quote that is paid and in the books."""
    checkout = quick.open_checkout()
    checkout.pay()
    drain()
    return checkout


def payment() -> Posting:
    return Posting.objects.get(kind="payment")


def paper() -> LedgerPayment:
    return LedgerPayment.objects.get(posting=payment())


def give_back(house: House, checkout: Checkout, drain: Callable[..., int]) -> Posting:
    """A part of the money goes back, and the books know."""
    refund = house.by_hand("refund", checkout.attempts[0].stripe_payment_intent_id, amount=10_000)
    house.hear("charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]})
    drain()
    return Posting.objects.get(kind="refund", state="posted")


def test_a_refund_is_one_payment_of_the_books(quick: House, paid: Checkout, drain: Callable[..., int]) -> None:
    refund = give_back(quick, paid, drain)
    report = read(quick)
    assert report.differences == []
    assert [total.books for total in report.totals] == [52_500]
    found = LedgerPayment.objects.get(posting=refund)
    assert "-" in found.ledger_id
    assert (found.is_received, found.amount, found.remark) == (False, 10_000, refund.number)


@pytest.mark.parametrize("act", ["delete", "void"])
def test_a_payment_that_is_gone_is_named_once_it_was_read(quick: House, paid: Checkout, act: str) -> None:
    assert read(quick).differences == []
    keep_books(quick, act, payment=payment().number)
    report = read(quick)
    assert kinds(report) == [Kind.DOCUMENT_REMOVED]
    assert report.differences[0].gap.amount == -62_500
    assert not paper().is_standing


def test_a_payment_that_was_gone_before_anybody_read_it_is_named(quick: House, paid: Checkout) -> None:
    keep_books(quick, "delete", payment=payment().number)
    assert kinds(read(quick)) == [Kind.DOCUMENT_REMOVED]
    assert (paper().is_standing, paper().amount) == (False, 62_500)


def test_a_refund_of_which_the_expense_is_deleted_is_named(
    quick: House, paid: Checkout, drain: Callable[..., int]
) -> None:
    refund = give_back(quick, paid, drain)
    assert read(quick).differences == []
    keep_books(quick, "delete", payment=refund.number)
    [row] = read(quick).differences
    assert (row.kind, row.subject, row.gap.amount) == (Kind.DOCUMENT_REMOVED, refund.number, 10_000)


def test_a_deletion_that_nobody_told_of_is_met_by_the_next_whole_reading(quick: House, paid: Checkout) -> None:
    read(quick)
    keep_books(quick, "delete", payment=payment().number)
    now = timezone.now()
    MoneyCursor.objects.update(known_until=now + timedelta(hours=1), whole_at=now)
    read_ledger_payments(quick.merchant, now=now + timedelta(hours=1))
    assert paper().is_standing
    later = now + WHOLE_EVERY + timedelta(hours=2)
    MoneyCursor.objects.update(known_until=later)
    read_ledger_payments(quick.merchant, now=later)
    assert not paper().is_standing
    assert MoneyCursor.objects.get().whole_at == later


def test_after_more_changes_than_are_told_at_once_the_next_reading_is_whole(quick: House, paid: Checkout) -> None:
    read(quick)
    keep_books(quick, "delete", payment=payment().number)
    quick.world.advance(6 * 86_400)
    fill(quick, invoices=1_000, contacts=2)
    now = timezone.now() + timedelta(hours=3)
    read_ledger_payments(quick.merchant, now=now)
    assert paper().is_standing
    assert MoneyCursor.objects.get().whole_at is None
    read_ledger_payments(quick.merchant, now=now + timedelta(hours=1))
    assert not paper().is_standing


def test_what_a_whole_reading_missed_and_is_there_stands(quick: House, paid: Checkout) -> None:
    read(quick)
    held = paper()
    held.pk, held.posting, held.ledger_id = None, None, f"{held.ledger_id}-0"
    held.save()
    MoneyCursor.objects.update(whole_at=None)
    read_ledger_payments(quick.merchant, now=timezone.now() + timedelta(hours=3))
    assert LedgerPayment.objects.filter(is_standing=True).count() == 2


def test_ids_of_another_company_are_not_taken_for_ours(quick: House, paid: Checkout) -> None:
    later = timezone.now() + timedelta(days=1)
    MoneyCursor.objects.create(merchant=quick.merchant, organisation_id="other", begins_at=later)
    LedgerPayment.objects.create(
        merchant=quick.merchant,
        organisation_id="other",
        ledger_id=payment().ledger_id,
        is_received=True,
        is_standing=True,
        amount=1,
        currency="AUD",
        on=later.date(),
        read_at=later,
    )
    link_papers(quick.merchant, "other")
    assert LedgerPayment.objects.get().posting is None
    assert read(quick).differences == []
    assert paper().amount == 62_500


def test_a_change_of_books_makes_no_difference_of_what_was_booked_before(quick: House, paid: Checkout) -> None:
    assert read(quick).differences == []
    LedgerPayment.objects.update(account="615")
    assert kinds(compared(quick)) == [Kind.WRONG_ACCOUNT]
    LedgerPayment.objects.update(organisation_id="before")
    report = compared(quick)
    assert report.differences == []
    assert [total.books for total in report.totals] == [62_500]


def test_an_idle_reading_is_one_call(quick: House, paid: Checkout) -> None:
    read(quick)
    before = len(quick.world.journal("quickbooks"))
    read_ledger_payments(quick.merchant, now=timezone.now() + timedelta(hours=3))
    assert len(quick.world.journal("quickbooks")) - before == 1
