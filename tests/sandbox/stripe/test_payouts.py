"""The balance of the practice Stripe: its lines, its daily payouts, and what a person can do to them."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_disputes import list_event_types
from tests.sandbox.stripe.test_payments import build_client, pay_with_method

DAY, KEY = 86_400, "sk_test_merchant"


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, KEY)


def run_actor_action(sandbox: SandboxProcess, name: str, **params: Any) -> Any:
    """What a person does at the practice Stripe."""
    return sandbox.post("/stripe/_control", {name: params})[name]


def list_balance_transactions(client: stripe.StripeClient, **which: Any) -> list[Any]:
    params: Any = {"limit": 100, **which}
    return client.v1.balance_transactions.list(params).data


def test_a_charge_is_paid_out_after_two_days_and_arrives_a_day_later(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    pay_with_method(client)
    sandbox.advance(3 * DAY)
    [payout] = client.v1.payouts.list().data
    assert (payout.status, payout.amount, payout.automatic) == ("in_transit", 1037, True)
    assert payout.created % DAY == 0
    assert payout.arrival_date - payout.created == DAY
    sandbox.advance(DAY)
    assert client.v1.payouts.retrieve(payout.id).status == "paid"
    assert list_event_types(client, "payout.") == ["payout.created", "payout.reconciliation_completed", "payout.paid"]


def test_the_lines_of_a_payout_add_up_to_it_and_no_line_is_paid_out_twice(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    first, second = pay_with_method(client), pay_with_method(client)
    client.v1.refunds.create({"payment_intent": first.id, "amount": 400})
    sandbox.advance(3 * DAY)
    [payout] = client.v1.payouts.list().data
    inside = list_balance_transactions(client, payout=payout.id)
    assert sum(line.net for line in inside if line.type != "payout") == payout.amount
    assert sorted(line.type for line in inside) == ["charge", "charge", "payout", "refund"]
    pay_with_method(client)
    sandbox.advance(3 * DAY)
    newest, oldest = client.v1.payouts.list().data
    assert oldest.id == payout.id
    assert {line.id for line in list_balance_transactions(client, payout=newest.id)}.isdisjoint(
        line.id for line in inside
    )
    assert second.id


def test_lists_of_lines_are_filtered_paged_and_expanded(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intents = [pay_with_method(client).id for _ in range(3)]
    client.v1.refunds.create({"payment_intent": intents[0]})
    page: Any = client.v1.balance_transactions.list({"limit": 2, "expand": ["data.source"]})
    assert page.has_more
    rest = client.v1.balance_transactions.list({"limit": 2, "starting_after": page.data[-1].id})
    assert not rest.has_more
    assert len({line.id for line in [*page.data, *rest.data]}) == 4
    assert page.data[0].source.payment_intent == intents[0]
    assert len(list_balance_transactions(client, type="charge")) == 3
    assert list_balance_transactions(client, created={"gt": page.data[0].created + 60}) == []
    with pytest.raises(stripe.InvalidRequestError, match="No such payout"):
        list_balance_transactions(client, payout="po_unknown")


def test_nothing_is_paid_out_where_a_person_does_it_by_hand(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    sandbox.config(stripe_payouts="manual")
    pay_with_method(client)
    sandbox.advance(4 * DAY)
    assert client.v1.payouts.list().data == []
    [payout] = run_actor_action(sandbox, "pay_out", account=KEY)["payouts"]
    assert client.v1.payouts.retrieve(payout["id"]).amount == 1037


def test_a_payout_that_the_bank_sends_back_is_in_the_balance_again(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    pay_with_method(client)
    [payout] = run_actor_action(sandbox, "pay_out", account=KEY)["payouts"]
    assert sum(line.net for line in list_balance_transactions(client)) == 0
    run_actor_action(sandbox, "fail_payout", payout=payout["id"])
    assert client.v1.payouts.retrieve(payout["id"]).status == "failed"
    assert sum(line.net for line in list_balance_transactions(client)) == 1037


def test_a_past_is_played_and_paid_out_day_by_day(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    begin = int(pay_with_method(client).created) - 20 * DAY
    entries = [
        {"kind": "charge", "amount": 5000, "currency": "aud", "reference": f"ref{n}", "at": begin + n * DAY}
        for n in range(3)
    ]
    entries.append({"kind": "refund", "of": 0, "amount": 1000, "at": begin + DAY})
    entries.append({"kind": "dispute", "of": 1, "at": begin + 5 * DAY})
    entries.append({"kind": "fee", "amount": 200, "at": begin + 5 * DAY})
    run_actor_action(sandbox, "play", account=KEY, entries=entries)
    sandbox.advance(0)
    kinds = {
        line.reporting_category for line in list_balance_transactions(client, currency="aud") if line.type != "payout"
    }
    assert kinds == {"charge", "refund", "dispute", "fee"}
    payouts = [one for one in client.v1.payouts.list().data if one.currency == "aud"]
    assert len(payouts) == 3
    assert len({one.created for one in payouts}) == 3
    assert sum(line.net for line in list_balance_transactions(client, currency="aud")) == -(5000 + 1500 + 200)
