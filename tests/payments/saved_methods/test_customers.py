"""Customers at the gateway: lost, refused, renamed meanwhile; and what a refusal says of a saved method."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.conf import settings
from django.utils import timezone

from merchants.models import Notification
from payers.models import PayerCompany
from payments.models import Attempt, GatewayCustomer, Payment
from payments.saved_methods.services import sync_saved_method
from tests.payments.signed_in_payer import ONLY_RECURRING, RECURRING, SignedInPayer, create_card_token
from tests.tenants import Tenant, deliver_outbox
from wisepay.errors import Unavailable
from wisepay.models import OutboxMessage

CUSTOMERS, METHODS = "/v1/customers", "/v1/payment_methods/*"


def answer(code: str, *, status: int = 400, param: str = "") -> dict[str, Any]:
    """A refusal in the gateway's shape."""
    error = {"type": "invalid_request_error", "code": code, "message": f"practice {code}", "param": param or None}
    return {"status": status, "body": {"error": error}}


def delete_customer(tenant: Tenant, customer_id: str) -> None:
    """Somebody deletes the customer on the gateway's dashboard."""
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    requests.delete(
        f"{tenant.world.url}/stripe/v1/customers/{customer_id}", headers=auth, timeout=10
    ).raise_for_status()


def list_created_customers(tenant: Tenant) -> list[dict[str, Any]]:
    """What the gateway account holds."""
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    found: list[dict[str, Any]] = requests.get(
        f"{tenant.world.url}/stripe/v1/customers?limit=100", headers=auth, timeout=10
    ).json()["data"]
    return found


@pytest.fixture
def payer(tenant: Tenant) -> SignedInPayer:
    """A registered payer."""
    return SignedInPayer(tenant)


def test_after_the_customer_was_deleted_a_new_card_pays_at_once(tenant: Tenant, payer: SignedInPayer) -> None:
    first = tenant.open_checkout()
    payer.grant_access(first.payment)
    assert payer.pay_and_save(first).json()["status"] == "succeeded"
    [old] = payer.methods
    delete_customer(tenant, old.stripe_customer_id)
    second = tenant.open_checkout(quote={"id": "another", "number": 77})
    assert payer.pay_and_save(second).json()["status"] == "succeeded"
    old.refresh_from_db()
    assert old.state == "removed"
    attempt = Attempt.objects.get(payment=second.payment)
    assert attempt.stripe_customer_id == GatewayCustomer.objects.get().stripe_customer_id != old.stripe_customer_id
    assert [method.state for method in payer.methods] == ["removed", "active"]


def test_a_method_that_went_with_its_customer_says_so_and_the_next_one_pays(
    tenant: Tenant, payer: SignedInPayer
) -> None:
    first = tenant.open_checkout()
    payer.grant_access(first.payment)
    payer.pay_and_save(first)
    [old] = payer.methods
    delete_customer(tenant, old.stripe_customer_id)
    second = tenant.open_checkout(quote={"id": "another", "number": 77})
    refused = payer.pay(second, saved_method=old.reference).json()
    assert "pay with a new one" in refused["message"]
    assert payer.pay_and_save(second).json()["status"] == "succeeded"
    assert tenant.total_charged() == first.payment.amount + second.payment.amount


def test_a_lost_answer_is_asked_again_in_the_same_words(tenant: Tenant, payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    tenant.world.fault("stripe", "drop_after", method="POST", path=CUSTOMERS)
    assert payer.pay_and_save(checkout).json()["status"] != "succeeded"
    PayerCompany.objects.update(email="office@harbourdental.example")
    assert payer.pay_and_save(checkout).json()["status"] == "succeeded"
    [customer] = list_created_customers(tenant)
    assert customer["email"] == "accounts@harbourdental.example"


def test_a_refused_address_is_left_out_and_the_merchant_is_told(tenant: Tenant, payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    tenant.world.fault("stripe", "status", method="POST", path=CUSTOMERS, **answer("email_invalid", param="email"))
    assert payer.pay_and_save(checkout).json()["status"] == "succeeded"
    [customer] = list_created_customers(tenant)
    assert not customer["email"]
    assert "accounts@harbourdental.example" in Notification.objects.get(event="gateway_refused").body


def pay_less(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.pay_and_save(tenant.open_checkout(), amount=1)


def pay_unticked(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.pay_and_save(tenant.open_checkout(), accepted_terms=[])


def pay_without_saving_what_recurs(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.pay(tenant.open_checkout(**RECURRING))


def pay_with_anothers_method(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.pay(tenant.open_checkout(), saved_method="nobodys")


def pay_after_the_deadline(tenant: Tenant, payer: SignedInPayer) -> Any:
    checkout = tenant.open_checkout()
    Payment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    return payer.pay_and_save(checkout)


def pay_after_too_many_declines(tenant: Tenant, payer: SignedInPayer) -> Any:
    checkout = tenant.open_checkout()
    for _ in range(settings.DECLINES_PER_PAYMENT):
        checkout.pay("4000000000009995")
    return payer.pay_and_save(checkout)


def save_unticked(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.save(tenant.open_checkout(**ONLY_RECURRING), accepted_terms=[])


def save_what_recurs_otherwise(tenant: Tenant, payer: SignedInPayer) -> Any:
    return payer.save(tenant.open_checkout(**ONLY_RECURRING), agreed_schedule="900")


def add_unticked(tenant: Tenant, payer: SignedInPayer) -> Any:
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    form = {"company": checkout.payment.company.reference, "method": "card", "accepted_terms": ["0"]}
    return payer.client.post("/my/methods", form | {"confirmation_token": create_card_token(tenant)})


REFUSED_TRIES: list[Callable[[Tenant, SignedInPayer], Any]] = [
    pay_less,
    pay_unticked,
    pay_without_saving_what_recurs,
    pay_with_anothers_method,
    pay_after_the_deadline,
    pay_after_too_many_declines,
    save_unticked,
    save_what_recurs_otherwise,
    add_unticked,
]


@pytest.mark.parametrize("attempt", REFUSED_TRIES)
def test_a_refused_try_leaves_no_customer_at_the_gateway(
    tenant: Tenant, payer: SignedInPayer, attempt: Callable[[Tenant, SignedInPayer], Any]
) -> None:
    """laravel/cashier-stripe#575, payloadcms/payload#12857: customers of refused tries pile up at the gateway."""
    assert attempt(tenant, payer).status_code in (409, 422, 429)
    assert (list_created_customers(tenant), GatewayCustomer.objects.count()) == ([], 0)
    payer.pay_and_save(tenant.open_checkout(quote={"id": "another", "number": 78}))
    assert len(list_created_customers(tenant)) == 1


OTHERS = ("customer", "mandate", "account", "expand", "")
REFUSALS = [
    answer("api_key_expired", status=401),
    answer("secret_key_required", status=403),
    answer("account_invalid", status=403),
    answer("parameter_unknown"),
    answer("resource_missing", status=404, param="customer") | {"status": 429},
    *(
        answer("resource_missing", status=404, param=param)
        for param in ("customer", "mandate", "account", "expand", "")
    ),
    {"status": 500, "body": "<html>"},
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_that_says_nothing_of_the_method_leaves_it_as_it_is(
    tenant: Tenant, payer: SignedInPayer, refusal: dict[str, Any]
) -> None:
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    payer.pay_and_save(checkout)
    [method] = payer.methods
    tenant.world.fault("stripe", "status", method="GET", path=METHODS, times=None, **refusal)
    with pytest.raises(Unavailable):
        sync_saved_method(method.account, method.stripe_payment_method_id, now=timezone.now())
    method.refresh_from_db()
    assert method.state == "active"
    tenant.world.clear_faults()
    sync_saved_method(method.account, method.stripe_payment_method_id, now=timezone.now())
    method.refresh_from_db()
    assert method.state == "active"


def test_only_the_gateways_word_that_it_is_not_there_ends_a_method(tenant: Tenant, payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    payer.pay_and_save(checkout)
    [method] = payer.methods
    missing = answer("resource_missing", status=404, param="payment_method")
    tenant.world.fault("stripe", "status", method="GET", path=METHODS, **missing)
    sync_saved_method(method.account, method.stripe_payment_method_id, now=timezone.now())
    method.refresh_from_db()
    assert method.state == "removed"


@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "payout.paid"])
def test_a_webhook_that_comes_while_the_key_is_refused_is_read_later(tenant: Tenant, kind: str) -> None:
    tenant.world.fault("stripe", "status", method="GET", times=None, **answer("api_key_expired", status=401))
    subject = {"id": "pi_x" if "intent" in kind else "po_x", "object": kind.partition(".")[0]}
    assert tenant.send_stripe_webhook(kind, subject).status_code == 200
    deliver_outbox()
    [message] = OutboxMessage.objects.filter(handler__in=["payments.read_event", "payments.read_payout"])
    assert message.state == "pending"
    assert "secret key" in message.last_error
    tenant.world.clear_faults()
    deliver_outbox(at=message.run_after + timedelta(hours=2))
    message.refresh_from_db()
    assert message.state == "done"


MISSING = {
    "confirmation_token": ("token_missing", "Load the page again"),
    "customer": ("customer_missing", "Your saved payment methods have ended"),
    "mandate": ("mandate_invalid", "not your bank"),
    "payment_method": ("resource_missing", "was removed"),
    "payment_method_configuration": ("object_missing", "not your bank"),
    "transfer_data[destination]": ("object_missing", "not your bank"),
    "something_new": ("object_missing", "not your bank"),
    "": ("object_missing", "not your bank"),
}


@pytest.mark.parametrize("param", MISSING)
def test_what_a_charge_lacks_is_told_by_its_parameter(tenant: Tenant, payer: SignedInPayer, param: str) -> None:
    """docs.stripe.com/error-codes (`resource_missing`, "the ID provided is not valid"): `param` says which."""
    code, words = MISSING[param]
    checkout = tenant.open_checkout()
    payer.grant_access(checkout.payment)
    lacks = answer("resource_missing", status=404, param=param)
    tenant.world.fault("stripe", "status", method="POST", path="/v1/payment_intents", times=None, **lacks)
    payer.pay(checkout)
    [attempt] = checkout.attempts
    assert (attempt.state, attempt.failure_code) == ("failed", code)
    assert words in payer.client.get(checkout.path).content.decode()
