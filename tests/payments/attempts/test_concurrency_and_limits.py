"""Once and not too often: whatever happens at the same moment, one charge; and limits against card testing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments.models import Attempt
from quotes.models import Quote
from tests.concurrency import run_concurrently
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant

at_once = pytest.mark.django_db(transaction=True)
DECLINED = "4000000000000002"


def count_charge_requests(tenant: Tenant) -> int:
    """How many attempts to charge Stripe has heard of."""
    asked = [(e["method"], e["path"]) for e in tenant.world.journal("stripe")]
    return asked.count(("POST", "/v1/payment_intents"))


@at_once
@pytest.mark.parametrize("card", ["4242424242424242", "4000002760003184"])
def test_many_clicks_at_once_are_one_intent(tenant: Tenant, card: str) -> None:
    checkout = tenant.open_checkout()
    tokens = [tenant.confirmation_token(card) for _ in range(6)]
    answers = run_concurrently(6, lambda i: checkout.pay(confirmation_token=tokens[i]))
    bodies: list[dict[str, Any]] = [answer.json() for answer in answers]  # type: ignore[attr-defined]
    started = [b for b in bodies if b["status"] != "refused"]
    assert len(started) == 1
    assert {b["code"] for b in bodies if b["status"] == "refused"} <= {"attempt_in_progress", "already_paid"}
    assert {b["next"] for b in bodies if b["status"] == "refused"} == {checkout.path}
    assert (len(tenant.intents()), count_charge_requests(tenant)) == (1, 1)
    if started[0]["status"] == "requires_action":
        answer_three_d_secure(tenant.world, started[0]["client_secret"])
        Client().post(started[0]["attempt"])
    assert (checkout.payment.state, tenant.total_charged()) == ("succeeded", 62500)


@at_once
def test_the_same_click_sent_twice_is_one_charge(tenant: Tenant) -> None:
    checkout = tenant.open_checkout()
    token = tenant.confirmation_token("4242424242424242")
    run_concurrently(4, lambda _: checkout.pay(confirmation_token=token))
    assert (len(tenant.intents()), tenant.total_charged(), Attempt.objects.count()) == (1, 62500, 1)


@at_once
def test_everybody_who_asks_how_it_ended_writes_it_down_once(tenant: Tenant, deliver: Callable[..., int]) -> None:
    checkout = tenant.open_checkout()
    asked = checkout.pay("4000002760003184").json()  # type: ignore[attr-defined]
    answer_three_d_secure(tenant.world, asked["client_secret"])

    def ask(index: int) -> None:
        if index % 2:
            Client().post(asked["attempt"])
        else:
            deliver(at=timezone.now() + timedelta(seconds=11))

    run_concurrently(6, ask)
    deliver()
    assert [a.state for a in checkout.attempts] == ["succeeded"]
    assert checkout.payment.list_state_changes().count() == 1
    assert checkout.attempts[0].list_state_changes().count() == 2
    assert tenant.total_charged() == 62500
    mails = tenant.world.get("/mailbox/messages.json").json()["messages"]
    assert len([m for m in mails if "Receipt" in m["subject"]]) == 1


@at_once
def test_giving_up_and_confirming_at_once_ends_one_way(tenant: Tenant) -> None:
    checkout = tenant.open_checkout()
    asked = checkout.pay("4000002760003184").json()  # type: ignore[attr-defined]
    stop = asked["attempt"].replace("/check", "/stop")

    def act(index: int) -> None:
        if index:
            Client().post(stop)
        else:
            answer_three_d_secure(tenant.world, asked["client_secret"])

    run_concurrently(2, act)
    Client().post(asked["attempt"])
    ended = (checkout.attempts[0].state, tenant.total_charged(), checkout.payment.state)
    assert ended in [("succeeded", 62500, "succeeded"), ("cancelled", 0, "open")]


# ---- limits ----------------------------------------------------------------------------------------


def test_five_declines_close_a_quote_to_further_cards(tenant: Tenant, checkout: Checkout) -> None:
    for _ in range(5):
        assert checkout.pay(DECLINED).json()["status"] == "failed"  # type: ignore[attr-defined]
    refused = checkout.pay().json()  # type: ignore[attr-defined]
    assert refused["code"] == "too_many_attempts"
    assert "Northwind IT" in refused["message"]
    other_ip = checkout.pay(client=Client(REMOTE_ADDR="198.51.100.9")).json()  # type: ignore[attr-defined]
    assert other_ip["code"] == "too_many_attempts"
    assert (count_charge_requests(tenant), tenant.total_charged()) == (5, 0)
    other_quote = tenant.open_checkout()
    assert other_quote.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


def test_three_typos_and_then_the_right_digits_are_fine(tenant: Tenant, checkout: Checkout) -> None:
    for _ in range(3):
        checkout.pay("4000000000000127")
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    assert tenant.total_charged() == 62500


def test_ten_attempts_an_hour_from_one_address_reach_stripe_and_the_eleventh_does_not(tenant: Tenant) -> None:
    quotes = [tenant.open_checkout() for _ in range(12)]
    for checkout in quotes[:10]:
        checkout.pay(DECLINED)
    before = len(tenant.world.journal("stripe"))
    refused = quotes[10].pay(confirmation_token="ctoken_anything").json()  # type: ignore[attr-defined]
    assert refused["code"] == "too_many_attempts"
    assert len(tenant.world.journal("stripe")) == before
    assert quotes[10].attempts == []
    from_elsewhere = quotes[10].pay(client=Client(REMOTE_ADDR="198.51.100.9")).json()  # type: ignore[attr-defined]
    assert from_elsewhere["status"] == "succeeded"
    Attempt.objects.filter(ip="127.0.0.1").update(created_at=timezone.now() - timedelta(minutes=61))
    assert quotes[11].pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


@at_once
def test_the_limit_of_an_address_holds_when_many_try_at_once(tenant: Tenant) -> None:
    quotes = [tenant.open_checkout() for _ in range(14)]
    tokens = [tenant.confirmation_token(DECLINED) for _ in quotes]
    run_concurrently(14, lambda i: quotes[i].pay(confirmation_token=tokens[i]))
    assert count_charge_requests(tenant) == 10


def test_a_claimed_address_does_not_escape_the_limit(tenant: Tenant) -> None:
    quotes = [tenant.open_checkout() for _ in range(11)]
    for number, checkout in enumerate(quotes):
        checkout.pay(DECLINED, client=Client(headers={"X-Forwarded-For": f"203.0.113.{number}"}))
    assert count_charge_requests(tenant) == 10


def test_what_is_not_a_declined_card_does_not_close_a_quote(tenant: Tenant, checkout: Checkout) -> None:
    for _ in range(5):
        with tenant.world.inject_fault("stripe", "status", status=401, path="/v1/payment_intents"):
            assert checkout.pay().json()["status"] == "failed"  # type: ignore[attr-defined]
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


def test_a_quote_follows_a_payment_only_once(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    checkout.pay()
    deliver()
    deliver(at=timezone.now() + timedelta(days=2))
    quote = Quote.objects.get()
    assert (quote.state, quote.list_state_changes().count()) == ("paid", 1)
