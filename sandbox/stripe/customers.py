"""Customers: who pays, for methods that are kept."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import methods, shapes, shapes_people
from sandbox.stripe.calls import Call, copy_given, merge_metadata
from sandbox.stripe.events import emit

Obj = dict[str, Any]
PLAIN = ("description", "email", "name", "phone", "preferred_locales", "tax_exempt")


def create(call: Call) -> Obj:
    """POST /v1/customers."""
    account = call.account
    customer = shapes_people.customer(account.world.id("cus", 14), account.now())
    apply(call, customer)
    if method := call.params.get("payment_method"):
        named = methods.named(account, method)
    account.add(customer)
    emit(account, "customer.created", customer)
    if method:
        methods.attach_to(account, named, customer["id"])
    return customer


def apply(call: Call, customer: Obj) -> None:
    """Take over what was said about the customer."""
    given = call.params
    copy_given(customer, given, PLAIN)
    merge_metadata(customer, given.get("metadata"))
    for name in ("address", "shipping"):
        if name in given:
            said = given[name] or None
            customer[name] = shapes.address(said) if said and name == "address" else said
    if settings := given.get("invoice_settings"):
        customer["invoice_settings"] |= {
            key: value for key, value in settings.items() if key in customer["invoice_settings"]
        }


def retrieve(call: Call) -> Obj:
    """GET /v1/customers/{id}."""
    return call.account.find("customer", call.path["id"])


def update(call: Call) -> Obj:
    """POST /v1/customers/{id}."""
    customer = call.account.find("customer", call.path["id"])
    apply(call, customer)
    emit(call.account, "customer.updated", customer)
    return customer
