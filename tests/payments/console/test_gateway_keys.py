"""The console's pages about payments: the gateway's keys, the list, one payment, the dashboard's panel."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe
from django.conf import settings
from django.utils import timezone

from payments.gateway_accounts import ENABLED_EVENTS, get_webhook_url
from payments.models import GatewayAccount
from sandbox.stripe.shapes_customers import API_VERSION
from tests.tenants import PASSWORD, Checkout, Tenant, give_role
from wisepay.addresses import new_reference
from wisepay.mail import send_email
from wisepay.models import AuditEntry, OutboxMessage

TAB = "configure/merchants/gateway"


def build_keys(tenant: Tenant | None = None, /, **changes: str) -> dict[str, str]:
    """A form's worth of keys: of the tenant's own practice account, rolled once, or of a new one."""
    suffix = f"tenant{tenant.merchant.reference}__2" if tenant else f"tab{new_reference()}"
    good = {
        "publishable_key": f"pk_test_{suffix}",
        "secret_key": f"sk_test_{suffix}",
        "webhook_secret": "whsec_a0new0secret",
    }
    return good | changes


@pytest.fixture(autouse=True)
def _confirmed(tenant: Tenant) -> None:
    """The admin has just confirmed that it is them."""
    tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})


def get_account(tenant: Tenant) -> GatewayAccount:
    """The account's row, read afresh."""
    return GatewayAccount.objects.get(merchant=tenant.merchant)


def test_good_keys_are_tested_saved_and_written_into_the_audit_log(tenant: Tenant) -> None:
    form = build_keys(tenant)
    before = len(tenant.world.journal("stripe"))
    answer = tenant.admin.post(tenant.url(TAB), form)
    assert (answer.status_code, answer["Location"]) == (302, tenant.url(TAB))
    asked = [(one["method"], one["path"]) for one in tenant.world.journal("stripe", since=before)]
    assert asked[0] == ("GET", "/v1/account")
    assert not any("webhook_endpoints" in path for _, path in asked)
    assert get_account(tenant).secret_key.decrypt() == form["secret_key"]
    assert get_account(tenant).webhook_secret.decrypt() == form["webhook_secret"]
    assert AuditEntry.objects.filter(merchant_id=tenant.merchant.pk, action="gateway.keys_replaced").count() == 1
    page = tenant.admin.get(tenant.url(TAB)).content.decode()
    assert "Keys tested and saved." in page


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"secret_key": "sk_test_bad0key00000"}, "does not accept this secret key"),
        ({"secret_key": "pk_test_1234567890"}, "A secret key begins with"),
        ({"secret_key": "hunter2"}, "A secret key begins with"),
        ({"secret_key": ""}, "This field is required."),
        ({"publishable_key": "sk_test_1234567890"}, "A publishable key begins with"),
        ({"publishable_key": "pk_live_1234567890"}, "One key is a test key and the other is live"),
        ({"webhook_secret": "secret"}, "A webhook secret begins with whsec_."),
    ],
)
def test_bad_keys_are_refused_with_a_sentence_and_nothing_is_saved(
    tenant: Tenant, wrong: dict[str, str], message: str
) -> None:
    before = get_account(tenant).secret_key.decrypt()
    answer = tenant.admin.post(tenant.url(TAB), build_keys(**wrong))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    assert get_account(tenant).secret_key.decrypt() == before
    for name in ("secret_key", "webhook_secret"):
        given = build_keys(**wrong)[name]
        assert not given or f'value="{given}"' not in page


@pytest.mark.parametrize("fault", [{"kind": "drop_before"}, {"kind": "status", "status": 503}])
def test_nothing_is_saved_while_stripe_does_not_answer(tenant: Tenant, fault: dict[str, Any]) -> None:
    before = get_account(tenant).secret_key.decrypt()
    with tenant.world.inject_fault("stripe", **fault):
        answer = tenant.admin.post(tenant.url(TAB), build_keys())
    assert answer.status_code == 422
    assert "could not be tested" in answer.content.decode()
    assert get_account(tenant).secret_key.decrypt() == before


def test_keys_are_never_on_a_page_again(tenant: Tenant) -> None:
    page = tenant.admin.get(tenant.url(TAB)).content.decode()
    assert tenant.stripe_key not in page
    assert "whsec_practice0secret" not in page
    assert f"/webhooks/stripe/{tenant.merchant.reference}" in page
    assert "Test keys" in page


def test_the_list_shows_payments_and_finds_them_by_payer_and_quote(tenant: Tenant, checkout: Checkout) -> None:
    other = tenant.open_checkout(customer={"account_name": "Kauri Dental"})
    checkout.pay()
    page = tenant.admin.get(tenant.url("payments/")).content.decode()
    for shown in ("Harbour Dental Pty Ltd", "Kauri Dental", "A$625.00", 'data-state="succeeded"', 'data-state="open"'):
        assert shown in page
    found = tenant.admin.get(tenant.url("payments/"), {"q": "kauri"}).content.decode()
    assert (other.payment.reference in found, checkout.payment.reference in found) == (True, False)
    found = tenant.admin.get(tenant.url("payments/"), {"q": f"quote {checkout.quote.number}"}).content.decode()
    assert (other.payment.reference in found, checkout.payment.reference in found) == (False, True)
    assert "Nothing matches" in tenant.admin.get(tenant.url("payments/"), {"q": "nobody"}).content.decode()


@pytest.mark.parametrize("query", ["q=%00", "q=%25", "page=-1", "page=x", "page=999", "q=%27%3B--"])
def test_a_strange_search_is_answered(tenant: Tenant, checkout: Checkout, query: str) -> None:
    assert tenant.admin.get(tenant.url(f"payments/?{query}")).status_code == 200


def test_one_payment_shows_every_attempt_and_why_it_failed(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay("4000000000009995")
    checkout.pay()
    page = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}")).content.decode()
    for shown in ("bank declined the card (insufficient funds)", "Visa ···· 9995", "Visa ···· 4242", "127.0.0.1"):
        assert shown in page, shown
    for secret in (tenant.stripe_key, "ctoken_", "_secret_"):
        assert secret not in page


def test_a_mail_that_is_refused_for_good_is_shown_at_the_payment_and_the_person(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    """frappe/erpnext#4957, antiwork/gumroad#6749: receipts that never arrived, and nobody saw it."""
    payer = tenant.access().user
    tenant.world.config(smtp_refusals={payer.email: "550 5.1.1 No such user"})
    checkout.pay(email=payer.email)
    assert checkout.attempts[0].payer_email == payer.email
    deliver()
    pages = [tenant.url(f"payments/{checkout.payment.reference}"), tenant.url(f"payers/p/{payer.reference}")]
    for page in pages:
        assert "550 5.1.1 No such user" in tenant.admin.get(page).content.decode(), page
    tenant.world.config(smtp_refusals={})
    send_email("notification", payer.email, {"title": "", "body": "", "url": ""}, subject="Hello", message_id="y")
    for page in pages:
        assert "do not arrive" not in tenant.admin.get(page).content.decode(), page


def test_the_panel_shows_what_was_paid(tenant: Tenant, checkout: Checkout) -> None:
    path = tenant.url("payments/recent")
    assert "Nothing has been paid yet" in tenant.admin.get(path).content.decode()
    checkout.pay()
    page = tenant.admin.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "A$625.00" in page
    assert "<html" not in page


def test_a_stranger_sees_no_payment_of_ours(tenant: Tenant, stranger: Tenant, checkout: Checkout) -> None:
    checkout.pay()
    for tail in ("payments/", "payments/recent", f"payments/{checkout.payment.reference}", TAB):
        assert stranger.admin.get(tenant.url(tail)).status_code == 404
    assert stranger.admin.post(tenant.url(TAB), build_keys()).status_code == 404
    assert stranger.admin.get(stranger.url(f"payments/{checkout.payment.reference}")).status_code == 404
    assert "Harbour Dental" not in stranger.admin.get(stranger.url("payments/")).content.decode()
    assert get_account(tenant).secret_key.decrypt() == tenant.stripe_key


def test_a_merchant_user_sees_payments_and_configures_nothing(tenant: Tenant, checkout: Checkout) -> None:
    give_role(tenant.merchant, "user")
    assert tenant.admin.get(tenant.url("payments/")).status_code == 200
    assert tenant.admin.get(tenant.url(TAB)).status_code == 403
    assert tenant.admin.post(tenant.url(TAB), build_keys()).status_code == 403
    assert get_account(tenant).secret_key.decrypt() == tenant.stripe_key


@pytest.mark.parametrize("other", ["pk_test_somebody0else", "pk_test_bad0key00000"])
def test_a_publishable_key_of_another_account_is_refused(tenant: Tenant, other: str) -> None:
    """accept-a-card-payment#4: payers read "No such payment_intent" of a key that was saved for good."""
    answer = tenant.admin.post(tenant.url(TAB), build_keys(tenant, publishable_key=other))
    assert answer.status_code == 422
    assert "not the publishable key of the same Stripe account" in answer.content.decode()
    assert get_account(tenant).publishable_key == tenant.stripe_key.replace("sk_", "pk_")


def list_endpoints(tenant: Tenant) -> list[dict[str, Any]]:
    """The webhook endpoints at Stripe."""
    answer = requests.get(
        f"{tenant.world.url}/stripe/v1/webhook_endpoints",
        headers={"Authorization": f"Bearer {tenant.stripe_key}"},
        timeout=10,
    )
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_the_endpoint_is_made_and_kept_by_us(tenant: Tenant) -> None:
    """stripe-php#308: events in the account's old version; docs.stripe.com/webhooks/versioning."""
    by_hand = tenant.post_to_stripe(
        "webhook_endpoints", url=get_webhook_url(tenant.merchant), **{"enabled_events[0]": "charge.refunded"}
    )
    form = build_keys(tenant, webhook_secret="")
    assert tenant.admin.post(tenant.url(TAB), form).status_code == 302
    [made] = list_endpoints(tenant)
    account = get_account(tenant)
    assert (made["id"], made["id"] != by_hand["id"]) == (account.webhook_endpoint_id, True)
    assert made["api_version"] == stripe.api_version
    assert set(made["enabled_events"]) == set(ENABLED_EVENTS)
    before = account.webhook_secret.decrypt()
    tenant.post_to_stripe(f"webhook_endpoints/{made['id']}", disabled="true", **{"enabled_events[0]": "payout.paid"})
    assert tenant.admin.post(tenant.url(TAB), form).status_code == 302
    [same] = list_endpoints(tenant)
    assert (same["id"], same["status"], set(same["enabled_events"])) == (made["id"], "enabled", set(ENABLED_EVENTS))
    assert get_account(tenant).webhook_secret.decrypt() == before


def test_a_restricted_key_that_may_not_make_one_asks_for_a_secret(tenant: Tenant) -> None:
    keys = build_keys(tenant, webhook_secret="")
    keys["secret_key"] = keys["secret_key"].replace("sk_", "rk_")
    tenant.world.config(stripe_denied=["/webhook_endpoints"])
    answer = tenant.admin.post(tenant.url(TAB), keys)
    assert answer.status_code == 422
    assert "may not make the webhook endpoint" in answer.content.decode()
    assert tenant.admin.post(tenant.url(TAB), keys | {"webhook_secret": "whsec_made0by0hand"}).status_code == 302


def test_what_a_restricted_key_lacks_is_said(tenant: Tenant) -> None:
    keys = build_keys(tenant)
    keys["secret_key"] = keys["secret_key"].replace("sk_", "rk_")
    tenant.world.config(stripe_denied=["/setup_intents"])
    page = tenant.admin.post(tenant.url(TAB), keys).content.decode()
    assert "does not have the required permissions" in page
    assert "SetupIntents" in page
    assert get_account(tenant).secret_key.decrypt() == tenant.stripe_key


def test_stripes_script_and_the_sdk_speak_one_version() -> None:
    """docs.stripe.com/sdks/stripejs-versioning: each version of Stripe.js belongs to a release of the API."""
    assert stripe.api_version.partition(".")[2] == settings.STRIPE_RELEASE
    assert stripe.api_version == API_VERSION, "the practice Stripe's version"
    assert tuple(sorted(set(ENABLED_EVENTS))) == ENABLED_EVENTS


# ---- the domain on which wallets are shown --------------------------------------------------------------


def list_registered(tenant: Tenant) -> list[str]:
    """The bodies of what was asked for domains, of calls that were answered."""
    calls = [one for one in tenant.world.journal("stripe") if one["path"] == "/v1/payment_method_domains"]
    return [one["request_body"] for one in calls if one["status"] == 200]


@pytest.mark.parametrize("kind", ["", "drop_before", "drop_after", "html"])
def test_the_domain_of_our_pages_is_registered_with_the_keys_however_long_it_takes(
    tenant: Tenant, deliver: Callable[..., int], settings: Any, kind: str
) -> None:
    """docs.stripe.com/payments/payment-methods/pmd-registration: without it no wallet is shown, and nobody says why."""
    settings.PUBLIC_URL = "https://pay.example.com"
    if kind:
        tenant.world.fault("stripe", kind, path="/v1/payment_method_domains", times=2)
    assert tenant.admin.post(tenant.url(TAB), build_keys(tenant)).status_code == 302
    for hour in range(3):
        deliver(at=timezone.now() + timedelta(hours=hour))
    assert "domain_name=pay.example.com" in list_registered(tenant)[-1]
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_domain_that_stripe_refuses_is_no_fault(tenant: Tenant, deliver: Callable[..., int], settings: Any) -> None:
    settings.PUBLIC_URL = "https://localhost"
    assert tenant.admin.post(tenant.url(TAB), build_keys(tenant)).status_code == 302
    deliver()
    assert list_registered(tenant) == []
    assert not OutboxMessage.objects.exclude(state="done").filter(handler="payments.register_domain").exists()
