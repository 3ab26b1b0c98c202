"""A webhook endpoint that has gone silent is noticed, with the reason; what is needed is asked for, heard and told.

Stands for stripe-php#308 and accept-a-card-payment#4 (a wrong signing secret, found weeks later), fxa#4009
(`customer.deleted`), woocommerce-payments#304 and #11915 (early fraud warnings, restricted accounts).
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
import requests
import stripe
from django.test import Client
from django.utils import timezone

from merchants.models import Notification
from payments import gateway_accounts
from payments.gateway_accounts import ENABLED_EVENTS, connect_gateway_account, get_webhook_url
from payments.handlers import EVENT_HANDLERS, check_account_webhooks
from payments.models import GatewayAccount, GatewayCustomer, Payout, SavedMethod
from payments.webhooks import silence, views
from tests.payments.signed_in_payer import SignedInPayer
from tests.tenants import Tenant
from wisepay.errors import Unavailable

Deliver = Callable[..., int]
LATER = timedelta(minutes=20)


@pytest.fixture(autouse=True)
def _each_webhook_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process notes what it heard every time, instead of now and then."""
    monkeypatch.setattr(views, "NOTED_EVERY", 0)


def make_endpoint(tenant: Tenant, **form: str) -> dict[str, str]:
    """An endpoint that the merchant made by hand."""
    events = {f"enabled_events[{at}]": kind for at, kind in enumerate(ENABLED_EVENTS)}
    return tenant.post_to_stripe("webhook_endpoints", **({"url": get_webhook_url(tenant.merchant), **events} | form))


def make_nothing(tenant: Tenant) -> None:
    """No endpoint at all."""


def switch_off(tenant: Tenant) -> None:
    """An endpoint that Stripe, or somebody, has switched off."""
    made = make_endpoint(tenant)
    tenant.post_to_stripe(f"webhook_endpoints/{made['id']}", disabled="true")


def forge(tenant: Tenant) -> None:
    """An endpoint whose signing secret is not the saved one."""
    make_endpoint(tenant)
    tenant.open_checkout().pay()
    body = b'{"id": "evt_1"}'
    headers = {"Stripe-Signature": "t=1,v1=00"}
    path = f"/webhooks/stripe/{tenant.merchant.reference}"
    assert Client().post(path, body, content_type="application/json", headers=headers).status_code == 400


def leave_out(tenant: Tenant) -> None:
    """An endpoint that sends one event only."""
    tenant.post_to_stripe(
        "webhook_endpoints", url=get_webhook_url(tenant.merchant), **{"enabled_events[0]": "payout.paid"}
    )


def block(tenant: Tenant) -> None:
    """An endpoint that Stripe can't reach: nothing listens in tests."""
    make_endpoint(tenant)


REASONS = {
    "No endpoint at Stripe": make_nothing,
    "is switched off": switch_off,
    "another endpoint's": forge,
    "does not send: account.updated": leave_out,
    "can't be reached": block,
}


def look(tenant: Tenant, *, after: timedelta = LATER) -> str:
    """What a look at the account says some time later; the checks of the doctor say the same."""
    account = GatewayAccount.objects.get(current_of=tenant.merchant)
    check_account_webhooks(account_id=account.pk, now=timezone.now() + after)
    account.refresh_from_db()
    [said] = [one for one in gateway_accounts.check_gateway_webhooks() if str(tenant.merchant) in one.message]
    assert (said.ok is False) is bool(account.silence_reason)
    return account.silence_reason


@pytest.mark.parametrize("reason", REASONS)
def test_silence_is_noticed_with_its_reason(tenant: Tenant, reason: str) -> None:
    REASONS[reason](tenant)
    tenant.open_checkout().pay()
    assert reason in look(tenant)
    [notice] = Notification.objects.filter(title="Stripe's events do not arrive")
    assert reason in notice.body
    assert reason in tenant.admin.get(tenant.url("configure/merchants/gateway")).content.decode().replace("&#x27;", "'")
    assert "Stripe&#x27;s events arrive" in tenant.admin.get(tenant.url("quotes/setup")).content.decode()
    look(tenant)
    assert Notification.objects.filter(title="Stripe's events do not arrive").count() == 1


def test_no_event_yet_and_events_that_came_are_no_silence(tenant: Tenant) -> None:
    make_endpoint(tenant)
    assert look(tenant) == ""
    checkout = tenant.open_checkout()
    checkout.pay()
    assert look(tenant, after=timedelta(minutes=5)) == ""
    intent = checkout.attempts[0].stripe_payment_intent_id
    tenant.send_stripe_webhook("payment_intent.succeeded", {"id": intent, "object": "payment_intent"})
    assert GatewayAccount.objects.get().webhook_received_at is not None
    assert look(tenant) == ""


def test_silence_ends_when_events_come(tenant: Tenant) -> None:
    make_endpoint(tenant)
    tenant.open_checkout().pay()
    assert look(tenant)
    tenant.send_stripe_webhook("payout.paid", {"id": "po_1", "object": "payout"})
    assert look(tenant) == ""


def test_a_key_that_stripe_does_not_accept_is_told(tenant: Tenant) -> None:
    tenant.world.post("/stripe/_control", {"roll_keys": {"account": tenant.stripe_key}})
    assert "does not accept the saved secret key" in look(tenant)
    assert Notification.objects.filter(title="Stripe does not accept your secret key").exists()


def test_a_key_that_may_not_look_leaves_what_is_known(tenant: Tenant) -> None:
    account = GatewayAccount.objects.get()
    account.secret_key = account.secret_key.decrypt().replace("sk_", "rk_")
    account.save()
    tenant.world.config(stripe_denied=["/webhook_endpoints"])
    tenant.open_checkout().pay()
    assert look(tenant) == ""


def test_our_own_endpoint_is_brought_up_to_date(tenant: Tenant) -> None:
    publishable = tenant.stripe_key.replace("sk_", "pk_")
    account = connect_gateway_account(
        tenant.merchant, publishable_key=publishable, secret_key=tenant.stripe_key, now=timezone.now()
    )
    path = f"webhook_endpoints/{account.webhook_endpoint_id}"
    tenant.post_to_stripe(path, **{"enabled_events[0]": "payout.paid"})
    assert "can't be reached" in look(tenant), "the event of the proof itself is expected"
    assert set(tenant.post_to_stripe(path)["enabled_events"]) == set(ENABLED_EVENTS)


def test_every_event_that_is_asked_for_is_handled() -> None:
    for kind in ENABLED_EVENTS:
        assert any(kind.startswith(beginning) and name for beginning, name, _ in EVENT_HANDLERS), kind
    assert timedelta(minutes=15) == silence.LATE_AFTER


def test_a_deleted_customer_ends_its_methods(tenant: Tenant, deliver: Deliver) -> None:
    checkout = tenant.open_checkout()
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    payer.pay_and_save(checkout)
    deliver()
    customer = GatewayCustomer.objects.get()
    gone = customer.stripe_customer_id
    tenant.send_stripe_webhook("customer.deleted", {"id": gone, "object": "customer"})
    deliver()
    assert SavedMethod.objects.get().state == "active", "it was not deleted: somebody replayed an event"
    tenant.world.post("/stripe/_control", {"delete_customer": {"customer": gone}})
    tenant.send_stripe_webhook("customer.deleted", {"id": gone, "object": "customer"})
    deliver()
    customer.refresh_from_db()
    assert (SavedMethod.objects.get().state, customer.stripe_customer_id) == ("removed", "")
    assert payer.pay_and_save(tenant.open_checkout()).json()["status"] == "succeeded"


def test_an_early_fraud_warning_is_told_once(tenant: Tenant, deliver: Deliver) -> None:
    checkout = tenant.open_checkout()
    checkout.pay()
    intent = checkout.attempts[0].stripe_payment_intent_id
    warning = tenant.act_at_stripe("warn_of_fraud", intent)
    for kind in ("created", "updated"):
        tenant.send_stripe_webhook(f"radar.early_fraud_warning.{kind}", warning)
        deliver()
    [notice] = Notification.objects.filter(key=f"fraud:{warning['id']}")
    assert "made with stolen card" in notice.body
    assert "Refund it now" in notice.body


@pytest.mark.parametrize("kind", ["account.updated", "capability.updated"])
def test_a_restricted_account_is_told(tenant: Tenant, deliver: Deliver, kind: str) -> None:
    subject = {"id": "acct_1", "object": "account"}
    tenant.send_stripe_webhook(kind, subject)
    deliver()
    assert not Notification.objects.filter(title="Stripe has restricted your account").exists()
    order = {"restrict": {"account": tenant.stripe_key, "missing": "company.tax_id"}}
    tenant.world.post("/stripe/_control", order)
    tenant.send_stripe_webhook(kind, subject)
    deliver()
    assert "company.tax_id" in Notification.objects.get(title="Stripe has restricted your account").body


def test_a_cancelled_payout_is_heard(tenant: Tenant, deliver: Deliver) -> None:
    tenant.open_checkout().pay()
    paid_out = tenant.world.post("/stripe/_control", {"pay_out": {"account": tenant.stripe_key}})
    [payout] = paid_out["pay_out"]["payouts"]
    tenant.world.post("/stripe/_control", {"cancel_payout": {"payout": payout["id"]}})
    tenant.send_stripe_webhook("payout.canceled", {"id": payout["id"], "object": "payout"})
    deliver()
    assert Payout.objects.get().status == "failed"


# ---- the version of our endpoint ------------------------------------------------------------------------


OLDER_VERSION = "2024-06-20"


def connect_with_own_endpoint(tenant: Tenant) -> GatewayAccount:
    """Keys without a signing secret, saved with the SDK of another day: it made the endpoint."""
    name = f"test_own{tenant.merchant.reference}"
    tenant.stripe_key = f"sk_{name}"
    GatewayAccount.objects.filter(merchant=tenant.merchant).update(current_of=None)
    return connect_gateway_account(
        tenant.merchant, publishable_key=f"pk_{name}", secret_key=f"sk_{name}", now=timezone.now()
    )


def list_endpoints(tenant: Tenant) -> list[dict[str, object]]:
    """The endpoints at the practice Stripe."""
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    found = requests.get(f"{tenant.world.url}/stripe/v1/webhook_endpoints", headers=auth, timeout=10).json()["data"]
    return list(found)


def test_an_endpoint_of_an_older_version_is_made_anew_without_new_keys(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs.stripe.com/webhooks/versioning: a version stays with its endpoint, so an upgrade needs another one."""
    with monkeypatch.context() as patch:
        patch.setattr(stripe, "api_version", OLDER_VERSION)
        account = connect_with_own_endpoint(tenant)
    before = (account.webhook_endpoint_id, account.webhook_secret.decrypt())
    [made] = list_endpoints(tenant)
    assert (made["id"], made["api_version"]) == (before[0], OLDER_VERSION)
    assert look(tenant, after=timedelta(0)) == ""
    account = GatewayAccount.objects.get(pk=account.pk)
    [made] = list_endpoints(tenant)
    assert (made["id"], made["api_version"]) == (account.webhook_endpoint_id, stripe.api_version)
    assert made["id"] != before[0]
    assert account.webhook_secret.decrypt() != before[1]
    assert look(tenant, after=timedelta(0)) == ""
    assert list_endpoints(tenant) == [made]


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "html"])
def test_a_renewal_that_stops_in_between_is_finished_by_the_next_look(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stripe, "api_version", OLDER_VERSION)
        account = connect_with_own_endpoint(tenant)
    for method in ("POST", "DELETE"):
        with (
            tenant.world.inject_fault("stripe", kind, method=method, path="/v1/webhook_endpoints*"),
            suppress(Unavailable),
        ):
            look(tenant, after=timedelta(0))
    assert look(tenant, after=timedelta(0)) == ""
    account.refresh_from_db()
    assert account.webhook_endpoint_id in [one["id"] for one in list_endpoints(tenant)]
