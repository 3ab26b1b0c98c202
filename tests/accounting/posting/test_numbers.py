"""Numbers of documents: short ones fit every ledger, and a posting created under a long one keeps it."""

from collections.abc import Callable, Iterator

import pytest

from accounting.models import CreditNote, Posting
from accounting.posting import services
from accounting.posting.services import build_credit_note_number, build_invoice_number
from tests.accounting.posting.debits import (
    CARD,
    AttemptScenario,
    create_processing_attempt,
    list_credit_notes,
    list_ledger_payments,
    list_pf_invoices,
    redeliver_messages,
    submit_debit,
)
from tests.tenants import Tenant

DeliverOutbox = Callable[..., int]
LONG_STEM_LENGTH = 20  # characters of the reference, as numbers had before QuickBooks


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Numbers are long until the answer is called."""
    with monkeypatch.context() as patch:
        patch.setattr(services, "STEM_LENGTH", LONG_STEM_LENGTH)
        yield patch.undo


@pytest.fixture
def paid(tenant: Tenant, deliver: DeliverOutbox, long_ago: Callable[[], None]) -> AttemptScenario:
    """A card payment that was booked long ago."""
    attempted = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    attempted.settle()
    deliver()
    long_ago()
    assert attempted.note.number == f"PF_CR-{attempted.payment.reference[:LONG_STEM_LENGTH].upper()}"
    return attempted


def get_long_stem(attempted: AttemptScenario) -> str:
    return attempted.payment.reference[:LONG_STEM_LENGTH].upper()


def get_short_stem(attempted: AttemptScenario) -> str:
    return attempted.payment.reference[:12].upper()


def test_new_numbers_are_short(tenant: Tenant) -> None:
    payment = tenant.open_checkout().payment
    assert build_invoice_number(payment) == f"PF-{payment.reference[:12].upper()}"
    assert len(build_credit_note_number(payment, nth=99)) == 21


def test_what_is_in_the_books_under_a_long_number_is_not_made_again(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    before = len(tenant.world.journal("xero"))
    redeliver_messages("accounting.post_payment")
    deliver()
    assert len(tenant.world.journal("xero")) == before
    assert [number for number, _, _ in list_credit_notes(tenant)] == [f"PF_CR-{get_long_stem(paid)}"]
    assert set(Posting.objects.exclude(kind="contact").values_list("number", flat=True)) == {
        f"PF-{get_long_stem(paid)}",
        f"PF_CR-{get_long_stem(paid)}",
    }


def test_a_refund_goes_out_of_the_note_with_the_long_number(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    paid.refund(10000)
    deliver()
    assert [(number, remaining) for number, _, remaining in list_credit_notes(tenant)] == [
        (f"PF_CR-{get_long_stem(paid)}", 525.0)
    ]
    assert paid.states["refund"] == "posted"
    assert CreditNote.objects.get().remaining == 52500


def test_a_reversal_takes_back_what_has_a_long_number(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    paid.reverse()
    deliver()
    assert [(number, status) for number, status, _ in list_credit_notes(tenant)] == [
        (f"PF_CR-{get_long_stem(paid)}", "VOIDED")
    ]
    assert list_pf_invoices(tenant) == [("AUTHORISED", 625.0, 625.0)]
    assert [(n, status) for n, status, _ in list_ledger_payments(tenant)] == [(f"PF-{get_long_stem(paid)}", "DELETED")]
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_a_draft_with_a_long_number_is_approved_beside_an_invoice_with_a_short_one(
    tenant: Tenant, deliver: DeliverOutbox, long_ago: Callable[[], None]
) -> None:
    debit = submit_debit(tenant)
    deliver()
    long_ago()
    debit.settle()
    deliver()
    assert [(number, status) for number, status, _ in list_credit_notes(tenant)] == [
        (f"PF_CR-{get_long_stem(debit)}", "AUTHORISED")
    ]
    assert [number for number, _, _ in list_ledger_payments(tenant)] == [f"PF-{get_short_stem(debit)}"]
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]


def test_a_second_credit_after_a_long_number_is_short_and_counted_on(
    tenant: Tenant, deliver: DeliverOutbox, long_ago: Callable[[], None]
) -> None:
    debit = submit_debit(tenant)
    deliver()
    long_ago()
    debit.fail()
    deliver()
    again = create_processing_attempt(tenant, debit.payment, CARD)
    again.settle()
    deliver()
    standing = [number for number, status, _ in list_credit_notes(tenant) if status == "AUTHORISED"]
    assert standing == [f"PF_CR-{get_short_stem(debit)}-2"]
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()
