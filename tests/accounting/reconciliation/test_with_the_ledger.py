"""Reconciliation over real payments: paid at the practice Stripe, posted to practice books, read back from both."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone
from django_subatomic.db import transaction

from accounting.models import AccountingSettings, LedgerPayment, LedgerPaymentCursor, MirrorCursor, Posting
from accounting.reconciliation.differences import DifferenceKind
from accounting.reconciliation.ledger_payments import list_due_merchants, sync_ledger_payments
from accounting.reconciliation.periods import Period
from accounting.reconciliation.report import ReconciliationReport, reconcile
from connections.models import Connection
from connections.services import announce_restored_connection
from payments.balance.services import sync_balance
from payments.models import Attempt, BalanceTransaction, BalanceTransactionCursor, GatewayAccount
from tests.tenants import Tenant

DAY = 86_400
LATER = timedelta(hours=2)


def sync_and_reconcile(tenant: Tenant) -> ReconciliationReport:
    """Both sides read to the end two hours later, when nothing is fresh any more, and compared."""
    at = timezone.now() + LATER
    BalanceTransactionCursor.objects.update(known_until=None)
    LedgerPaymentCursor.objects.update(known_until=None)
    sync_balance(GatewayAccount.objects.get(merchant=tenant.merchant), now=at)
    sync_ledger_payments(tenant.merchant, now=at)
    return reconcile_now(tenant)


def reconcile_now(tenant: Tenant) -> ReconciliationReport:
    """What was read before, compared as two hours later."""
    at = timezone.now() + LATER
    today = timezone.now().astimezone(tenant.merchant.zone).date()
    period = Period(today - timedelta(days=40), today + timedelta(days=5), tenant.merchant.zone)
    return reconcile(tenant.merchant, period, now=at)


def change_in_ledger(tenant: Tenant, act: str, **fields: str) -> None:
    """What a bookkeeper does in the practice books by hand."""
    world, word = {"xero": ("xero", "organisation"), "quickbooks": ("intuit", "company")}[tenant.connection.provider]
    tenant.world.post(f"/{world}/_control", {act: {word: "au", **fields}})


def list_kinds(report: ReconciliationReport) -> list[str]:
    return sorted(row.kind.value for row in report.differences)


def lose_part(tenant: Tenant, intent: str, amount: int, deliver: Callable[..., int]) -> str:
    """The bank decides that the payer keeps a part; returns the dispute's id."""
    dispute = tenant.act_at_stripe("dispute", intent, amount=amount)["id"]
    tenant.act_at_stripe("close_dispute", dispute, outcome="lost")
    deliver_dispute(tenant, intent, deliver)
    return str(dispute)


def deliver_dispute(tenant: Tenant, intent: str, deliver: Callable[..., int]) -> None:
    """The webhook about a dispute, and what follows."""
    webhook = {"id": "dp_x", "object": "dispute", "payment_intent": intent}
    tenant.send_stripe_webhook("charge.dispute.updated", webhook)
    deliver()
    deliver(at=timezone.now() + timedelta(minutes=10))


def test_of_a_part_lost_in_a_dispute_the_books_are_exactly_so_much_less(
    any_tenant: Tenant, deliver: Callable[..., int]
) -> None:
    """woocommerce-payments#6196: 200.00 of 625.00 lost; then the bank gives it back after all."""
    checkout = any_tenant.open_checkout()
    checkout.pay()
    deliver()
    intent = checkout.attempts[0].stripe_payment_intent_id
    dispute = lose_part(any_tenant, intent, 20_000, deliver)
    report = sync_and_reconcile(any_tenant)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books) == (42_500, 42_500, 42_500)
    any_tenant.act_at_stripe("reinstate", dispute)
    deliver_dispute(any_tenant, intent, deliver)
    report = sync_and_reconcile(any_tenant)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books) == (62_500, 62_500, 62_500)


def test_a_paid_quote_is_the_same_everywhere(any_tenant: Tenant, deliver: Callable[..., int]) -> None:
    tenant = any_tenant
    checkout = tenant.open_checkout()
    checkout.pay()
    deliver()
    report = sync_and_reconcile(tenant)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books, total.fees) == (62_500, 62_500, 62_500, 1_843)
    line = BalanceTransaction.objects.get(kind="charge")
    assert line.attempt == checkout.attempts[0]
    payment = LedgerPayment.objects.get()
    clearing = AccountingSettings.objects.get().clearing_account
    assert (payment.amount, payment.account, payment.posting) == (62_500, clearing, Posting.objects.get(kind="payment"))


def test_a_refund_and_a_reversal_are_the_same_everywhere(any_tenant: Tenant, deliver: Callable[..., int]) -> None:
    tenant = any_tenant
    first, second = tenant.open_checkout(), tenant.open_checkout()
    for checkout in (first, second):
        checkout.pay()
    deliver()
    refund = tenant.act_at_stripe("refund", first.attempts[0].stripe_payment_intent_id, amount=10_000)
    tenant.send_stripe_webhook(
        "charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]}
    )
    dispute = tenant.act_at_stripe("dispute", second.attempts[0].stripe_payment_intent_id)
    tenant.send_stripe_webhook("charge.dispute.created", dispute)
    deliver()
    report = sync_and_reconcile(tenant)
    assert report.differences == []
    assert {item.reason for item in report.items} == {"", "held"}
    tenant.act_at_stripe("close_dispute", dispute["id"], outcome="lost")
    tenant.send_stripe_webhook("charge.dispute.closed", dispute)
    deliver()
    report = sync_and_reconcile(tenant)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books) == (52_500, 52_500, 52_500)


def test_payouts_hold_their_lines_and_add_up(tenant: Tenant, deliver: Callable[..., int]) -> None:
    for _ in range(3):
        tenant.open_checkout().pay()
    deliver()
    tenant.world.advance(4 * DAY)
    report = sync_and_reconcile(tenant)
    [payout] = report.payouts
    assert (payout.count, payout.gross, payout.adds_up, payout.status) == (3, 187_500, True, "paid")
    assert payout.amount == 187_500 - payout.fees
    assert report.differences == []
    tenant.world.post("/stripe/_control", {"misstate_payout": {"payout": payout.stripe_id, "amount": 1}})
    assert list_kinds(sync_and_reconcile(tenant)) == [DifferenceKind.PAYOUT_SUM]


def test_a_payment_that_a_bookkeeper_deleted_is_named(any_tenant: Tenant, deliver: Callable[..., int]) -> None:
    tenant = any_tenant
    tenant.open_checkout().pay()
    deliver()
    assert sync_and_reconcile(tenant).differences == []
    change_in_ledger(tenant, "delete_payment", invoice=Posting.objects.get(kind="payment").number)
    report = sync_and_reconcile(tenant)
    assert list_kinds(report) == [DifferenceKind.DOCUMENT_REMOVED]
    assert report.differences[0].gap.amount == -62_500
    assert report.differences[0].path.endswith(f"/payments/{Attempt.objects.get().payment.reference}")


def test_a_refund_at_stripe_without_a_webhook_is_named(tenant: Tenant, deliver: Callable[..., int]) -> None:
    checkout = tenant.open_checkout()
    checkout.pay()
    deliver()
    tenant.act_at_stripe("refund", checkout.attempts[0].stripe_payment_intent_id, amount=10_000)
    assert list_kinds(sync_and_reconcile(tenant)) == [DifferenceKind.REFUND_UNKNOWN]


def test_money_at_stripe_that_is_not_ours_is_named(tenant: Tenant) -> None:
    token = tenant.confirmation_token("4242424242424242")
    tenant.post_to_stripe(
        "payment_intents",
        amount=900,
        currency="aud",
        confirm="true",
        confirmation_token=token,
        **{"allowed_payment_method_types[0]": "card"},
    )
    now = timezone.now()
    sync_balance(GatewayAccount.objects.get(merchant=tenant.merchant), now=now)
    today = now.astimezone(tenant.merchant.zone).date()
    fresh = reconcile(tenant.merchant, Period(today, today, tenant.merchant.zone), now=now)
    assert [item.reason for item in fresh.items] == ["fresh"]
    assert fresh.differences == []
    [row] = sync_and_reconcile(tenant).differences
    assert (row.kind, row.gap.amount) == (DifferenceKind.CHARGE_UNKNOWN, -900)


def test_what_just_happened_is_no_difference(tenant: Tenant) -> None:
    tenant.open_checkout().pay()
    now = timezone.now()
    sync_balance(GatewayAccount.objects.get(merchant=tenant.merchant), now=now)
    today = now.astimezone(tenant.merchant.zone).date()
    report = reconcile(tenant.merchant, Period(today, today, tenant.merchant.zone), now=now)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.books, total.why) == (62_500, 0, "on its way to the books")


def test_books_where_nothing_was_booked_cost_no_call(tenant: Tenant, deliver: Callable[..., int]) -> None:
    now = timezone.now()
    assert list(list_due_merchants(now=now)) == []
    tenant.open_checkout().pay()
    deliver()
    assert list(list_due_merchants(now=now)) == [tenant.merchant]
    at = timezone.now()
    sync_ledger_payments(tenant.merchant, now=at)
    assert list(list_due_merchants(now=at + timedelta(hours=23))) == []
    next_day = at + timedelta(hours=25)
    assert list(list_due_merchants(now=next_day)) == [tenant.merchant]
    LedgerPaymentCursor.objects.update(known_until=next_day)
    assert list(list_due_merchants(now=next_day + timedelta(days=30))) == []


def test_a_broken_connection_is_explained(tenant: Tenant, deliver: Callable[..., int]) -> None:
    tenant.open_checkout().pay()
    deliver()
    sync_ledger_payments(tenant.merchant, now=timezone.now())
    tenant.merchant.connections.all().delete()
    sync_ledger_payments(tenant.merchant, now=timezone.now())
    assert LedgerPaymentCursor.objects.get().error == "No accounting package is connected."


def test_why_the_books_could_not_be_read_vanishes_once_they_are_connected_again(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    tenant.open_checkout().pay()
    deliver()
    sync_ledger_payments(tenant.merchant, now=timezone.now())
    Connection.objects.filter(merchant=tenant.merchant).update(state="broken")
    sync_ledger_payments(tenant.merchant, now=timezone.now())
    MirrorCursor.objects.update(error="The accounting package refused: no.")
    assert LedgerPaymentCursor.objects.get().error
    Connection.objects.filter(merchant=tenant.merchant).update(state="connected")
    with transaction():
        announce_restored_connection(tenant.merchant, now=timezone.now())
    deliver()
    assert LedgerPaymentCursor.objects.get().error == ""
    assert set(MirrorCursor.objects.values_list("error", flat=True)) <= {""}
