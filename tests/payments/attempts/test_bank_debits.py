"""Bank debits at the gateway's side: submitted, settled, rejected days later, disputed after they had settled."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.models import Dispute, SavedMethod
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.signed_in_payer import DAY, RECURRING, USD, SignedInPayer
from tests.tenants import Checkout, Tenant, deliver_outbox, merge_body
from wisepay.models import OutboxMessage

CLOSED = {"account_number": "000111111113"}
POOR = {"account_number": "000222222227"}


@pytest.fixture
def signed_in_payer(tenant: Tenant) -> SignedInPayer:
    return SignedInPayer(tenant)


@pytest.fixture
def quote(tenant: Tenant) -> Checkout:
    return tenant.open_checkout(**USD)


def advance_days(world: SandboxProcess, days: float) -> None:
    """The practice banks' clock moves, and our sweepers come by."""
    world.advance(days * DAY)
    deliver_outbox(at=timezone.now() + timedelta(hours=2))


def has_no_dead_messages() -> bool:
    return not OutboxMessage.objects.filter(state="dead").exists()


def test_a_debit_is_processing_for_days_and_says_so(
    tenant: Tenant, signed_in_payer: SignedInPayer, quote: Checkout, deliver: Callable[..., int]
) -> None:
    answer = signed_in_payer.pay_by_bank(quote).json()
    assert (answer["status"], answer["next"]) == ("settling", quote.payment.done_path)
    deliver()
    [attempt] = quote.attempts
    assert (attempt.state, attempt.is_settling, attempt.last4) == ("processing", True, "6789")
    assert tenant.read(quote)["status"] == "processing"
    page = signed_in_payer.client.get(quote.path).content.decode()
    assert "Your bank debit is on its way" in page
    assert any("on its way" in m["subject"] for m in tenant.mails(signed_in_payer.email))
    assert has_no_dead_messages()


def test_a_settling_debit_cannot_be_paid_again_or_given_up(signed_in_payer: SignedInPayer, quote: Checkout) -> None:
    signed_in_payer.pay_by_bank(quote)
    [attempt] = quote.attempts
    assert signed_in_payer.pay(quote).json()["code"] == "attempt_in_progress"
    signed_in_payer.client.post(f"{quote.path}/attempts/{attempt.reference}/stop")
    assert quote.attempts[0].is_settling


@pytest.mark.parametrize("currency", ["USD", "AUD"])
def test_a_debit_that_settles_is_paid(
    tenant: Tenant, signed_in_payer: SignedInPayer, world: SandboxProcess, deliver: Callable[..., int], currency: str
) -> None:
    quote = tenant.open_checkout(**merge_body(USD, {"quote": {"currency": currency}}))
    assert signed_in_payer.pay_by_bank(quote).json()["status"] == "settling"
    deliver()
    advance_days(world, 4)
    assert (quote.payment.state, quote.quote.state, tenant.read(quote)["status"]) == ("succeeded", "paid", "paid")
    assert tenant.total_charged() == quote.payment.amount
    assert any("Receipt" in m["subject"] for m in tenant.mails(signed_in_payer.email))
    assert has_no_dead_messages()


@pytest.mark.parametrize(("account", "words"), [(CLOSED, "closed"), (POOR, "not enough money")])
def test_a_debit_that_comes_back_can_be_paid_again(
    tenant: Tenant,
    signed_in_payer: SignedInPayer,
    quote: Checkout,
    world: SandboxProcess,
    deliver: Callable[..., int],
    account: dict[str, str],
    words: str,
) -> None:
    signed_in_payer.pay_by_bank(quote, account=account)
    deliver()
    advance_days(world, 4)
    assert (quote.payment.state, tenant.read(quote)["status"], tenant.total_charged()) == ("open", "failed", 0)
    assert words in signed_in_payer.client.get(quote.path).content.decode()
    assert any("rejected" in m["subject"] for m in tenant.mails(signed_in_payer.email))
    assert signed_in_payer.pay(quote).json()["status"] == "succeeded"
    deliver()
    assert (quote.payment.state, tenant.read(quote)["status"]) == ("succeeded", "paid")
    assert has_no_dead_messages()


def test_a_debit_that_comes_back_after_the_quotes_end_can_still_be_paid(
    tenant: Tenant, signed_in_payer: SignedInPayer, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    soon = (timezone.now() + timedelta(minutes=5)).isoformat()
    quote = tenant.open_checkout(**merge_body(USD, {"quote": {"expires_at": soon}}))
    signed_in_payer.pay_by_bank(quote, account=CLOSED)
    deliver()
    advance_days(world, 4)
    assert quote.payment.expires_at > timezone.now() + timedelta(days=20)
    assert signed_in_payer.pay(quote).json()["status"] == "succeeded"


def test_a_closed_account_is_never_offered_again(
    tenant: Tenant, signed_in_payer: SignedInPayer, quote: Checkout, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    signed_in_payer.grant_access(quote.payment)
    signed_in_payer.pay_by_bank(quote, saves=True, account=CLOSED)
    deliver()
    [method] = signed_in_payer.methods
    assert (method.state, method.stripe_mandate_id != "", method.kind) == ("active", True, "us_bank_account")
    advance_days(world, 4)
    assert (signed_in_payer.methods[0].state, signed_in_payer.methods[0].last_failure) == ("invalid", "account_closed")
    second = tenant.open_checkout(**USD)
    before = len(tenant.intents())
    assert signed_in_payer.pay(second, saved_method=method.reference).json()["code"] == "method_unusable"
    assert len(tenant.intents()) == before


def test_a_saved_bank_account_pays_the_next_quote(
    tenant: Tenant, signed_in_payer: SignedInPayer, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    first = tenant.open_checkout(**merge_body(USD, RECURRING))
    assert signed_in_payer.pay_by_bank(first, saves=True).json()["status"] == "settling"
    assert first.payment.saved_method == signed_in_payer.methods[0]
    second = tenant.open_checkout(**USD)
    answer = signed_in_payer.pay(second, saved_method=signed_in_payer.methods[0].reference).json()
    assert answer["status"] == "settling"
    deliver()
    advance_days(world, 4)
    assert {first.payment.state, second.payment.state} == {"succeeded"}


def test_a_bank_account_is_neither_offered_nor_taken_in_another_currency(
    tenant: Tenant, signed_in_payer: SignedInPayer
) -> None:
    first = tenant.open_checkout(**merge_body(USD, RECURRING))
    signed_in_payer.pay_by_bank(first, saves=True)
    [method] = signed_in_payer.methods
    second = tenant.open_checkout(**merge_body(USD, {"quote": {"currency": "AUD"}}))
    assert method.reference not in signed_in_payer.client.get(f"{second.path}/checkout").content.decode()
    answer = signed_in_payer.pay(second, saved_method=method.reference)
    assert (answer.json()["code"], second.attempts) == ("method_not_allowed", [])


def create_dispute(tenant: Tenant, quote: Checkout) -> None:
    """The payer's bank takes a settled debit back."""
    tenant.act_at_stripe("dispute", quote.attempts[0].stripe_payment_intent_id)


def test_a_dispute_after_success_reverses_it_everywhere(
    tenant: Tenant, signed_in_payer: SignedInPayer, quote: Checkout, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    signed_in_payer.pay_by_bank(quote, saves=True)
    deliver()
    advance_days(world, 4)
    assert quote.payment.state == "succeeded"
    create_dispute(tenant, quote)
    send_dispute_webhook(tenant, "charge.dispute.created", quote)
    deliver()
    assert (quote.attempts[0].state, quote.payment.state, quote.quote.state) == ("reversed", "reversed", "open")
    assert tenant.read(quote)["status"] == "failed"
    assert signed_in_payer.methods[0].state == "invalid"
    assert any("reversed" in m["subject"] for m in tenant.mails(signed_in_payer.email))
    assert "took this payment back" in signed_in_payer.client.get(quote.path).content.decode()
    send_dispute_webhook(tenant, "charge.dispute.created", quote)
    deliver()
    assert Dispute.objects.count() == 1
    assert signed_in_payer.pay(quote).json()["status"] == "succeeded"
    deliver(at=timezone.now() + timedelta(hours=2))
    assert (quote.payment.state, quote.quote.state, tenant.read(quote)["status"]) == ("succeeded", "paid", "paid")
    assert has_no_dead_messages()


def send_dispute_webhook(tenant: Tenant, kind: str, quote: Checkout) -> None:
    """Stripe's webhook about this quote's first intent."""
    intent = quote.attempts[0].stripe_payment_intent_id
    tenant.send_stripe_webhook(kind, {"id": "dp_x", "object": "dispute", "payment_intent": intent})


def test_a_card_dispute_reverses_only_when_it_is_lost(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    create_dispute(tenant, checkout)
    send_dispute_webhook(tenant, "charge.dispute.created", checkout)
    deliver()
    assert (checkout.payment.state, Dispute.objects.get().state) == ("succeeded", "open")
    tenant.post_to_stripe(f"disputes/{Dispute.objects.get().stripe_dispute_id}/close")
    send_dispute_webhook(tenant, "charge.dispute.closed", checkout)
    deliver()
    assert (checkout.payment.state, Dispute.objects.get().state) == ("reversed", "lost")
    assert has_no_dead_messages()


def test_a_method_detached_at_stripe_is_forgotten_here(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    signed_in_payer.pay_and_save(checkout)
    [method] = signed_in_payer.methods
    tenant.post_to_stripe(f"payment_methods/{method.stripe_payment_method_id}/detach")
    tenant.send_stripe_webhook(
        "payment_method.detached", {"id": method.stripe_payment_method_id, "object": "payment_method"}
    )
    deliver()
    assert SavedMethod.objects.get().state == "removed"


def test_strange_events_change_nothing(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    strange: list[tuple[str, dict[str, Any]]] = [
        ("charge.dispute.created", {"id": "dp_1", "object": "dispute", "payment_intent": "pi_unknown"}),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": None}),
        ("payment_method.detached", {"id": "pm_unknown", "object": "payment_method"}),
        ("mandate.updated", {"id": "mandate_unknown", "object": "mandate"}),
        ("setup_intent.succeeded", {"id": "seti_unknown", "object": "setup_intent"}),
        ("customer.created", {"id": "cus_1", "object": "customer"}),
    ]
    for kind, subject in strange:
        tenant.send_stripe_webhook(kind, subject)
    deliver()
    assert has_no_dead_messages()
    assert checkout.payment.state == "open"
