"""Reconciliation over real payments: paid at the practice Stripe, posted to practice books, read back from both."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from accounting.models import AccountingSettings, LedgerPayment, MoneyCursor, Posting
from accounting.reconciliation.days import Period
from accounting.reconciliation.reading import due_merchants, read_ledger_payments
from accounting.reconciliation.report import Report, reconcile
from accounting.reconciliation.words import Kind
from payments.models import Attempt, GatewayAccount, Movement, MovementCursor
from payments.movements import read_movements
from tests.people import House

DAY = 86_400
LATER = timedelta(hours=2)


def read(house: House) -> Report:
    """Both sides read to the end two hours later, when nothing is fresh any more, and compared."""
    at = timezone.now() + LATER
    MovementCursor.objects.update(known_until=None)
    MoneyCursor.objects.update(known_until=None)
    read_movements(GatewayAccount.objects.get(merchant=house.merchant), now=at)
    read_ledger_payments(house.merchant, now=at)
    return compared(house)


def compared(house: House) -> Report:
    """What was read before, compared as two hours later."""
    at = timezone.now() + LATER
    today = timezone.now().astimezone(house.merchant.zone).date()
    period = Period(today - timedelta(days=40), today + timedelta(days=5), house.merchant.zone)
    return reconcile(house.merchant, period, now=at)


def keep_books(house: House, act: str, **said: str) -> None:
    """What a bookkeeper does in the practice books by hand."""
    world, word = {"xero": ("xero", "organisation"), "quickbooks": ("intuit", "company")}[house.connection.provider]
    house.world.post(f"/{world}/_control", {act: {word: "au", **said}})


def kinds(report: Report) -> list[str]:
    return sorted(row.kind.value for row in report.differences)


def test_a_paid_quote_is_the_same_everywhere(any_house: House, drain: Callable[..., int]) -> None:
    house = any_house
    checkout = house.open_checkout()
    checkout.pay()
    drain()
    report = read(house)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books, total.fees) == (62_500, 62_500, 62_500, 1_843)
    line = Movement.objects.get(kind="charge")
    assert line.attempt == checkout.attempts[0]
    paper = LedgerPayment.objects.get()
    clearing = AccountingSettings.objects.get().clearing_account
    assert (paper.amount, paper.account, paper.posting) == (62_500, clearing, Posting.objects.get(kind="payment"))


def test_a_refund_and_a_reversal_are_the_same_everywhere(any_house: House, drain: Callable[..., int]) -> None:
    house = any_house
    first, second = house.open_checkout(), house.open_checkout()
    for checkout in (first, second):
        checkout.pay()
    drain()
    refund = house.by_hand("refund", first.attempts[0].stripe_payment_intent_id, amount=10_000)
    house.hear("charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]})
    dispute = house.by_hand("dispute", second.attempts[0].stripe_payment_intent_id)
    house.hear("charge.dispute.created", dispute)
    drain()
    held = read(house)
    assert held.differences == []
    assert {item.reason for item in held.items} == {"", "held"}
    house.by_hand("close_dispute", dispute["id"], outcome="lost")
    house.hear("charge.dispute.closed", dispute)
    drain()
    report = read(house)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.ours, total.books) == (52_500, 52_500, 52_500)


def test_payouts_hold_their_lines_and_add_up(house: House, drain: Callable[..., int]) -> None:
    for _ in range(3):
        house.open_checkout().pay()
    drain()
    house.world.advance(4 * DAY)
    report = read(house)
    [payout] = report.payouts
    assert (payout.count, payout.gross, payout.adds_up, payout.status) == (3, 187_500, True, "paid")
    assert payout.amount == 187_500 - payout.fees
    assert report.differences == []
    house.world.post("/stripe/_control", {"misstate_payout": {"payout": payout.stripe_id, "amount": 1}})
    assert kinds(read(house)) == [Kind.PAYOUT_SUM]


def test_a_payment_that_a_bookkeeper_deleted_is_named(any_house: House, drain: Callable[..., int]) -> None:
    house = any_house
    house.open_checkout().pay()
    drain()
    assert read(house).differences == []
    keep_books(house, "delete_payment", invoice=Posting.objects.get(kind="payment").number)
    report = read(house)
    assert kinds(report) == [Kind.DOCUMENT_REMOVED]
    assert report.differences[0].gap.amount == -62_500
    assert report.differences[0].path.endswith(f"/payments/{Attempt.objects.get().payment.reference}")


def test_a_refund_at_stripe_that_nobody_told_us_of_is_named(house: House, drain: Callable[..., int]) -> None:
    checkout = house.open_checkout()
    checkout.pay()
    drain()
    house.by_hand("refund", checkout.attempts[0].stripe_payment_intent_id, amount=10_000)
    assert kinds(read(house)) == [Kind.REFUND_UNKNOWN]


def test_money_at_stripe_that_is_not_ours_is_named(house: House) -> None:
    token = house.confirmation_token("4242424242424242")
    house.at_stripe(
        "payment_intents",
        amount=900,
        currency="aud",
        confirm="true",
        confirmation_token=token,
        **{"allowed_payment_method_types[0]": "card"},
    )
    now = timezone.now()
    read_movements(GatewayAccount.objects.get(merchant=house.merchant), now=now)
    today = now.astimezone(house.merchant.zone).date()
    fresh = reconcile(house.merchant, Period(today, today, house.merchant.zone), now=now)
    assert [item.reason for item in fresh.items] == ["fresh"]
    assert fresh.differences == []
    [row] = read(house).differences
    assert (row.kind, row.gap.amount) == (Kind.CHARGE_UNKNOWN, -900)


def test_what_just_happened_is_no_difference(house: House) -> None:
    house.open_checkout().pay()
    now = timezone.now()
    read_movements(GatewayAccount.objects.get(merchant=house.merchant), now=now)
    today = now.astimezone(house.merchant.zone).date()
    report = reconcile(house.merchant, Period(today, today, house.merchant.zone), now=now)
    assert report.differences == []
    [total] = report.totals
    assert (total.stripe, total.books, total.why) == (62_500, 0, "on its way to the books")


def test_books_where_nothing_was_booked_cost_no_call(house: House, drain: Callable[..., int]) -> None:
    now = timezone.now()
    assert list(due_merchants(now=now)) == []
    house.open_checkout().pay()
    drain()
    assert list(due_merchants(now=now)) == [house.merchant]
    at = timezone.now()
    read_ledger_payments(house.merchant, now=at)
    assert list(due_merchants(now=at + timedelta(hours=23))) == []
    next_day = at + timedelta(hours=25)
    assert list(due_merchants(now=next_day)) == [house.merchant]
    MoneyCursor.objects.update(known_until=next_day)
    assert list(due_merchants(now=next_day + timedelta(days=30))) == []


def test_a_broken_connection_is_said_in_words(house: House, drain: Callable[..., int]) -> None:
    house.open_checkout().pay()
    drain()
    read_ledger_payments(house.merchant, now=timezone.now())
    house.merchant.connections.all().delete()
    read_ledger_payments(house.merchant, now=timezone.now())
    assert MoneyCursor.objects.get().error == "No accounting package is connected."
