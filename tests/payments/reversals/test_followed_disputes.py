"""A dispute is followed to its end where no event tells of it, also at an account that was left behind.

Vendor pages: docs.stripe.com/webhooks (events are sent for three days only), docs.stripe.com/disputes/how-disputes-work
(a dispute is decided months later), docs.stripe.com/keys.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from merchants.models import Notification
from payments.balance.services import schedule_balance_sync
from payments.models import Dispute, GatewayAccount
from payments.reversals.disputes import UNHEARD_PERIOD, schedule_dispute_checks, sync_disputes
from tests.payments.console.test_account_changes import build_keys, change_account, roll_keys
from tests.tenants import PASSWORD, Checkout, Tenant
from wisepay.models import OutboxMessage

Deliver = Callable[..., int]
LEFT_TITLE = "A dispute can't be followed any more"


@pytest.fixture(autouse=True)
def _confirmed(tenant: Tenant) -> None:
    """The admin has just confirmed that it is them."""
    tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})


@pytest.fixture
def disputed(tenant: Tenant, checkout: Checkout, deliver: Deliver) -> Checkout:
    """A paid quote whose dispute is known and open."""
    checkout.pay()
    deliver()
    tenant.act_at_stripe("dispute", checkout.attempts[0].stripe_payment_intent_id)
    sync_disputes(checkout.attempts[0], now=timezone.now())
    assert Dispute.objects.get().state == "open"
    return checkout


def follow(deliver: Deliver, *, after: timedelta = timedelta(hours=7)) -> None:
    """The periodic look at disputes, and what it leads to."""
    schedule_dispute_checks(now=timezone.now() + after)
    deliver(at=timezone.now() + after)
    assert not OutboxMessage.objects.filter(state="dead").exists()


@pytest.mark.parametrize("is_left", [False, True], ids=["the present account", "an account that was left"])
@pytest.mark.parametrize(("outcome", "state"), [("lost", "reversed"), ("won", "succeeded")])
def test_how_a_dispute_ended_is_found_without_an_event(
    tenant: Tenant, disputed: Checkout, deliver: Deliver, outcome: str, state: str, is_left: bool
) -> None:
    if is_left:
        change_account(tenant, build_keys(tenant))
    tenant.act_at_stripe("close_dispute", Dispute.objects.get().stripe_dispute_id, outcome=outcome)
    follow(deliver)
    assert (Dispute.objects.get().state, disputed.payment.state) == (outcome, state)


def test_a_dispute_that_only_the_balance_tells_of_is_found(
    tenant: Tenant, checkout: Checkout, deliver: Deliver
) -> None:
    checkout.pay()
    deliver()
    left = GatewayAccount.objects.get(current_of=tenant.merchant)
    tenant.act_at_stripe("dispute", checkout.attempts[0].stripe_payment_intent_id)
    change_account(tenant, build_keys(tenant))
    schedule_balance_sync(left, now=timezone.now())
    deliver()
    assert not Dispute.objects.exists()
    follow(deliver)
    assert (Dispute.objects.get().state, Dispute.objects.get().attempt) == ("open", checkout.attempts[0])
    assert Notification.objects.filter(title="Payment disputed").exists()


def test_of_an_account_that_takes_its_keys_no_more_a_person_is_told_once(
    tenant: Tenant, disputed: Checkout, deliver: Deliver
) -> None:
    change_account(tenant, build_keys(tenant))
    roll_keys(tenant)
    follow(deliver)
    follow(deliver, after=timedelta(hours=14))
    [notice] = Notification.objects.filter(title=LEFT_TITLE)
    assert disputed.attempts[0].stripe_payment_intent_id in notice.body
    assert disputed.payment.state == "succeeded"


def test_a_key_of_the_present_account_that_is_refused_is_asked_again(
    tenant: Tenant, disputed: Checkout, deliver: Deliver
) -> None:
    """It may be replaced any minute, so nothing is given up, and the Gateway page tells of the key."""
    roll_keys(tenant)
    schedule_dispute_checks(now=timezone.now())
    deliver()
    message = OutboxMessage.objects.get(key=f"attempt:{disputed.attempts[0].pk}:disputes")
    assert (message.state, bool(message.last_error)) == ("pending", True)
    assert not Notification.objects.filter(title=LEFT_TITLE).exists()


def test_what_is_decided_is_not_asked_about(tenant: Tenant, disputed: Checkout, deliver: Deliver) -> None:
    tenant.act_at_stripe("close_dispute", Dispute.objects.get().stripe_dispute_id, outcome="lost")
    follow(deliver)
    before = len(tenant.world.journal(bodies=False))
    follow(deliver, after=UNHEARD_PERIOD + timedelta(days=1))
    asked = [one["path"] for one in tenant.world.journal("stripe", since=before, bodies=False)]
    assert not [path for path in asked if "disputes" in path]


def test_a_dispute_in_another_currency_decides_nothing_and_is_told(
    tenant: Tenant, checkout: Checkout, deliver: Deliver
) -> None:
    """docs.stripe.com/api/disputes/object: its amount may differ from the charge's, also because of the currency."""
    checkout.pay()
    deliver()
    [attempt] = checkout.attempts
    made = tenant.act_at_stripe("dispute", attempt.stripe_payment_intent_id)
    tenant.act_at_stripe("close_dispute", made["id"], outcome="lost")
    with tenant.world.inject_fault("stripe", "mutate", field="data.*.currency", value="usd", path="/v1/disputes"):
        sync_disputes(attempt, now=timezone.now())
    assert (checkout.payment.state, Dispute.objects.count()) == ("succeeded", 0)
    [notice] = Notification.objects.filter(title="A dispute in another currency")
    assert made["id"] in notice.body
