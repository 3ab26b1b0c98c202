"""Every operation that the practice Stripe can do."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance, capabilities, customers, payouts
from sandbox.stripe.api import Operation
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.listing import build_list_operation
from sandbox.stripe.payment_methods import confirmation_tokens, mandates, methods
from sandbox.stripe.payments import disputes, fraud_warnings, intents, refunds, setup_intents
from sandbox.stripe.search import build_search_operation
from sandbox.stripe.webhooks import endpoints

Obj = dict[str, Any]


def retrieve_balance(call: StripeCall) -> Obj:
    """GET /v1/balance: what came in less what went out, by currency; available two days later."""
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for line in call.account.table("balance_transaction").values():
        part = sums["available" if line["available_on"] <= call.account.now() else "pending"]
        part[line["currency"]] = part.get(line["currency"], 0) + line["net"]
    currencies = sorted({*sums["available"], *sums["pending"]}) or [get_default_currency(call)]

    def side(name: str) -> list[Obj]:
        amounts = [(currency, sums[name].get(currency, 0)) for currency in currencies]
        return [{"amount": net, "currency": code, "source_types": {"card": net}} for code, net in amounts]

    return {
        "object": "balance",
        "available": side("available"),
        "livemode": call.account.mode == "live",
        "pending": side("pending"),
    }


def get_default_currency(call: StripeCall) -> str:
    """The account's own currency."""
    return capabilities.get_default_currency(call.account)


def retrieve_account(call: StripeCall) -> Obj:
    """GET /v1/account."""
    return capabilities.build_account(call.account)


def build_retrieve_operation(kind: str) -> Any:
    """An operation that reads one object of a kind by its id."""

    def operation(call: StripeCall) -> Obj:
        return call.account.find(kind, call.path["id"])

    return operation


def list_customer_methods(call: StripeCall) -> Obj:
    """GET /v1/customers/{id}/payment_methods."""
    call.account.find("customer", call.path["id"])
    call.params["customer"] = call.path["id"]
    return build_list_operation(
        "payment_method", f"/v1/customers/{call.path['id']}/payment_methods", "customer", "type"
    )(call)


def list_operations() -> list[Operation]:
    """All of them; of two paths that fit a call, the first counts."""
    return [
        *list_payment_operations(),
        *list_money_operations(),
        *list_customer_operations(),
        *list_webhook_operations(),
    ]


def list_payment_operations() -> list[Operation]:
    """Payment intents and setup intents."""
    intent, setup = "/payment_intents", "/setup_intents"
    return [
        Operation("POST", intent, intents.create, "PaymentIntentCreateParams"),
        Operation(
            "GET", intent, build_list_operation("payment_intent", f"/v1{intent}", "customer"), "PaymentIntentListParams"
        ),
        Operation(
            "GET",
            f"{intent}/search",
            build_search_operation("payment_intent", f"/v1{intent}/search"),
            "PaymentIntentSearchParams",
        ),
        Operation("GET", intent + "/{id}", intents.retrieve, "PaymentIntentRetrieveParams", browser=True),
        Operation("POST", intent + "/{id}", intents.update, "PaymentIntentUpdateParams"),
        Operation("POST", intent + "/{id}/confirm", intents.confirm, "PaymentIntentConfirmParams", browser=True),
        Operation("POST", intent + "/{id}/cancel", intents.cancel, "PaymentIntentCancelParams"),
        Operation("POST", intent + "/{id}/capture", intents.capture, "PaymentIntentCaptureParams"),
        Operation("POST", setup, setup_intents.create, "SetupIntentCreateParams"),
        Operation(
            "GET",
            setup,
            build_list_operation("setup_intent", f"/v1{setup}", "customer", "payment_method"),
            "SetupIntentListParams",
        ),
        Operation("GET", setup + "/{id}", setup_intents.retrieve, "SetupIntentRetrieveParams", browser=True),
        Operation("POST", setup + "/{id}/confirm", setup_intents.confirm, "SetupIntentConfirmParams", browser=True),
        Operation("POST", setup + "/{id}/cancel", setup_intents.cancel, "SetupIntentCancelParams"),
    ]


def list_money_operations() -> list[Operation]:
    """Charges, refunds and what follows them."""
    return [
        Operation(
            "GET",
            "/charges",
            build_list_operation("charge", "/v1/charges", "customer", "payment_intent"),
            "ChargeListParams",
        ),
        Operation(
            "GET", "/charges/search", build_search_operation("charge", "/v1/charges/search"), "ChargeSearchParams"
        ),
        Operation("GET", "/charges/{id}", build_retrieve_operation("charge"), "ChargeRetrieveParams"),
        Operation("POST", "/refunds", refunds.create, "RefundCreateParams"),
        Operation(
            "GET",
            "/refunds",
            build_list_operation("refund", "/v1/refunds", "charge", "payment_intent"),
            "RefundListParams",
        ),
        Operation("GET", "/refunds/{id}", refunds.retrieve, "RefundRetrieveParams"),
        Operation("POST", "/refunds/{id}", refunds.update, "RefundUpdateParams"),
        Operation("GET", "/disputes/{id}", disputes.retrieve, "DisputeRetrieveParams"),
        Operation("POST", "/disputes/{id}", disputes.update, "DisputeUpdateParams"),
        Operation("POST", "/disputes/{id}/close", disputes.close, "DisputeCloseParams"),
        Operation(
            "GET",
            "/disputes",
            build_list_operation("dispute", "/v1/disputes", "charge", "payment_intent"),
            "DisputeListParams",
        ),
        Operation("GET", "/mandates/{id}", mandates.retrieve, "MandateRetrieveParams"),
        Operation(
            "GET",
            "/balance_transactions/{id}",
            build_retrieve_operation("balance_transaction"),
            "BalanceTransactionRetrieveParams",
        ),
        Operation("GET", "/balance_transactions", balance.list_balance_transactions, "BalanceTransactionListParams"),
        Operation("GET", "/payouts", payouts.list_payouts, "PayoutListParams"),
        Operation("GET", "/payouts/{id}", payouts.retrieve, "PayoutRetrieveParams"),
        Operation("GET", "/balance", retrieve_balance, "BalanceRetrieveParams"),
        Operation("GET", "/account", retrieve_account, "AccountRetrieveCurrentParams"),
    ]


def list_customer_operations() -> list[Operation]:
    """Customers and what they pay with."""
    method = "/payment_methods"
    return [
        Operation("POST", "/customers", customers.create, "CustomerCreateParams"),
        Operation(
            "GET", "/customers", build_list_operation("customer", "/v1/customers", "email"), "CustomerListParams"
        ),
        Operation(
            "GET",
            "/customers/search",
            build_search_operation("customer", "/v1/customers/search"),
            "CustomerSearchParams",
        ),
        Operation("GET", "/customers/{id}", customers.retrieve, "CustomerRetrieveParams"),
        Operation("POST", "/customers/{id}", customers.update, "CustomerUpdateParams"),
        Operation("DELETE", "/customers/{id}", customers.delete, "CustomerDeleteParams"),
        Operation("GET", "/customers/{id}/payment_methods", list_customer_methods, "CustomerPaymentMethodListParams"),
        Operation(
            "GET",
            "/customers/{owner}/payment_methods/{id}",
            methods.retrieve_for_customer,
            "CustomerPaymentMethodRetrieveParams",
        ),
        Operation("POST", method, methods.create, "PaymentMethodCreateParams", browser=True),
        Operation(
            "GET",
            method,
            build_list_operation("payment_method", f"/v1{method}", "customer", "type"),
            "PaymentMethodListParams",
        ),
        Operation("GET", method + "/{id}", methods.retrieve, "PaymentMethodRetrieveParams"),
        Operation("POST", method + "/{id}", methods.update, "PaymentMethodUpdateParams"),
        Operation("POST", method + "/{id}/attach", methods.attach, "PaymentMethodAttachParams"),
        Operation("POST", method + "/{id}/detach", methods.detach, "PaymentMethodDetachParams"),
        Operation("POST", "/confirmation_tokens", confirmation_tokens.create, None, browser=True),
        Operation("POST", "/radar/session", fraud_warnings.create_session, None, browser=True),
        Operation("GET", "/confirmation_tokens/{id}", confirmation_tokens.retrieve, "ConfirmationTokenRetrieveParams"),
    ]


def list_webhook_operations() -> list[Operation]:
    """Events, webhook endpoints, and what else is about the account."""
    endpoint = "/webhook_endpoints"
    return [
        Operation(
            "GET",
            "/radar/early_fraud_warnings",
            build_list_operation(fraud_warnings.KIND, "/v1/radar/early_fraud_warnings", "charge", "payment_intent"),
            None,
        ),
        Operation("POST", "/payment_method_domains", capabilities.register_domain, "PaymentMethodDomainCreateParams"),
        Operation("POST", endpoint, endpoints.create, "WebhookEndpointCreateParams"),
        Operation(
            "GET", endpoint, build_list_operation("webhook_endpoint", f"/v1{endpoint}"), "WebhookEndpointListParams"
        ),
        Operation("GET", endpoint + "/{id}", endpoints.retrieve, "WebhookEndpointRetrieveParams"),
        Operation("POST", endpoint + "/{id}", endpoints.update, "WebhookEndpointUpdateParams"),
        Operation("DELETE", endpoint + "/{id}", endpoints.delete, "WebhookEndpointDeleteParams"),
        Operation("GET", "/events", build_list_operation("event", "/v1/events", "type"), "EventListParams"),
        Operation("GET", "/events/{id}", build_retrieve_operation("event"), "EventRetrieveParams"),
    ]
