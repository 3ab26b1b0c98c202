"""What becomes of a credit's invoice when its money goes back: cancelled on its way, taken off where it was applied."""

import pytest
from django.utils import timezone

from accounting.crediting import review_company
from accounting.handlers import drain_postings
from accounting.invoice_room import rooms_of
from accounting.models import HandTask
from tests.accounting.crediting_stage import Stage
from tests.accounting.debits import CARD, Attempted, hold_back
from tests.people import Checkout, House, drain_outbox


@pytest.fixture
def stage(any_house: House) -> Stage:
    """The house, its payer and its bookkeeper."""
    drain_outbox()
    return Stage(any_house)


def paid(stage: Stage, checkout: Checkout) -> Attempted:
    """The attempt behind a paid quote, and what the gateway says next."""
    return Attempted(stage.house, checkout.attempts[0], CARD)


def wanted(stage: Stage, checkout: Checkout) -> str:
    """Its invoice is there and the credit is promised to it, and nobody told the books; the invoice's number."""
    invoice = stage.billing.bill("625.00", reference=f"Quote {checkout.quote.number}")
    review_company(stage.billing.company, now=timezone.now())
    assert stage.match(checkout).state == "wanted"
    return invoice.number


def test_a_refund_goes_before_an_allocation_that_nobody_heard_of(stage: Stage) -> None:
    checkout = stage.paid_quote()
    wanted(stage, checkout)
    hold_back("accounting.drain_postings")
    paid(stage, checkout).refund(62500)
    drain_outbox()
    assert stage.in_books(checkout) == []
    assert stage.match(checkout).state == "withdrawn"
    assert stage.postings(checkout) == [("allocation", "cancelled")]
    assert not HandTask.objects.exists()


def test_what_a_refund_left_of_the_credit_is_applied_afterwards(stage: Stage) -> None:
    checkout = stage.paid_quote()
    stage.billing.bill("625.00", reference=stage.note(checkout).number)
    review_company(stage.billing.company, now=timezone.now())
    assert stage.match(checkout).amount == 62500
    hold_back("accounting.drain_postings")
    paid(stage, checkout).refund(10000)
    drain_outbox()
    [(_, amount)] = stage.in_books(checkout)
    assert amount == "525.00"
    assert stage.note(checkout).state == "applied"
    assert not HandTask.objects.exists()


def test_a_reversal_ends_an_allocation_that_nobody_heard_of(stage: Stage) -> None:
    checkout = stage.paid_quote()
    wanted(stage, checkout)
    hold_back("accounting.drain_postings")
    paid(stage, checkout).reverse()
    drain_outbox()
    assert stage.match(checkout).state == "withdrawn"
    assert stage.note(checkout).state == "voided"
    assert stage.calls("PUT") == 0


def test_a_reversal_takes_the_credit_off_its_invoice_and_voids_it_without_a_person(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill(reference=f"Quote {checkout.quote.number}")
    assert stage.billing.standing(invoice) == ("PAID", "0.00")
    paid(stage, checkout).reverse()
    drain_outbox()
    assert stage.match(checkout).state == "undone"
    assert stage.note(checkout).state == "voided"
    assert stage.billing.standing(invoice) == ("AUTHORISED", "625.00")
    assert not HandTask.objects.exists()


def test_an_invoice_that_a_credit_has_just_paid_is_not_payable_before_the_mirror_reads_it(stage: Stage) -> None:
    checkout = stage.paid_quote()
    wanted(stage, checkout)
    drain_postings(merchant_id=stage.house.merchant.pk, now=timezone.now())
    match = stage.match(checkout)
    assert (match.state, match.synced_at, match.invoice.due) == ("applied", None, 62500)
    assert rooms_of([match.invoice])[match.invoice_id].left == 0
    assert "A$625.00 paid, waiting for the books" in stage.billing.outstanding()
    assert stage.billing.choose(match.invoice).status_code == 422
    review_company(stage.billing.company, now=timezone.now())
    assert stage.match(checkout).state == "applied"
    drain_outbox()
    assert stage.match(checkout).synced_at


def test_a_debit_that_is_on_its_way_for_the_invoice_leaves_no_room_for_the_credit(stage: Stage) -> None:
    invoice = stage.bill(reference="Onboarding")
    debit = stage.billing.pay_by_bank(stage.billing.chosen(invoice))
    assert debit["status"] == "settling"
    checkout = stage.paid_quote()
    stage.by_hand("edit", invoice=invoice.number, reference=f"Quote {checkout.quote.number}")
    stage.read()
    assert rooms_of([invoice])[invoice.pk].left == 0
    assert stage.states(checkout) == []
