"""The practice Stripe's API, through the vendor's own library."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess

CARD_ONLY: Any = {"allowed_payment_method_types": ["card"]}
RETURN_URL = "https://shop.example/back"
PAYER = {"name": "Harbour Dental", "email": "accounts@harbourdental.example"}


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


def build_client(sandbox: SandboxProcess, key: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": f"{sandbox.url}/stripe"},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=(3, 10)),
    )


def create_intent(client: stripe.StripeClient, key: str | None = None, **fields: Any) -> stripe.PaymentIntent:
    """A new intent of whatever is said; the type checker looks the other way, the sandbox does not."""
    params: Any = fields
    return client.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})


def create_setup_intent(client: stripe.StripeClient, key: str | None = None, **fields: Any) -> stripe.SetupIntent:
    """The same for a method to keep."""
    params: Any = fields
    return client.v1.setup_intents.create(params, {"idempotency_key": key} if key else {})


def pay_with_method(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    params: Any = {"amount": 1099, "currency": "usd", "confirm": True, "payment_method": method}
    return create_intent(client, **{**params, **CARD_ONLY, **more})


def create_confirmation_token(sandbox: SandboxProcess, kind: str = "card", **fields: str) -> str:
    """A confirmation token, as the browser makes one."""
    card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "34", "cvc": "123"}
    form = {"key": "pk_test_merchant", "payment_method_data[type]": kind}
    form |= {f"payment_method_data[{kind}][{k}]": v for k, v in (fields or card).items()}
    if kind != "card":
        form["mandate_data[customer_acceptance][type]"] = "online"
        form |= {f"payment_method_data[billing_details][{k}]": v for k, v in PAYER.items()}
    answer = requests.post(f"{sandbox.url}/stripe/v1/confirmation_tokens", data=form, timeout=5)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_card_pays_and_the_charge_tells_how(client: stripe.StripeClient) -> None:
    intent = pay_with_method(client, metadata={"attempt": "a1"}, expand=["latest_charge.balance_transaction"])
    charge: Any = intent.latest_charge
    assert (intent.status, intent.amount_received) == ("succeeded", 1099)
    assert charge.payment_method_details.card.last4 == "4242"
    assert charge.payment_method_details.card.checks.cvc_check == "pass"
    assert charge.balance_transaction.net == 1099 - 62
    assert client.v1.charges.retrieve(charge.id).metadata["attempt"] == "a1"
    assert client.v1.balance.retrieve().pending[0].amount == 1037


def test_the_amount_has_limits(client: stripe.StripeClient) -> None:
    for amount, code in ((49, "amount_too_small"), (0, "parameter_invalid_integer"), (10**9, "amount_too_large")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({"amount": amount, "currency": "usd"})
        assert (refused.value.code, refused.value.param) == (code, "amount")
    assert client.v1.payment_intents.create({"amount": 50, "currency": "jpy"}).status == "requires_payment_method"


def test_unknown_parameters_are_refused(client: stripe.StripeClient) -> None:
    unknown: Any = {"amount": 100, "currency": "usd", "payment_method_types": ["card"]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(unknown)
    assert (refused.value.code, refused.value.param) == ("parameter_unknown", "payment_method_types")
    nested: Any = {"amount": 100, "currency": "usd", "shipping": {"name": "A", "address": {"town": "B"}}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(nested)
    assert refused.value.param == "shipping[address][town]"
    missing: Any = {"currency": "usd"}
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: amount"):
        client.v1.payment_intents.create(missing)


def test_keys_open_accounts_that_do_not_see_each_other(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    stranger = build_client(sandbox, "sk_test_stranger")
    with pytest.raises(stripe.InvalidRequestError) as unseen:
        stranger.v1.payment_intents.retrieve(intent.id)
    assert (unseen.value.http_status, unseen.value.code) == (404, "resource_missing")
    assert stranger.v1.accounts.retrieve_current().id != client.v1.accounts.retrieve_current().id
    for key in ("sk_test_bad1", "nonsense", "sk_live_bad1"):
        with pytest.raises(stripe.AuthenticationError):
            build_client(sandbox, key).v1.balance.retrieve()


@pytest.mark.parametrize(
    ("method", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_decline_is_a_402_and_the_intent_waits_for_another_card(
    client: stripe.StripeClient, method: str, code: str, decline: str
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        pay_with_method(client, method)
    error: Any = refused.value.error
    assert (refused.value.http_status, error.code, error.decline_code) == (402, code, decline)
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error
    assert intent.last_payment_error.code == code
    assert client.v1.charges.retrieve(error.charge).status == "failed"
    again = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_mastercard"})
    assert (again.status, again.last_payment_error) == ("succeeded", None)


def test_an_idempotency_key_replays_what_happened_first(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    params: Any = {"amount": 900, "currency": "nzd", "confirm": True, "payment_method": "pm_card_nz", **CARD_ONLY}
    first = create_intent(client, "attempt-1", **params)
    second = create_intent(client, "attempt-1", **params)
    assert first.id == second.id
    response: Any = second.last_response
    assert response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as refused:
        create_intent(client, "attempt-1", **{**params, "amount": 901})
    assert refused.value.http_status == 400
    sandbox.advance(24 * 3600 + 1)
    assert create_intent(client, "attempt-1", **params).id != first.id


def test_a_decline_and_a_500_are_remembered_but_a_bad_parameter_is_not(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    params: Any = {"amount": 900, "currency": "usd", "confirm": True, **CARD_ONLY}
    declined = {**params, "payment_method": "pm_card_chargeDeclined"}
    charges = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            create_intent(client, "k1", **declined)
        error: Any = refused.value.error
        charges.append(error.charge)
    assert charges[0] == charges[1]
    sandbox.fault("stripe", "status", status=500, method="POST")
    good = {**params, "payment_method": "pm_card_visa"}
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            create_intent(client, "k2", **good)
    with pytest.raises(stripe.InvalidRequestError):
        create_intent(client, "k3", **{**good, "town": "A"})
    assert create_intent(client, "k3", **good).status == "succeeded"


def test_the_same_key_at_the_same_time_is_a_conflict(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.config(stripe_latency=0.4)
    params: Any = {"amount": 900, "currency": "usd"}
    other = build_client(sandbox, "sk_test_merchant")
    first = threading.Thread(target=lambda: create_intent(other, "same", **params))
    first.start()
    time.sleep(0.15)
    with pytest.raises(stripe.APIError) as refused:
        create_intent(client, "same", **params)
    first.join()
    assert refused.value.http_status == 409


def test_too_many_calls_a_second_are_a_429(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.config(stripe_rate_limit=3)
    for _ in range(3):
        client.v1.balance.retrieve()
    with pytest.raises(stripe.RateLimitError):
        client.v1.balance.retrieve()


def test_a_confirmation_token_pays_once(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    name = create_confirmation_token(sandbox)
    preview: Any = client.v1.confirmation_tokens.retrieve(name).payment_method_preview
    assert preview.card.last4 == "4242"
    params: Any = {"amount": 700, "currency": "usd", "confirm": True, "confirmation_token": name, **CARD_ONLY}
    intent = client.v1.payment_intents.create(params)
    assert intent.status == "succeeded"
    assert client.v1.confirmation_tokens.retrieve(name).payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError, match="was used already"):
        client.v1.payment_intents.create(params)
    late = create_confirmation_token(sandbox)
    sandbox.advance(12 * 3600)
    with pytest.raises(stripe.InvalidRequestError, match="has expired"):
        create_intent(client, **{**params, "confirmation_token": late})


def test_a_token_is_made_in_the_browser_only(sandbox: SandboxProcess) -> None:
    form = {"payment_method_data[type]": "card"}
    headers = {"Authorization": "Bearer sk_test_merchant"}
    refused = requests.post(f"{sandbox.url}/stripe/v1/confirmation_tokens", data=form, headers=headers, timeout=5)
    assert refused.status_code == 403
    wrong = {"key": "pk_test_merchant", "payment_method_data[card][number]": "4242424242424241"}
    refused = requests.post(f"{sandbox.url}/stripe/v1/confirmation_tokens", data=wrong, timeout=5)
    assert (refused.status_code, refused.json()["error"]["param"]) == (402, "number")


def test_a_browser_sees_an_intent_with_its_secret_only(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd", "metadata": {"quote": "7"}})
    address = f"{sandbox.url}/stripe/v1/payment_intents/{intent.id}"
    key = {"key": "pk_test_merchant"}
    assert requests.get(address, params=key, timeout=5).status_code == 400
    assert requests.get(address, params={**key, "client_secret": "x"}, timeout=5).status_code == 400
    seen = requests.get(address, params={**key, "client_secret": intent.client_secret}, timeout=5)
    assert (seen.json()["status"], seen.json()["metadata"]) == ("requires_payment_method", {})
    assert requests.post(f"{sandbox.url}/stripe/v1/refunds", data=key, timeout=5).status_code == 403
    assert all(entry["browser"] for entry in sandbox.journal("stripe")[-4:])


def test_confirming_in_the_wrong_state_says_so(client: stripe.StripeClient) -> None:
    empty = create_intent(client, amount=500, currency="usd", **CARD_ONLY)
    paid = pay_with_method(client)
    for name in (empty.id, paid.id):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.confirm(name)
        assert refused.value.code == "payment_intent_unexpected_state"
    assert client.v1.payment_intents.cancel(empty.id).status == "canceled"
    for name in (empty.id, paid.id):
        with pytest.raises(stripe.InvalidRequestError, match="You cannot cancel"):
            client.v1.payment_intents.cancel(name)


def test_automatic_methods_want_a_way_back(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(params)
    assert refused.value.param == "return_url"
    assert create_intent(client, **{**params, "return_url": RETURN_URL}).status == "succeeded"


def answer_challenge(intent: stripe.PaymentIntent, outcome: str) -> requests.Response:
    action: Any = intent.next_action
    where = action.use_stripe_sdk["stripe_js"] if action.type == "use_stripe_sdk" else action.redirect_to_url.url
    assert requests.get(where, timeout=5).status_code == 200
    return requests.post(where, data={"outcome": outcome}, timeout=5, allow_redirects=False)


@pytest.mark.parametrize(
    ("method", "outcome", "status"),
    [
        ("pm_card_authenticationRequired", "complete", "succeeded"),
        ("pm_card_threeDSecure2Required", "complete", "succeeded"),
        ("pm_card_authenticationRequired", "fail", "requires_payment_method"),
        (
            "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
            "complete",
            "requires_payment_method",
        ),
    ],
)
def test_a_challenge_is_answered_in_the_frame(
    client: stripe.StripeClient, method: str, outcome: str, status: str
) -> None:
    intent = pay_with_method(client, method, use_stripe_sdk=True)
    assert (intent.status, intent.latest_charge) == ("requires_action", None)
    answer_challenge(intent, outcome)
    after = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert after.status == status
    charge: Any = after.latest_charge
    if status == "succeeded":
        assert charge.payment_method_details.card.three_d_secure.result == "authenticated"
    elif outcome == "fail":
        assert after.last_payment_error
        assert after.last_payment_error.code == "payment_intent_authentication_failure"


def test_a_challenge_by_redirect_leads_back_to_the_shop(client: stripe.StripeClient) -> None:
    intent = pay_with_method(client, "pm_card_authenticationRequired", return_url=f"{RETURN_URL}?quote=7")
    back = answer_challenge(intent, "complete").headers["Location"]
    assert back.startswith(f"{RETURN_URL}?quote=7&payment_intent={intent.id}&payment_intent_client_secret=")
    assert back.endswith("&redirect_status=succeeded")


def test_without_the_payer_a_challenge_is_a_decline(client: stripe.StripeClient) -> None:
    for more in ({"error_on_requires_action": True}, {"off_session": True}):
        with pytest.raises(stripe.CardError) as refused:
            pay_with_method(client, "pm_card_authenticationRequired", **more)
        assert refused.value.code == "authentication_required"


def test_a_card_is_kept_for_later_and_charged_without_the_payer(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada", "email": "ada@example.com"})
    setup = client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "confirm": True,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "usage": "off_session",
            "use_stripe_sdk": True,
            "return_url": RETURN_URL,
        }
    )
    assert setup.status == "requires_action"
    action: Any = setup.next_action
    requests.post(action.use_stripe_sdk["stripe_js"], data={"outcome": "complete"}, timeout=5)
    setup = client.v1.setup_intents.retrieve(setup.id)
    assert setup.status == "succeeded"
    saved: Any = client.v1.customers.payment_methods.list(customer.id).data[0]
    assert saved.id == setup.payment_method
    intent = pay_with_method(client, saved.id, customer=customer.id, off_session=True)
    assert intent.status == "succeeded"
    client.v1.payment_methods.detach(saved.id)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        pay_with_method(client, saved.id, customer=customer.id)


def test_refunds_stop_at_the_amount_of_the_charge(client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    part = client.v1.refunds.create({"payment_intent": intent.id, "amount": 1000, "metadata": {"why": "x"}})
    assert (part.status, part.amount) == ("succeeded", 1000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    assert refused.value.param == "amount"
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 99
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert len(client.v1.refunds.list({"payment_intent": intent.id}).data) == 2


def test_intents_are_listed_and_found_by_their_metadata(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    created = [pay_with_method(client, metadata={"attempt": f"a{n}", "odd": str(n % 2)}).id for n in range(5)]
    page = client.v1.payment_intents.list({"limit": 2})
    assert ([item.id for item in page.data], page.has_more) == ([created[4], created[3]], True)
    assert [item.id for item in page.auto_paging_iter()] == created[::-1]
    found = client.v1.payment_intents.search({"query": "metadata['attempt']:'a3'"})
    assert [item.id for item in found.data] == [created[3]]
    query = 'status:\'succeeded\' AND -metadata["odd"]:"1" AND amount>1000'
    assert [item.id for item in client.v1.payment_intents.search({"query": query}).data] == created[4::-2]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.search({"query": "metadata~~"})
    sandbox.config(stripe_search_lag=60)
    assert client.v1.payment_intents.search({"query": "metadata['attempt']:'a3'"}).data == []


def test_capture_by_hand(client: stripe.StripeClient) -> None:
    intent = pay_with_method(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1099)
    done = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1000})
    assert (done.status, done.amount_received) == ("succeeded", 1000)


def test_metadata_is_merged_and_an_unknown_path_is_a_404(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd", "metadata": {"a": "1", "b": "2"}})
    changed = client.v1.payment_intents.update(intent.id, {"metadata": {"a": "", "c": "3"}, "amount": 600})
    assert (changed.metadata.to_dict(), changed.amount) == ({"b": "2", "c": "3"}, 600)
    headers = {"Authorization": "Bearer sk_test_merchant"}
    lost = requests.get(f"{sandbox.url}/stripe/v1/prices", headers=headers, timeout=5)
    assert (lost.status_code, lost.json()["error"]["type"]) == (404, "invalid_request_error")
