"""The practice Stripe's accounts: test and live halves, rolled and restricted keys, what it lets an account do."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_payments import build_client


def act(sandbox: SandboxProcess, name: str, **order: Any) -> Any:
    """Order an act of a person."""
    return sandbox.post("/stripe/_control", {name: order})[name]


def test_test_and_live_are_one_account_and_know_nothing_of_each_other(sandbox: SandboxProcess) -> None:
    test, live = build_client(sandbox, "sk_test_acme"), build_client(sandbox, "sk_live_acme")
    assert test.v1.accounts.retrieve_current().id == live.v1.accounts.retrieve_current().id
    customer = test.v1.customers.create({"name": "Harbour Dental"})
    assert (customer.livemode, live.v1.customers.create({"name": "Harbour Dental"}).livemode) == (False, True)
    with pytest.raises(stripe.InvalidRequestError, match="a similar object exists in test mode, but a live mode key"):
        live.v1.customers.retrieve(customer.id)
    with pytest.raises(stripe.InvalidRequestError, match=r"No such customer: 'cus_x'$"):
        live.v1.customers.retrieve("cus_x")


def test_a_rolled_key_ends_and_the_new_one_has_everything(sandbox: SandboxProcess) -> None:
    customer = build_client(sandbox, "sk_test_acme").v1.customers.create({"name": "Harbour Dental"})
    keys = act(sandbox, "roll_keys", account="sk_test_acme")
    with pytest.raises(stripe.AuthenticationError) as refused:
        build_client(sandbox, "sk_test_acme").v1.customers.retrieve(customer.id)
    assert refused.value.error is not None
    assert refused.value.error.code == "api_key_expired"
    assert build_client(sandbox, keys["secret_key"]).v1.customers.retrieve(customer.id).id == customer.id
    again = act(sandbox, "roll_keys", account=keys["secret_key"])
    assert again["secret_key"] != keys["secret_key"]
    with pytest.raises(stripe.AuthenticationError):
        build_client(sandbox, keys["secret_key"]).v1.customers.retrieve(customer.id)


def test_a_restricted_key_may_only_do_what_it_is_given(sandbox: SandboxProcess) -> None:
    sandbox.config(stripe_denied=["/webhook_endpoints"])
    restricted = build_client(sandbox, "rk_test_acme")
    restricted.v1.customers.create({"name": "Harbour Dental"})
    with pytest.raises(stripe.PermissionError) as refused:
        restricted.v1.webhook_endpoints.list()
    assert refused.value.error is not None
    assert refused.value.error.code == "more_permissions_required"
    build_client(sandbox, "sk_test_acme").v1.webhook_endpoints.list()


def test_a_deleted_customer_says_that_it_was_deleted(sandbox: SandboxProcess) -> None:
    client = build_client(sandbox, "sk_test_acme")
    customer = client.v1.customers.create({"name": "Harbour Dental"})
    act(sandbox, "delete_customer", customer=customer.id)
    assert client.v1.customers.retrieve(customer.id).deleted is True
    params: Any = {"amount": 900, "currency": "usd", "customer": customer.id}
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.payment_intents.create(params)


def test_an_account_that_misses_something_takes_no_charges(sandbox: SandboxProcess) -> None:
    client = build_client(sandbox, "sk_test_acme")
    act(sandbox, "restrict", account="sk_test_acme", missing="company.tax_id")
    account: Any = client.v1.accounts.retrieve_current()
    assert (account.charges_enabled, account.requirements.currently_due) == (False, ["company.tax_id"])
    assert {e.type for e in client.v1.events.list().data} == {"account.updated", "capability.updated"}
    act(sandbox, "restrict", account="sk_test_acme")
    assert client.v1.accounts.retrieve_current().charges_enabled is True


def test_domains_are_registered_once(sandbox: SandboxProcess) -> None:
    client = build_client(sandbox, "sk_test_acme")
    first = client.v1.payment_method_domains.create({"domain_name": "pay.example.com"})
    assert client.v1.payment_method_domains.create({"domain_name": "pay.example.com"}).id == first.id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_method_domains.create({"domain_name": "localhost"})


def test_a_publishable_key_sees_its_own_accounts_setups_only(sandbox: SandboxProcess) -> None:
    setup = build_client(sandbox, "sk_test_acme").v1.setup_intents.create({})
    url = f"{sandbox.url}/stripe/v1/setup_intents/{setup.id}"
    answers = {
        key: requests.get(url, params={"key": key, "client_secret": setup.client_secret}, timeout=5).status_code
        for key in ("pk_test_acme", "pk_test_other", "pk_live_acme")
    }
    assert answers == {"pk_test_acme": 200, "pk_test_other": 404, "pk_live_acme": 404}
