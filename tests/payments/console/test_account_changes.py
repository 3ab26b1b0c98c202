"""Ids at the gateway belong to an account and a mode: what a change of keys says beforehand, does, and never breaks.

Stands for docs.stripe.com/keys ("objects in one mode aren't accessible to the other"), for docs.stripe.com/keys#rolling
and for craftcms/commerce-stripe#35, where ids of another account stayed under changed keys.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from merchants.models import Notification
from payments.attempts.services import refresh_attempt
from payments.balance.services import LEFT_PERIOD, list_accounts_to_sync
from payments.gateway_accounts import count_open_at
from payments.handlers import resolve_attempt, resolve_refund
from payments.models import Attempt, GatewayAccount, GatewayCustomer, Refund, SavedMethod
from payments.refunds import get_failed_refund_advice, send_refund, start_refund
from tests.payments.signed_in_payer import SignedInPayer
from tests.tenants import PASSWORD, Checkout, Tenant
from wisepay import outbox
from wisepay.models import AuditEntry, OutboxMessage

TAB = "configure/merchants/gateway"
Deliver = Callable[..., int]


@pytest.fixture
def signed_in(tenant: Tenant, checkout: Checkout) -> SignedInPayer:
    """A payer with access to the company."""
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    return payer


@pytest.fixture(autouse=True)
def _confirmed(tenant: Tenant) -> None:
    """The admin has just confirmed that it is them."""
    tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})


def build_keys(tenant: Tenant, name: str = "second", *, mode: str = "test") -> dict[str, str]:
    """The keys of another account of the merchant's, without a webhook secret: the endpoint is made."""
    end = f"{mode}_{name}{tenant.merchant.reference}"
    return {"publishable_key": f"pk_{end}", "secret_key": f"sk_{end}", "webhook_secret": ""}


def get_current(tenant: Tenant) -> GatewayAccount:
    """The account that takes the merchant's payments."""
    return GatewayAccount.objects.get(current_of=tenant.merchant)


def save_and_open_change(tenant: Tenant, keys: dict[str, str]) -> str:
    """Save the keys of another account, and return the path of the page that says what changing to it does."""
    answer = tenant.admin.post(tenant.url(TAB), keys)
    assert answer.status_code == 302, answer.content.decode()
    path = str(answer["Location"])
    assert f"/{TAB}/acct_" in path
    return path


def change_account(tenant: Tenant, keys: dict[str, str]) -> GatewayAccount:
    """Change to another account with a tick, as its admin does."""
    path = save_and_open_change(tenant, keys)
    digest = count_open_at(get_current(tenant)).digest
    answer = tenant.admin.post(path, {"is_understood": "1", "shown": digest})
    assert answer.status_code == 302, answer.content.decode()
    tenant.stripe_key = keys["secret_key"]
    return get_current(tenant)


def roll_keys(tenant: Tenant) -> None:
    """End the secret key of the first account at once, as a person does at Stripe."""
    tenant.world.post("/stripe/_control", {"roll_keys": {"account": f"sk_test_tenant{tenant.merchant.reference}"}})


@pytest.mark.parametrize("mode", ["test", "live"])
def test_other_keys_wait_until_somebody_has_read_what_changes(tenant: Tenant, mode: str) -> None:
    before = get_current(tenant)
    keys = {name: value.replace("second", "tenant") for name, value in build_keys(tenant, mode="live").items()}
    path = save_and_open_change(tenant, keys if mode == "live" else build_keys(tenant))
    assert get_current(tenant) == before
    page = tenant.admin.get(path).content.decode()
    assert "What changes" in page
    assert ("From test to live" in page) is (mode == "live")
    for form in ({}, {"is_understood": "1"}, {"is_understood": "1", "shown": "0" * 32}):
        refused = tenant.admin.post(path, form)
        assert refused.status_code == 422
        assert "tick that you have" in refused.content.decode()
        assert get_current(tenant) == before
    digest = count_open_at(before).digest
    assert tenant.admin.post(path, {"is_understood": "1", "shown": digest}).status_code == 302
    after, before = get_current(tenant), GatewayAccount.objects.get(pk=before.pk)
    assert (after.mode, after != before, before.replaced_at is not None) == (mode, True, True)
    assert AuditEntry.objects.filter(merchant_id=tenant.merchant.pk, action="gateway.account_changed").count() == 1
    assert (after.stripe_account_id == before.stripe_account_id) is (mode == "live")


def test_the_page_counts_what_is_open_at_the_present_account(
    tenant: Tenant, signed_in: SignedInPayer, checkout: Checkout
) -> None:
    signed_in.pay_and_save(tenant.open_checkout())
    checkout.pay("4000002760003184")
    page = tenant.admin.get(save_and_open_change(tenant, build_keys(tenant))).content.decode()
    assert "1 end, with the automatic payments that use them" in page
    assert "1 stay with" in page


def test_methods_of_before_are_retired_and_their_payers_are_told(
    tenant: Tenant, signed_in: SignedInPayer, deliver: Deliver
) -> None:
    signed_in.pay_and_save(tenant.open_checkout())
    deliver()
    [method] = SavedMethod.objects.filter(account=get_current(tenant))
    change_account(tenant, build_keys(tenant))
    deliver()
    method.refresh_from_db()
    assert method.state == "removed"
    assert any("was removed" in mail["subject"] for mail in tenant.mails(signed_in.email))
    signed_in.pay_and_save(tenant.open_checkout())  # with a customer of the new account
    assert {c.account_id for c in GatewayCustomer.objects.all()} == {method.account_id, get_current(tenant).pk}
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_method_that_is_saved_there_afterwards_is_retired_as_well(
    tenant: Tenant, signed_in: SignedInPayer, deliver: Deliver
) -> None:
    checkout = tenant.open_checkout()
    signed_in.pay_and_save(checkout, "4000002760003184")
    [attempt] = checkout.attempts
    change_account(tenant, build_keys(tenant))
    order = {"finish_action": {"payment_intent": attempt.stripe_payment_intent_id}}
    tenant.world.post("/stripe/_control", order)
    deliver(at=timezone.now() + timedelta(minutes=1))
    assert checkout.attempts[0].state == "succeeded"
    assert [method.state for method in signed_in.methods] == ["removed"]


def test_what_is_undecided_still_ends_at_the_account_that_has_it(
    tenant: Tenant, checkout: Checkout, deliver: Deliver
) -> None:
    with tenant.world.inject_fault("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
        checkout.pay()
    change_account(tenant, build_keys(tenant))
    [attempt] = checkout.attempts
    refresh_attempt(attempt, now=timezone.now())
    assert (attempt.state, attempt.account.is_current) == ("succeeded", False)
    refund = start_refund(checkout.payment, amount=100, reason="", by=tenant.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    assert refund.state == "succeeded"


@pytest.mark.parametrize("is_known", [True, False], ids=["its intent is known", "its answer was lost"])
def test_what_cannot_be_decided_any_more_ends_and_a_person_is_told(
    tenant: Tenant, checkout: Checkout, deliver: Deliver, is_known: bool
) -> None:
    if is_known:
        checkout.pay("4000002760003184")
    else:
        with tenant.world.inject_fault("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
            checkout.pay()
    change_account(tenant, build_keys(tenant))
    roll_keys(tenant)
    [attempt] = checkout.attempts
    resolve_attempt(attempt_id=attempt.pk, now=timezone.now())
    attempt.refresh_from_db()
    assert (attempt.state, attempt.failure_code) == ("failed", "undecided")
    [notice] = Notification.objects.filter(key=f"undecided:{attempt.reference}")
    assert attempt.account.stripe_account_id in notice.body
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    deliver()
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_the_payers_way_back_works_when_the_account_is_out_of_reach(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay("4000002760003184")
    change_account(tenant, build_keys(tenant))
    roll_keys(tenant)
    [attempt] = checkout.attempts
    tenant.admin.post(f"{checkout.path}/attempts/{attempt.reference}/stop")
    attempt.refresh_from_db()
    assert attempt.state == "failed"


def test_the_present_accounts_refused_key_decides_nothing(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay("4000002760003184")
    roll_keys(tenant)
    with pytest.raises(outbox.Retry):
        resolve_attempt(attempt_id=checkout.attempts[0].pk, now=timezone.now())
    assert checkout.attempts[0].state == "requires_action"


def test_rolled_keys_of_the_same_account_take_the_place_of_the_old_ones(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay("4000002760003184")
    before = get_current(tenant)
    keys = tenant.world.post("/stripe/_control", {"roll_keys": {"account": tenant.stripe_key}})["roll_keys"]
    assert tenant.admin.post(tenant.url(TAB), {**keys, "webhook_secret": ""}).status_code == 302
    after = get_current(tenant)
    assert (after.pk, after.secret_key.decrypt()) == (before.pk, keys["secret_key"])
    [attempt] = checkout.attempts
    refresh_attempt(attempt, now=timezone.now())
    assert attempt.state == "requires_action"


def test_an_intent_that_stripe_forgot_does_not_block_its_quote(tenant: Tenant, checkout: Checkout) -> None:
    """ "Delete all test data" at Stripe (docs.stripe.com/test-mode)."""
    checkout.pay("4000002760003184")
    [attempt] = checkout.attempts
    Attempt.objects.filter(pk=attempt.pk).update(stripe_payment_intent_id="pi_deleted0there")
    attempt.refresh_from_db()
    refresh_attempt(attempt, now=timezone.now())
    assert (attempt.state, attempt.failure_code) == ("failed", "undecided")


@pytest.mark.parametrize("was_sent", [True, False], ids=["its answer was lost", "it was never sent"])
def test_a_refund_at_an_account_out_of_reach_never_claims_where_the_money_is(
    tenant: Tenant, checkout: Checkout, deliver: Deliver, was_sent: bool
) -> None:
    checkout.pay()
    deliver()
    refund = start_refund(checkout.payment, amount=500, reason="", by=tenant.user, now=timezone.now())
    if was_sent:
        with tenant.world.inject_fault("stripe", "drop_after", method="POST", path="/v1/refunds"):
            send_refund(refund, now=timezone.now())
    change_account(tenant, build_keys(tenant))
    roll_keys(tenant)
    resolve_refund(refund_id=refund.pk, now=timezone.now())
    refund = Refund.objects.select_related("attempt__account").get(pk=refund.pk)
    assert (refund.state, refund.failure_code) == ("failed", "account_left")
    words = get_failed_refund_advice(refund)
    assert refund.attempt.account.stripe_account_id in words
    page = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}/refunds")).content.decode()
    for text in (words, page, *Notification.objects.values_list("body", flat=True)):
        assert "still yours" not in text
        assert "yours again" not in text


def test_a_refund_of_a_payment_that_stripe_forgot_ends(tenant: Tenant, checkout: Checkout) -> None:
    """ "Delete all test data" at Stripe (docs.stripe.com/test-mode): the refund was asked about for ever."""
    checkout.pay()
    refund = start_refund(checkout.payment, amount=500, reason="", by=tenant.user, now=timezone.now())
    Attempt.objects.update(stripe_payment_intent_id="pi_deleted0there")
    resolve_refund(refund_id=refund.pk, now=timezone.now())
    refund = Refund.objects.select_related("attempt__account").get(pk=refund.pk)
    assert (refund.state, refund.failure_code) == ("failed", "object_missing")
    assert "does not know this payment" in get_failed_refund_advice(refund)


ADVICE: dict[str, tuple[str, str, str]] = {
    "the bank sent it back": ("re_1", "expired_or_canceled_card", "yours again"),
    "Stripe did not make it": ("", "balance_insufficient", "where it was"),
    "a code of tomorrow, never made": ("", "some_new_code", "where it was"),
    "it was given back before": ("", "charge_already_refunded", "Pay nothing back twice"),
    "it is disputed": ("", "charge_disputed", "pay nothing back"),
    "a dispute came in between": ("re_1", "charge_for_pending_refund_disputed", "pay nothing back"),
    "another account's": ("", "object_missing", "does not know this payment"),
    "the other mode's": ("", "wrong_mode", "does not know this payment"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_only_what_stripe_said_is_claimed_of_a_failed_refund(tenant: Tenant, checkout: Checkout, name: str) -> None:
    refund_id, code, words = ADVICE[name]
    checkout.pay()
    refund = start_refund(checkout.payment, amount=500, reason="", by=tenant.user, now=timezone.now())
    refund.stripe_refund_id, refund.failure_code = refund_id, code
    assert words in get_failed_refund_advice(refund)


def test_events_of_the_account_of_before_are_still_heard(tenant: Tenant, checkout: Checkout, deliver: Deliver) -> None:
    checkout.pay()
    deliver()
    change_account(tenant, build_keys(tenant))
    intent = checkout.attempts[0].stripe_payment_intent_id
    tenant.act_at_stripe("refund", intent, amount=100)
    answer = tenant.send_stripe_webhook("charge.refunded", {"id": "ch", "object": "charge", "payment_intent": intent})
    assert answer.status_code == 200
    deliver()
    assert checkout.payment.refunded_amount == 100


def test_one_can_change_back_and_nothing_of_the_other_is_used(tenant: Tenant, deliver: Deliver) -> None:
    first = get_current(tenant)
    second = change_account(tenant, build_keys(tenant))
    path = tenant.url(f"{TAB}/{first.stripe_account_id}/test")
    assert tenant.admin.post(path, {"is_understood": "1", "shown": count_open_at(second).digest}).status_code == 302
    assert get_current(tenant) == first
    tenant.stripe_key = first.secret_key.decrypt()
    tenant.open_checkout().pay()
    assert Attempt.objects.get().account == first


def hold(statement: str, values: list[Any]) -> None:
    """Run a statement that the database must refuse."""
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{statement}; SET CONSTRAINTS ALL IMMEDIATE", values)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payments_gatewayaccount SET stripe_account_id = 'acct_other' WHERE id = %s",
        "UPDATE payments_gatewayaccount SET is_live = NOT is_live WHERE id = %s",
    ],
)
def test_the_database_holds_account_and_mode_of_a_row(tenant: Tenant, change: str) -> None:
    before = GatewayAccount.objects.values().get(pk=get_current(tenant).pk)
    hold(change, [before["id"]])
    assert GatewayAccount.objects.values().get(pk=before["id"]) == before


def test_the_database_holds_one_present_account_and_methods_of_the_same(
    tenant: Tenant, stranger: Tenant, signed_in: SignedInPayer
) -> None:
    signed_in.pay_and_save(tenant.open_checkout())
    other = GatewayAccount.objects.create(
        merchant=tenant.merchant, stripe_account_id="acct_2", publishable_key="pk_test_2", secret_key="sk_test_2"
    )
    take = "UPDATE payments_gatewayaccount SET current_of_id = %s WHERE id = %s"
    hold(take, [tenant.merchant.pk, other.pk])
    hold(take, [stranger.merchant.pk, other.pk])
    method = SavedMethod.objects.get()
    signed_in.pay(tenant.open_checkout(), saved_method=method.reference)
    attempt = Attempt.objects.get(saved_method=method)
    hold("UPDATE payments_attempt SET account_id = %s WHERE id = %s", [other.pk, attempt.pk])


def test_an_account_left_long_ago_is_not_read_for_ever(tenant: Tenant) -> None:
    first = get_current(tenant)
    second = change_account(tenant, build_keys(tenant))
    now, every = timezone.now(), timedelta(minutes=30)
    assert set(list_accounts_to_sync(now=now, every=every)) == {first, second}
    assert set(list_accounts_to_sync(now=now + LEFT_PERIOD, every=every)) == {second}
