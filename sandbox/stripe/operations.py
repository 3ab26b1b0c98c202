"""Every operation that the practice Stripe can do."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance as balance_lines
from sandbox.stripe import (
    customers,
    disputes,
    endpoints,
    intents,
    mandates,
    methods,
    payouts,
    refunds,
    setups,
    shapes_people,
    tokens,
)
from sandbox.stripe.api import Operation
from sandbox.stripe.calls import Call
from sandbox.stripe.listing import lister
from sandbox.stripe.searching import searcher

Obj = dict[str, Any]


def balance(call: Call) -> Obj:
    """GET /v1/balance: what came in less what went out, by currency; available two days later."""
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for line in call.account.table("balance_transaction").values():
        part = sums["available" if line["available_on"] <= call.account.now() else "pending"]
        part[line["currency"]] = part.get(line["currency"], 0) + line["net"]
    currencies = sorted({*sums["available"], *sums["pending"]}) or [default_currency(call)]

    def side(name: str) -> list[Obj]:
        amounts = [(currency, sums[name].get(currency, 0)) for currency in currencies]
        return [{"amount": net, "currency": code, "source_types": {"card": net}} for code, net in amounts]

    return {
        "object": "balance",
        "available": side("available"),
        "livemode": False,
        "pending": side("pending"),
    }


def default_currency(call: Call) -> str:
    """The account's own currency."""
    return str(call.account.world.config.get("stripe_currency", "usd"))


def account(call: Call) -> Obj:
    """GET /v1/account."""
    data = call.account.data
    return shapes_people.account(
        data["id"],
        data["created"],
        str(call.account.world.config.get("stripe_country", "US")),
        default_currency(call),
        "Practice business",
    )


def getter(kind: str) -> Any:
    """An operation that reads one object of a kind by its id."""

    def operation(call: Call) -> Obj:
        return call.account.find(kind, call.path["id"])

    return operation


def customer_methods(call: Call) -> Obj:
    """GET /v1/customers/{id}/payment_methods."""
    call.account.find("customer", call.path["id"])
    call.params["customer"] = call.path["id"]
    return lister("payment_method", f"/v1/customers/{call.path['id']}/payment_methods", "customer", "type")(call)


def operations() -> list[Operation]:
    """All of them; of two paths that fit a call, the first counts."""
    return [*payments(), *money(), *people(), *listening()]


def payments() -> list[Operation]:
    """Intents to pay and to keep a method."""
    intent, setup = "/payment_intents", "/setup_intents"
    return [
        Operation("POST", intent, intents.create, "PaymentIntentCreateParams"),
        Operation("GET", intent, lister("payment_intent", f"/v1{intent}", "customer"), "PaymentIntentListParams"),
        Operation(
            "GET",
            f"{intent}/search",
            searcher("payment_intent", f"/v1{intent}/search"),
            "PaymentIntentSearchParams",
        ),
        Operation("GET", intent + "/{id}", intents.retrieve, "PaymentIntentRetrieveParams", browser=True),
        Operation("POST", intent + "/{id}", intents.update, "PaymentIntentUpdateParams"),
        Operation("POST", intent + "/{id}/confirm", intents.confirm, "PaymentIntentConfirmParams", browser=True),
        Operation("POST", intent + "/{id}/cancel", intents.cancel, "PaymentIntentCancelParams"),
        Operation("POST", intent + "/{id}/capture", intents.capture, "PaymentIntentCaptureParams"),
        Operation("POST", setup, setups.create, "SetupIntentCreateParams"),
        Operation(
            "GET", setup, lister("setup_intent", f"/v1{setup}", "customer", "payment_method"), "SetupIntentListParams"
        ),
        Operation("GET", setup + "/{id}", setups.retrieve, "SetupIntentRetrieveParams", browser=True),
        Operation("POST", setup + "/{id}/confirm", setups.confirm, "SetupIntentConfirmParams", browser=True),
        Operation("POST", setup + "/{id}/cancel", setups.cancel, "SetupIntentCancelParams"),
    ]


def money() -> list[Operation]:
    """Charges, refunds and what follows them."""
    return [
        Operation(
            "GET",
            "/charges",
            lister("charge", "/v1/charges", "customer", "payment_intent"),
            "ChargeListParams",
        ),
        Operation("GET", "/charges/search", searcher("charge", "/v1/charges/search"), "ChargeSearchParams"),
        Operation("GET", "/charges/{id}", getter("charge"), "ChargeRetrieveParams"),
        Operation("POST", "/refunds", refunds.create, "RefundCreateParams"),
        Operation("GET", "/refunds", lister("refund", "/v1/refunds", "charge", "payment_intent"), "RefundListParams"),
        Operation("GET", "/refunds/{id}", refunds.retrieve, "RefundRetrieveParams"),
        Operation("POST", "/refunds/{id}", refunds.update, "RefundUpdateParams"),
        Operation("GET", "/disputes/{id}", disputes.retrieve, "DisputeRetrieveParams"),
        Operation("POST", "/disputes/{id}", disputes.update, "DisputeUpdateParams"),
        Operation("POST", "/disputes/{id}/close", disputes.close, "DisputeCloseParams"),
        Operation(
            "GET",
            "/disputes",
            lister("dispute", "/v1/disputes", "charge", "payment_intent"),
            "DisputeListParams",
        ),
        Operation("GET", "/mandates/{id}", mandates.retrieve, "MandateRetrieveParams"),
        Operation(
            "GET",
            "/balance_transactions/{id}",
            getter("balance_transaction"),
            "BalanceTransactionRetrieveParams",
        ),
        Operation("GET", "/balance_transactions", balance_lines.list_lines, "BalanceTransactionListParams"),
        Operation("GET", "/payouts", payouts.list_payouts, "PayoutListParams"),
        Operation("GET", "/payouts/{id}", payouts.retrieve, "PayoutRetrieveParams"),
        Operation("GET", "/balance", balance, "BalanceRetrieveParams"),
        Operation("GET", "/account", account, "AccountRetrieveCurrentParams"),
    ]


def people() -> list[Operation]:
    """Customers and what they pay with."""
    method = "/payment_methods"
    return [
        Operation("POST", "/customers", customers.create, "CustomerCreateParams"),
        Operation("GET", "/customers", lister("customer", "/v1/customers", "email"), "CustomerListParams"),
        Operation("GET", "/customers/search", searcher("customer", "/v1/customers/search"), "CustomerSearchParams"),
        Operation("GET", "/customers/{id}", customers.retrieve, "CustomerRetrieveParams"),
        Operation("POST", "/customers/{id}", customers.update, "CustomerUpdateParams"),
        Operation("GET", "/customers/{id}/payment_methods", customer_methods, "CustomerPaymentMethodListParams"),
        Operation(
            "GET", "/customers/{owner}/payment_methods/{id}", methods.of_customer, "CustomerPaymentMethodRetrieveParams"
        ),
        Operation("POST", method, methods.create, "PaymentMethodCreateParams", browser=True),
        Operation(
            "GET",
            method,
            lister("payment_method", f"/v1{method}", "customer", "type"),
            "PaymentMethodListParams",
        ),
        Operation("GET", method + "/{id}", methods.retrieve, "PaymentMethodRetrieveParams"),
        Operation("POST", method + "/{id}", methods.update, "PaymentMethodUpdateParams"),
        Operation("POST", method + "/{id}/attach", methods.attach, "PaymentMethodAttachParams"),
        Operation("POST", method + "/{id}/detach", methods.detach, "PaymentMethodDetachParams"),
        Operation("POST", "/confirmation_tokens", tokens.create, None, browser=True),
        Operation("GET", "/confirmation_tokens/{id}", tokens.retrieve, "ConfirmationTokenRetrieveParams"),
    ]


def listening() -> list[Operation]:
    """Events and who hears of them."""
    endpoint = "/webhook_endpoints"
    return [
        Operation("POST", endpoint, endpoints.create, "WebhookEndpointCreateParams"),
        Operation("GET", endpoint, lister("webhook_endpoint", f"/v1{endpoint}"), "WebhookEndpointListParams"),
        Operation("GET", endpoint + "/{id}", endpoints.retrieve, "WebhookEndpointRetrieveParams"),
        Operation("POST", endpoint + "/{id}", endpoints.update, "WebhookEndpointUpdateParams"),
        Operation("DELETE", endpoint + "/{id}", endpoints.delete, "WebhookEndpointDeleteParams"),
        Operation("GET", "/events", lister("event", "/v1/events", "type"), "EventListParams"),
        Operation("GET", "/events/{id}", getter("event"), "EventRetrieveParams"),
    ]
