"""What CPQ sends to PSA when a quote of the practice Order Porter is accepted: opportunity, order, down payment."""

from __future__ import annotations

from sandbox.orderporter.money import format_decimal
from sandbox.orderporter.quotes import Quote, calculate_totals, list_quotes
from sandbox.psa.fixtures import create_down_payment, create_order
from sandbox.psa.tenant import CURRENCY, Record, Tenant

DEMO_TENANT = "northwind"


def record_accepted_quotes(tenant: Tenant) -> None:
    """Make what every accepted quote leaves here, as far as nobody asked for it yet."""
    for quote in list_quotes(tenant.world):
        if quote["signed"]:
            record_accepted_quote(tenant, str(quote["opportunity_id"]))


def record_accepted_quote(tenant: Tenant, opportunity_id: str) -> None:
    """Make what an accepted quote leaves here, the first time that somebody asks for its opportunity."""
    if tenant.data["login"] != DEMO_TENANT or tenant.get("opportunities", opportunity_id) is not None:
        return
    quotes = [one for one in list_quotes(tenant.world) if one["opportunity_id"] == opportunity_id and one["signed"]]
    if not quotes:
        return
    quote = quotes[-1]
    sums = calculate_totals(quote)
    total, company = format_decimal(sums["one_time"], quote["currency"]), get_or_create_company(tenant, quote)
    made = create_order(tenant, {"total": total, "company": company, "invoice": False})
    opportunity = tenant.table("opportunities").pop(str(made["opportunity"]))
    tenant.table("opportunities")[opportunity_id] = opportunity | {"id": int(opportunity_id), "name": quote["name"]}
    order = tenant.table("orders")[str(made["order"])]
    order["opportunity"] = {"id": int(opportunity_id), "name": quote["name"]}
    if sums["due_now"]:
        amount = format_decimal(sums["due_now"], quote["currency"])
        invoice = create_down_payment(tenant, {"order": order["id"], "amount": amount})
        invoice["currency"] = {**CURRENCY, "currencyCode": quote["currency"]}


def get_or_create_company(tenant: Tenant, quote: Quote) -> Record:
    """The quote's customer, as a company here."""
    name = quote["customer"]["account_name"][:50]
    found = next((row for row in tenant.table("companies").values() if row["name"] == name), None)
    if found is None:
        identifier = "".join(character for character in name if character.isalnum())[:30]
        found = tenant.insert("companies", {"identifier": identifier, "name": name, "deletedFlag": False})
    return {field: found[field] for field in ("id", "identifier", "name")}
