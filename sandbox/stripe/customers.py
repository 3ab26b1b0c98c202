"""Customers, who own saved payment methods."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes, shapes_customers
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall, copy_params, merge_metadata
from sandbox.stripe.payment_methods import methods
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
SIMPLE_FIELDS = ("description", "email", "name", "phone", "preferred_locales", "tax_exempt")


def create(call: StripeCall) -> Obj:
    """POST /v1/customers."""
    account = call.account
    customer = shapes_customers.build_customer(account.world.id("cus", 14), account.now())
    apply_params(call, customer)
    if method := call.params.get("payment_method"):
        named = methods.get_method(account, method)
    account.add(customer)
    create_event(account, "customer.created", customer)
    if method:
        methods.attach_to_customer(account, named, customer["id"])
    return customer


def apply_params(call: StripeCall, customer: Obj) -> None:
    """Copy the parameters of a customer."""
    given = call.params
    copy_params(customer, given, SIMPLE_FIELDS)
    merge_metadata(customer, given.get("metadata"))
    for name in ("address", "shipping"):
        if name in given:
            value = given[name] or None
            customer[name] = shapes.build_address(value) if value and name == "address" else value
    if settings := given.get("invoice_settings"):
        customer["invoice_settings"] |= {
            key: value for key, value in settings.items() if key in customer["invoice_settings"]
        }


def delete(call: StripeCall) -> Obj:
    """DELETE /v1/customers/{id}: it is gone, and its methods belong to nobody."""
    customer = call.account.find("customer", call.path["id"])
    delete_customer(call.account, customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def delete_customer(account: StripeAccount, customer: Obj) -> None:
    """Delete the customer; its methods can't be used again."""
    for method in list(account.table("payment_method").values()):
        if method["customer"] == customer["id"]:
            methods.detach_from_customer(account, method)
    del account.table("customer")[customer["id"]]
    account.private_data(customer["id"])["deleted"] = True
    create_event(account, "customer.deleted", customer)


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/customers/{id}; of a deleted one only that it was deleted."""
    if call.account.private_data(call.path["id"]).get("deleted"):
        return {"id": call.path["id"], "object": "customer", "deleted": True}
    return call.account.find("customer", call.path["id"])


def update(call: StripeCall) -> Obj:
    """POST /v1/customers/{id}."""
    customer = call.account.find("customer", call.path["id"])
    apply_params(call, customer)
    create_event(call.account, "customer.updated", customer)
    return customer
