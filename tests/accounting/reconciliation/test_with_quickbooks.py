"""Reconciliation with QuickBooks, which deletes for good: what left the books is named although nobody can show it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import LedgerPayment, LedgerPaymentCursor, Posting
from accounting.reconciliation.differences import DifferenceKind
from accounting.reconciliation.ledger_payments import FULL_READ_INTERVAL, link_postings, sync_ledger_payments
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.mirror.ledger_actions import fill_ledger
from tests.accounting.reconciliation.test_with_the_ledger import (
    change_in_ledger,
    list_kinds,
    reconcile_now,
    sync_and_reconcile,
)
from tests.tenants import Checkout, Tenant, create_tenant


@pytest.fixture
def quickbooks(db: None, world: SandboxProcess) -> Tenant:
    """A merchant with QuickBooks."""
    return create_tenant(world, provider="quickbooks")


@pytest.fixture
def paid(quickbooks: Tenant, deliver: Callable[..., int]) -> Checkout:
    """A quote that is paid and in the books."""
    checkout = quickbooks.open_checkout()
    checkout.pay()
    deliver()
    return checkout


def get_payment_posting() -> Posting:
    return Posting.objects.get(kind="payment")


def get_ledger_payment() -> LedgerPayment:
    return LedgerPayment.objects.get(posting=get_payment_posting())


def refund_checkout(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> Posting:
    """A part of the money goes back, and the books know."""
    refund = tenant.act_at_stripe("refund", checkout.attempts[0].stripe_payment_intent_id, amount=10_000)
    tenant.send_stripe_webhook(
        "charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]}
    )
    deliver()
    return Posting.objects.get(kind="refund", state="posted")


def test_a_refund_is_one_payment_of_the_books(quickbooks: Tenant, paid: Checkout, deliver: Callable[..., int]) -> None:
    refund = refund_checkout(quickbooks, paid, deliver)
    report = sync_and_reconcile(quickbooks)
    assert report.differences == []
    assert [total.books for total in report.totals] == [52_500]
    found = LedgerPayment.objects.get(posting=refund)
    assert "-" in found.ledger_id
    assert (found.is_received, found.amount, found.remark) == (False, 10_000, refund.number)


@pytest.mark.parametrize("act", ["delete", "void"])
def test_a_payment_that_is_gone_is_named_once_it_was_read(quickbooks: Tenant, paid: Checkout, act: str) -> None:
    assert sync_and_reconcile(quickbooks).differences == []
    change_in_ledger(quickbooks, act, payment=get_payment_posting().number)
    report = sync_and_reconcile(quickbooks)
    assert list_kinds(report) == [DifferenceKind.DOCUMENT_REMOVED]
    assert report.differences[0].gap.amount == -62_500
    assert not get_ledger_payment().is_standing


def test_a_payment_that_was_gone_before_anybody_read_it_is_named(quickbooks: Tenant, paid: Checkout) -> None:
    change_in_ledger(quickbooks, "delete", payment=get_payment_posting().number)
    assert list_kinds(sync_and_reconcile(quickbooks)) == [DifferenceKind.DOCUMENT_REMOVED]
    assert (get_ledger_payment().is_standing, get_ledger_payment().amount) == (False, 62_500)


def test_a_refund_of_which_the_expense_is_deleted_is_named(
    quickbooks: Tenant, paid: Checkout, deliver: Callable[..., int]
) -> None:
    refund = refund_checkout(quickbooks, paid, deliver)
    assert sync_and_reconcile(quickbooks).differences == []
    change_in_ledger(quickbooks, "delete", payment=refund.number)
    [row] = sync_and_reconcile(quickbooks).differences
    assert (row.kind, row.subject, row.gap.amount) == (DifferenceKind.DOCUMENT_REMOVED, refund.number, 10_000)


def test_a_deletion_that_was_not_listed_is_found_by_the_next_full_sync(quickbooks: Tenant, paid: Checkout) -> None:
    sync_and_reconcile(quickbooks)
    change_in_ledger(quickbooks, "delete", payment=get_payment_posting().number)
    now = timezone.now()
    LedgerPaymentCursor.objects.update(known_until=now + timedelta(hours=1), fully_read_at=now)
    sync_ledger_payments(quickbooks.merchant, now=now + timedelta(hours=1))
    assert get_ledger_payment().is_standing
    later = now + FULL_READ_INTERVAL + timedelta(hours=2)
    LedgerPaymentCursor.objects.update(known_until=later)
    sync_ledger_payments(quickbooks.merchant, now=later)
    assert not get_ledger_payment().is_standing
    assert LedgerPaymentCursor.objects.get().fully_read_at == later


def test_after_more_changes_than_are_listed_at_once_the_next_sync_is_full(quickbooks: Tenant, paid: Checkout) -> None:
    sync_and_reconcile(quickbooks)
    change_in_ledger(quickbooks, "delete", payment=get_payment_posting().number)
    quickbooks.world.advance(6 * 86_400)
    fill_ledger(quickbooks, invoices=1_000, contacts=2)
    now = timezone.now() + timedelta(hours=3)
    sync_ledger_payments(quickbooks.merchant, now=now)
    assert get_ledger_payment().is_standing
    assert LedgerPaymentCursor.objects.get().fully_read_at is None
    sync_ledger_payments(quickbooks.merchant, now=now + timedelta(hours=1))
    assert not get_ledger_payment().is_standing


def test_what_a_whole_reading_missed_and_is_there_stands(quickbooks: Tenant, paid: Checkout) -> None:
    sync_and_reconcile(quickbooks)
    payment = get_ledger_payment()
    payment.pk, payment.posting, payment.ledger_id = None, None, f"{payment.ledger_id}-0"
    payment.save()
    LedgerPaymentCursor.objects.update(fully_read_at=None)
    sync_ledger_payments(quickbooks.merchant, now=timezone.now() + timedelta(hours=3))
    assert LedgerPayment.objects.filter(is_standing=True).count() == 2


def test_ids_of_another_company_are_not_taken_for_ours(quickbooks: Tenant, paid: Checkout) -> None:
    later = timezone.now() + timedelta(days=1)
    LedgerPaymentCursor.objects.create(merchant=quickbooks.merchant, organisation_id="other", begins_at=later)
    LedgerPayment.objects.create(
        merchant=quickbooks.merchant,
        organisation_id="other",
        ledger_id=get_payment_posting().ledger_id,
        is_received=True,
        is_standing=True,
        amount=1,
        currency="AUD",
        on=later.date(),
        read_at=later,
    )
    link_postings(quickbooks.merchant, "other")
    assert LedgerPayment.objects.get().posting is None
    assert sync_and_reconcile(quickbooks).differences == []
    assert get_ledger_payment().amount == 62_500


def test_a_change_of_books_makes_no_difference_of_what_was_booked_before(quickbooks: Tenant, paid: Checkout) -> None:
    assert sync_and_reconcile(quickbooks).differences == []
    LedgerPayment.objects.update(account="615")
    assert list_kinds(reconcile_now(quickbooks)) == [DifferenceKind.WRONG_ACCOUNT]
    LedgerPayment.objects.update(organisation_id="before")
    report = reconcile_now(quickbooks)
    assert report.differences == []
    assert [total.books for total in report.totals] == [62_500]


def test_an_idle_reading_is_one_call(quickbooks: Tenant, paid: Checkout) -> None:
    sync_and_reconcile(quickbooks)
    before = len(quickbooks.world.journal("quickbooks"))
    sync_ledger_payments(quickbooks.merchant, now=timezone.now() + timedelta(hours=3))
    assert len(quickbooks.world.journal("quickbooks")) - before == 1
