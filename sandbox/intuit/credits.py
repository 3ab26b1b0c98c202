"""Credit that QuickBooks applies by itself, in companies whose people switched that on."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit import payments
from sandbox.intuit.books import Company, Record
from sandbox.intuit.links import Share, line_of
from sandbox.intuit.wire import NOTHING, id_of

COUNTERPARTS = {"Invoice": "CreditMemo", "CreditMemo": "Invoice"}


def apply_by_itself(company: Company, entity: str, document: Record) -> Record:
    """Join a new invoice with the customer's open credit, or new credit with open invoices, the oldest first."""
    if not company.preferences["AutoApplyCredit"] or entity not in COUNTERPARTS:
        return document
    left, shares = Decimal(document["Balance"]), list[Share]()
    for row in company.by(COUNTERPARTS[entity], "Customer", id_of(document["CustomerRef"])):
        amount = min(left, Decimal(row["Balance"]))
        if amount > 0:
            shares.append(Share(COUNTERPARTS[entity], row["Id"], amount))
            left -= amount
    if not shares:
        return document
    used = sum((share.amount for share in shares), NOTHING)
    lines = [line_of(share) for share in [Share(entity, document["Id"], used), *shares]]
    told = {"CustomerRef": document["CustomerRef"], "TotalAmt": "0", "TxnDate": document["TxnDate"], "Line": lines}
    payments.write(company, {**told, "PrivateNote": "Created by QB Online to link credits to charges."}, set())
    return company.table(entity)[document["Id"]]
