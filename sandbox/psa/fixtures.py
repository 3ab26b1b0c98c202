"""What an accepted quote leaves in a practice PSA: opportunity, order, down-payment invoice."""

from __future__ import annotations

from sandbox.psa.invoices import create_invoice
from sandbox.psa.tenant import Record, Tenant, format_time


def create_order(tenant: Tenant, order: Record) -> Record:
    """What an accepted quote leaves in PSA: an opportunity, an order, and a down-payment invoice if one is wanted."""
    company = order.get("company") or {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"}
    contact, member = {"id": 31, "name": "Ada Payer"}, {"id": 150, "identifier": "wisepay", "name": "API"}
    opportunity = tenant.insert(
        "opportunities",
        {"name": "Onboarding", "company": company, "contact": contact, "primarySalesRep": member},
    )
    sale = tenant.insert(
        "orders",
        {
            "company": company,
            "contact": contact,
            "status": {"id": 1, "name": "Open"},
            "salesRep": member,
            "opportunity": {"id": opportunity["id"], "name": opportunity["name"]},
            "orderDate": format_time(tenant.world.now()),
            "invoiceIds": [],
            "total": float(order.get("total", 1250)),
        },
    )
    found = {"opportunity": opportunity["id"], "order": sale["id"]}
    if order.get("invoice", True):
        found["invoice"] = create_down_payment(tenant, {"order": sale["id"], **order})["id"]
    return found


def create_down_payment(tenant: Tenant, order: Record) -> Record:
    """A down-payment invoice of an order."""
    sale = tenant.table("orders")[str(order["order"])]
    sent = {
        "type": order.get("type", "DownPayment"),
        "company": sale["company"],
        "applyToType": "SalesOrder",
        "applyToId": sale["id"],
        "total": float(order.get("amount", 625)),
        "specialInvoiceFlag": True,
    }
    if order.get("tied", True):
        sent["salesOrder"] = {"id": sale["id"], "identifier": str(sale["id"])}
    row = create_invoice(tenant, sent)
    sale["invoiceIds"] = [*sale["invoiceIds"], row["id"]]
    return row
