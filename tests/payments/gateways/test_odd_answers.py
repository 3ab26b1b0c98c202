"""The same table of odd answers as the ledgers pass, at the gateway: weather or a refusal in words, never a crash.

Vendor page: docs.stripe.com/error-low-level.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.gateways import open_gateway
from payments.models import Attempt
from sandbox.core.odd_answers import ODD_ANSWERS
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.gateways.verbs import PracticeWork, list_verb_names
from tests.tenants import Checkout, Tenant
from wisepay.addresses import new_reference
from wisepay.errors import NotThere, Rejected, Unavailable
from wisepay.models import OutboxMessage


def test_every_verb_of_the_protocol_has_a_line(world: SandboxProcess) -> None:
    verbs = PracticeWork(world, f"sk_test_odd{new_reference()}").list_verbs()
    assert {name.partition(" ")[0] for name in verbs} == list_verb_names()


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_every_verb_passes_every_odd_answer(world: SandboxProcess, name: str) -> None:
    key = f"sk_test_odd{new_reference()}"
    for verb, call in PracticeWork(world, key).list_verbs().items():
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
                # A domain's refusal changes nothing for cards, so it stops nobody.
                is_tolerated = verb == "register_domain" and not is_weather(name)
                problem = "" if is_tolerated else f"something is taken for {found!r}"
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
