"""What Stripe moved is written down once, linked to what is ours, and never lost, whatever stops a reading."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments import movements
from payments.gateways import stripe_movements
from payments.models import GatewayAccount, Movement, MovementCursor, Payout, Refund
from payments.movements import due_accounts, link_movements, read_movements
from tests.people import House
from wisepay.errors import Unavailable
from wisepay.models import OutboxMessage

DAY = 86_400


def account_of(house: House) -> GatewayAccount:
    return GatewayAccount.objects.get(merchant=house.merchant)


def play(house: House, count: int, **said: Any) -> None:
    """So many charges lately, a minute apart."""
    begin = int(timezone.now().timestamp()) - 10 * DAY
    entries = [
        {"kind": "charge", "amount": 1_000 + n, "currency": "aud", "at": begin + 60 * n, **said} for n in range(count)
    ]
    house.world.post("/stripe/_control", {"play": {"account": house.stripe_key, "entries": entries}})


def calls(house: House) -> int:
    """How often the balance was listed."""
    return sum("/balance_transactions" in entry["path"] for entry in house.world.journal("stripe"))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of ten lines."""
    monkeypatch.setattr(stripe_movements, "PAGE", 10)


def test_every_line_is_one_row_however_often_it_is_read(house: House) -> None:
    play(house, 120)
    account = account_of(house)
    read_movements(account, now=timezone.now())
    read_movements(account, now=timezone.now())
    assert Movement.objects.filter(kind="charge").count() == 120
    assert Movement.objects.filter(kind="charge").values("stripe_id").distinct().count() == 120


def test_the_next_reading_asks_only_for_what_is_new(house: House, small_pages: None) -> None:
    house.world.config(stripe_payouts="manual")
    play(house, 45)
    account = account_of(house)
    read_movements(account, now=timezone.now())
    before = calls(house)
    read_movements(account, now=timezone.now())
    assert calls(house) - before == 1


def test_a_reading_that_is_stopped_goes_on_where_it_was(house: House, small_pages: None) -> None:
    house.world.config(stripe_payouts="manual")
    play(house, 45)
    account = account_of(house)
    house.world.fault("stripe", "status", status=500, path="/v1/balance_transactions", skip=2)
    with pytest.raises(Unavailable):
        read_movements(account, now=timezone.now())
    assert Movement.objects.count() == 20
    cursor = MovementCursor.objects.get()
    assert cursor.after
    assert cursor.known_until is None
    house.world.clear_faults()
    before = calls(house)
    read_movements(account, now=timezone.now())
    assert calls(house) - before == 3
    assert Movement.objects.count() == 45
    assert MovementCursor.objects.get().known_until is not None


def test_what_came_while_a_reading_was_stopped_is_found_by_the_next(house: House, small_pages: None) -> None:
    house.world.config(stripe_payouts="manual")
    play(house, 25)
    account = account_of(house)
    began = timezone.now()
    house.world.fault("stripe", "status", status=500, path="/v1/balance_transactions", skip=1)
    with pytest.raises(Unavailable):
        read_movements(account, now=began)
    house.world.clear_faults()
    house.open_checkout().pay()
    read_movements(account, now=timezone.now())
    assert MovementCursor.objects.get().known_until == began
    read_movements(account, now=timezone.now())
    assert Movement.objects.count() == 26


def test_lines_are_linked_to_what_is_ours(house: House, drain: Callable[..., int]) -> None:
    checkout = house.open_checkout()
    checkout.pay()
    attempt = checkout.attempts[0]
    refund = house.by_hand("refund", attempt.stripe_payment_intent_id, amount=500)
    read_movements(account_of(house), now=timezone.now())
    line = Movement.objects.get(kind="refund")
    assert (line.attempt, line.refund, line.paid_amount) == (attempt, None, -500)
    house.hear("charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": refund["payment_intent"]})
    drain()
    link_movements(account_of(house))
    assert Movement.objects.get(kind="refund").refund == Refund.objects.get()
    charge = Movement.objects.get(kind="charge")
    assert (charge.attempt, charge.amount, charge.fee, charge.method_kind) == (attempt, 62_500, 1_843, "card")


def test_a_payouts_lines_are_read_once_it_is_heard_of(house: House, drain: Callable[..., int]) -> None:
    house.open_checkout().pay()
    drain()
    house.world.advance(4 * DAY)
    payout = house.world.state()["sections"]["stripe"]["accounts"]
    [found] = [one for data in payout.values() for one in data["objects"].get("payout", {}).values()]
    assert house.hear("payout.paid", found).status_code == 200
    drain()
    row = Payout.objects.get()
    assert (row.stripe_payout_id, row.status, row.amount) == (found["id"], "paid", 62_500 - 1_843)
    assert {line.kind for line in row.lines.all()} == {"charge", "payout"}
    assert row.lines_at is not None


def test_the_money_of_a_payout_that_came_back_goes_with_the_next(house: House) -> None:
    house.open_checkout().pay()
    first = house.world.post("/stripe/_control", {"pay_out": {"account": house.stripe_key}})["pay_out"]["payouts"][0]
    house.world.post("/stripe/_control", {"fail_payout": {"payout": first["id"]}})
    second = house.world.post("/stripe/_control", {"pay_out": {"account": house.stripe_key}})["pay_out"]["payouts"][0]
    read_movements(account_of(house), now=timezone.now())
    assert Movement.objects.get(kind="charge").payout == Payout.objects.get(stripe_payout_id=second["id"])
    assert Payout.objects.get(stripe_payout_id=first["id"]).status == "failed"


def test_keys_of_another_account_begin_anew(house: House) -> None:
    play(house, 3)
    account = account_of(house)
    read_movements(account, now=timezone.now())
    GatewayAccount.objects.filter(pk=account.pk).update(stripe_account_id="acct_other")
    now = timezone.now()
    read_movements(account_of(house), now=now)
    cursor = MovementCursor.objects.get()
    assert (cursor.stripe_account_id, cursor.begins_at) == ("acct_other", now)
    assert not cursor.knows(now - timedelta(hours=1))


def test_keys_that_stripe_refuses_are_said_in_words(house: House) -> None:
    account = account_of(house)
    account.secret_key = "sk_test_bad"
    account.save()
    read_movements(account_of(house), now=timezone.now())
    cursor = MovementCursor.objects.get()
    assert cursor.known_until is None
    assert cursor.error == "Stripe does not accept the secret key."


def test_each_account_is_due_every_half_hour(house: House, drain: Callable[..., int]) -> None:
    now, every = timezone.now(), timedelta(minutes=30)
    assert list(due_accounts(now=now, every=every)) == [account_of(house)]
    movements.arm_movements(account_of(house), now=now)
    drain()
    assert OutboxMessage.objects.get(handler="payments.read_movements").state == "done"
    assert list(due_accounts(now=now, every=every)) == []
    assert list(due_accounts(now=now + timedelta(minutes=31), every=every)) == [account_of(house)]
