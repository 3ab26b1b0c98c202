"""What Stripe moved is written down once, linked to what is ours, and never lost, whatever stops a reading."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.balance.services import list_accounts_to_sync, schedule_balance_sync, sync_balance
from payments.balance.transactions import get_balance_cursor, link_balance_transactions
from payments.gateway_accounts import save_gateway_account
from payments.gateways.stripe import balance_transactions
from payments.models import BalanceTransaction, BalanceTransactionCursor, GatewayAccount, Payout, Refund
from tests.tenants import Tenant
from wisepay.errors import Unavailable
from wisepay.leases import LEASE
from wisepay.models import OutboxMessage
from wisepay.outbox import Retry

DAY = 86_400


def get_account(tenant: Tenant) -> GatewayAccount:
    return GatewayAccount.objects.get(merchant=tenant.merchant)


def create_charges(tenant: Tenant, count: int, **said: Any) -> None:
    """So many charges lately, a minute apart."""
    begin = int(timezone.now().timestamp()) - 10 * DAY
    entries = [
        {"kind": "charge", "amount": 1_000 + n, "currency": "aud", "at": begin + 60 * n, **said} for n in range(count)
    ]
    tenant.world.post("/stripe/_control", {"play": {"account": tenant.stripe_key, "entries": entries}})


def count_list_calls(tenant: Tenant) -> int:
    """How often the balance was listed."""
    return sum("/balance_transactions" in entry["path"] for entry in tenant.world.journal("stripe"))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of ten lines."""
    monkeypatch.setattr(balance_transactions, "PAGE_SIZE", 10)


def test_every_line_is_one_row_however_often_it_is_read(tenant: Tenant) -> None:
    create_charges(tenant, 120)
    account = get_account(tenant)
    sync_balance(account, now=timezone.now())
    sync_balance(account, now=timezone.now())
    assert BalanceTransaction.objects.filter(kind="charge").count() == 120
    assert BalanceTransaction.objects.filter(kind="charge").values("stripe_id").distinct().count() == 120


def test_the_next_reading_asks_only_for_what_is_new(tenant: Tenant, small_pages: None) -> None:
    tenant.world.config(stripe_payouts="manual")
    create_charges(tenant, 45)
    account = get_account(tenant)
    sync_balance(account, now=timezone.now())
    before = count_list_calls(tenant)
    sync_balance(account, now=timezone.now())
    assert count_list_calls(tenant) - before == 1


def test_a_reading_that_is_stopped_goes_on_where_it_was(tenant: Tenant, small_pages: None) -> None:
    tenant.world.config(stripe_payouts="manual")
    create_charges(tenant, 45)
    account = get_account(tenant)
    tenant.world.fault("stripe", "status", status=500, path="/v1/balance_transactions", skip=2)
    with pytest.raises(Unavailable):
        sync_balance(account, now=timezone.now())
    assert BalanceTransaction.objects.count() == 20
    cursor = BalanceTransactionCursor.objects.get()
    assert cursor.after
    assert cursor.known_until is None
    tenant.world.clear_faults()
    before = count_list_calls(tenant)
    sync_balance(account, now=timezone.now())
    assert count_list_calls(tenant) - before == 3
    assert BalanceTransaction.objects.count() == 45
    assert BalanceTransactionCursor.objects.get().known_until is not None


def test_what_came_while_a_reading_was_stopped_is_found_by_the_next(tenant: Tenant, small_pages: None) -> None:
    tenant.world.config(stripe_payouts="manual")
    create_charges(tenant, 25)
    account = get_account(tenant)
    began = timezone.now()
    tenant.world.fault("stripe", "status", status=500, path="/v1/balance_transactions", skip=1)
    with pytest.raises(Unavailable):
        sync_balance(account, now=began)
    tenant.world.clear_faults()
    tenant.open_checkout().pay()
    sync_balance(account, now=timezone.now())
    assert BalanceTransactionCursor.objects.get().known_until == began
    sync_balance(account, now=timezone.now())
    assert BalanceTransaction.objects.count() == 26


def test_a_second_worker_waits_until_the_lease_ends(tenant: Tenant) -> None:
    account, now = get_account(tenant), timezone.now()
    cursor = get_balance_cursor(account)
    with cursor.hold_lease(now=now), pytest.raises(Retry):
        sync_balance(account, now=now)
    assert BalanceTransactionCursor.objects.get().known_until is None
    assert cursor.acquire_lease(now=now)  # by a worker that dies
    with pytest.raises(Retry):
        sync_balance(account, now=now + LEASE)
    sync_balance(account, now=now + LEASE + timedelta(seconds=1))
    cursor = BalanceTransactionCursor.objects.get()
    assert (cursor.known_until, cursor.lease_until) == (now + LEASE + timedelta(seconds=1), None)


def test_lines_are_linked_to_what_is_ours(tenant: Tenant, deliver: Callable[..., int]) -> None:
    checkout = tenant.open_checkout()
    checkout.pay()
    attempt = checkout.attempts[0]
    refund = tenant.act_at_stripe("refund", attempt.stripe_payment_intent_id, amount=500)
    sync_balance(get_account(tenant), now=timezone.now())
    line = BalanceTransaction.objects.get(kind="refund")
    assert (line.attempt, line.refund, line.paid_amount) == (attempt, None, -500)
    tenant.send_stripe_webhook(
        "charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]}
    )
    deliver()
    link_balance_transactions(get_account(tenant))
    assert BalanceTransaction.objects.get(kind="refund").refund == Refund.objects.get()
    charge = BalanceTransaction.objects.get(kind="charge")
    assert (charge.attempt, charge.amount, charge.fee, charge.method_kind) == (attempt, 62_500, 1_843, "card")


def test_a_payouts_lines_are_read_once_it_is_heard_of(tenant: Tenant, deliver: Callable[..., int]) -> None:
    tenant.open_checkout().pay()
    deliver()
    tenant.world.advance(4 * DAY)
    payout = tenant.world.state()["sections"]["stripe"]["accounts"]
    [found] = [one for data in payout.values() for one in data["objects"].get("payout", {}).values()]
    assert tenant.send_stripe_webhook("payout.paid", found).status_code == 200
    deliver()
    row = Payout.objects.get()
    assert (row.stripe_payout_id, row.status, row.amount) == (found["id"], "paid", 62_500 - 1_843)
    assert {line.kind for line in row.balance_transactions.all()} == {"charge", "payout"}
    assert row.transactions_read_at is not None


def test_the_money_of_a_payout_that_came_back_goes_with_the_next(tenant: Tenant) -> None:
    tenant.open_checkout().pay()
    first = tenant.world.post("/stripe/_control", {"pay_out": {"account": tenant.stripe_key}})["pay_out"]["payouts"][0]
    tenant.world.post("/stripe/_control", {"fail_payout": {"payout": first["id"]}})
    second = tenant.world.post("/stripe/_control", {"pay_out": {"account": tenant.stripe_key}})["pay_out"]["payouts"][0]
    sync_balance(get_account(tenant), now=timezone.now())
    assert BalanceTransaction.objects.get(kind="charge").payout == Payout.objects.get(stripe_payout_id=second["id"])
    assert Payout.objects.get(stripe_payout_id=first["id"]).status == "failed"


def test_another_account_has_a_cursor_of_its_own(tenant: Tenant) -> None:
    create_charges(tenant, 3)
    first = get_account(tenant)
    sync_balance(first, now=timezone.now())
    second = save_gateway_account(
        tenant.merchant,
        publishable_key=f"pk_test_second{tenant.merchant.reference}",
        secret_key=f"sk_test_second{tenant.merchant.reference}",
        webhook_secret="whsec_second0secret",
        now=timezone.now(),
    )
    sync_balance(second, now=timezone.now())
    assert BalanceTransaction.objects.filter(account=first).count() == 3
    assert BalanceTransactionCursor.objects.filter(account__in=[first, second], known_until__isnull=False).count() == 2


def test_keys_that_stripe_refuses_are_said_in_words(tenant: Tenant) -> None:
    account = get_account(tenant)
    account.secret_key = "sk_test_bad"
    account.save()
    sync_balance(get_account(tenant), now=timezone.now())
    cursor = BalanceTransactionCursor.objects.get()
    assert cursor.known_until is None
    assert cursor.error == "Stripe does not accept the secret key."


def test_each_account_is_due_every_half_hour(tenant: Tenant, deliver: Callable[..., int]) -> None:
    now, every = timezone.now(), timedelta(minutes=30)
    assert list(list_accounts_to_sync(now=now, every=every)) == [get_account(tenant)]
    schedule_balance_sync(get_account(tenant), now=now)
    deliver()
    assert OutboxMessage.objects.get(handler="payments.read_movements").state == "done"
    assert list(list_accounts_to_sync(now=now, every=every)) == []
    assert list(list_accounts_to_sync(now=now + timedelta(minutes=31), every=every)) == [get_account(tenant)]
