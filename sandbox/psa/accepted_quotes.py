"""What CPQ sends to PSA when a quote of the practice Order Porter is accepted: opportunity, order, down payment."""

from __future__ import annotations

from sandbox.orderporter.money import format_decimal
from sandbox.orderporter.quotes import calculate_totals, list_quotes
from sandbox.psa.fixtures import create_down_payment, create_order
from sandbox.psa.tenant import CURRENCY, Tenant

DEMO_TENANT = "northwind"


def record_accepted_quote(tenant: Tenant, opportunity_id: str) -> None:
    """Make what an accepted quote leaves here, the first time that somebody asks for its opportunity."""
    if tenant.data["login"] != DEMO_TENANT or tenant.get("opportunities", opportunity_id) is not None:
        return
    quotes = [one for one in list_quotes(tenant.world) if one["opportunity_id"] == opportunity_id and one["signed"]]
    if not quotes:
        return
    quote = quotes[-1]
    sums = calculate_totals(quote)
    made = create_order(tenant, {"total": format_decimal(sums["one_time"], quote["currency"]), "invoice": False})
    opportunity = tenant.table("opportunities").pop(str(made["opportunity"]))
    tenant.table("opportunities")[opportunity_id] = opportunity | {"id": int(opportunity_id), "name": quote["name"]}
    order = tenant.table("orders")[str(made["order"])]
    order["opportunity"] = {"id": int(opportunity_id), "name": quote["name"]}
    if sums["due_now"]:
        amount = format_decimal(sums["due_now"], quote["currency"])
        invoice = create_down_payment(tenant, {"order": order["id"], "amount": amount})
        invoice["currency"] = {**CURRENCY, "currencyCode": quote["currency"]}
