"""The same table of odd answers as the ledgers pass, at the gateway: weather or a refusal in words, never a crash.

Vendor page: docs.stripe.com/error-low-level.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.gateways import ChargeRequest, open_gateway
from payments.gateways.protocol import SetupRequest
from payments.models import Attempt
from sandbox.core.odd_answers import ODD_ANSWERS
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import Checkout, Tenant
from wisepay.addresses import new_reference
from wisepay.errors import NotThere, Rejected, Unavailable
from wisepay.models import OutboxMessage
from wisepay.money import Money

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def build_charge(token: str) -> ChargeRequest:
    """An order to charge a card."""
    reference = new_reference()
    words: dict[str, Any] = {
        "key": f"attempt-{reference}",
        "reference": reference,
        "amount": Money(62_500, "AUD"),
        "confirmation_token": token,
        "method_types": ("card",),
        "description": "Quote 1 v1",
        "payer_email": "accounts@harbourdental.example",
        "return_url": "https://pay.example/pay/x",
        "ip": "203.0.113.7",
        "user_agent": "practice",
    }
    return ChargeRequest(**words)


def list_verbs(world: SandboxProcess, key: str) -> dict[str, Callable[[Any], Any]]:
    """Every verb of the gateway, with words that it could carry out."""
    tenant = Tenant(world, None, None, key)  # type: ignore[arg-type]
    gateway = open_gateway(key)
    charge = build_charge(tenant.confirmation_token("4242424242424242"))
    done = gateway.start(charge)
    customer = gateway.create_customer(key="c-0", name="Harbour", email="a@example.com", reference="r")
    setup = SetupRequest(
        key="s-1",
        reference="setup-1",
        customer_id=customer,
        confirmation_token=tenant.confirmation_token("4242424242424242"),
        method_types=("card",),
        description="Saved",
        return_url="https://pay.example/x",
    )
    saved = gateway.save_method(setup)
    fresh = build_charge(tenant.confirmation_token("4242424242424242"))
    return {
        "start": lambda g: g.start(fresh),
        "look_up": lambda g: g.look_up(done.intent_id),
        "find": lambda g: g.find(charge.reference, since=SINCE),
        "cancel": lambda g: g.cancel(done.intent_id, key="x-1"),
        "refund": lambda g: g.refund(done.intent_id, Money(100, "AUD"), key="f-1", reference="f-1"),
        "list_refunds": lambda g: g.list_refunds(done.intent_id),
        "list_disputes": lambda g: g.list_disputes(done.intent_id),
        "create_customer": lambda g: g.create_customer(key="c-1", name="N", email="b@example.com", reference="q"),
        "save_method": lambda g: g.save_method(setup),
        "look_up_setup": lambda g: g.look_up_setup(saved.intent_id),
        "find_setup": lambda g: g.find_setup("setup-1", since=SINCE),
        "cancel_setup": lambda g: g.cancel_setup(saved.intent_id, key="x-2"),
        "look_up_method": lambda g: g.look_up_method(saved.method.id),
        "list_balance_transactions": lambda g: g.list_balance_transactions(since=None),
        "list_payouts": lambda g: g.list_payouts(since=None),
        "look_up_payout": lambda g: g.look_up_payout("po_1"),
    }


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_every_verb_passes_every_odd_answer(world: SandboxProcess, name: str) -> None:
    key = f"sk_test_odd{new_reference()}"
    for verb, call in list_verbs(world, key).items():
        with world.inject_fault("stripe", "odd", name=name, times=None):
            try:
                found = call(open_gateway(key))
            except (Unavailable, Rejected) as error:
                problem = "" if str(error).strip() else "no reason"
                problem = "a page is taken for an absence" if isinstance(error, NotThere) else problem
                problem = (
                    "weather is taken for a refusal" if is_weather(name) and isinstance(error, Rejected) else problem
                )
            else:
                problem = f"something is taken for {found!r}"
        assert problem == "", (verb, name)


def is_weather(name: str) -> bool:
    """Whether the answer says nothing about what was asked."""
    return name.startswith(("2", "3", "5", "429"))


@pytest.mark.parametrize("does_work", [True, False])
@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_a_payer_is_charged_once_whatever_is_answered(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int], name: str, does_work: bool
) -> None:
    """The charge is done or not, and the answer odd: the attempt waits, is looked up, and ends as it was."""
    tenant.world.fault("stripe", "odd", name=name, works=does_work, times=1, path="/v1/payment_intents", method="POST")
    assert checkout.pay().status_code < 500
    for hour in (0, 1, 3, 25, 30):
        deliver(at=timezone.now() + timedelta(hours=hour))
    [attempt] = Attempt.objects.filter(payment=checkout.payment)
    assert not OutboxMessage.objects.filter(state="dead").exists()
    assert tenant.total_charged() == (62_500 if attempt.state == "succeeded" else 0)
    assert attempt.state in ("succeeded", "failed")
    if does_work:
        assert attempt.state == "succeeded"
