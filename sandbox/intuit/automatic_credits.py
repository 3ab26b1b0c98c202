"""Credit that QuickBooks applies automatically, in companies whose people switched that on."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit import payments
from sandbox.intuit.company import Company, Record
from sandbox.intuit.formats import ZERO, get_reference_id
from sandbox.intuit.linked_transactions import LinkedAmount, build_payment_line

COUNTERPARTS = {"Invoice": "CreditMemo", "CreditMemo": "Invoice"}


def apply_credit_automatically(company: Company, entity: str, document: Record) -> Record:
    """Join a new invoice with the customer's open credit, or new credit with open invoices, the oldest first."""
    if not company.preferences["AutoApplyCredit"] or entity not in COUNTERPARTS:
        return document
    remaining, shares = Decimal(document["Balance"]), list[LinkedAmount]()
    for row in company.find_by(COUNTERPARTS[entity], "Customer", get_reference_id(document["CustomerRef"])):
        amount = min(remaining, Decimal(row["Balance"]))
        if amount > 0:
            shares.append(LinkedAmount(COUNTERPARTS[entity], row["Id"], amount))
            remaining -= amount
    if not shares:
        return document
    used = sum((share.amount for share in shares), ZERO)
    lines = [build_payment_line(share) for share in [LinkedAmount(entity, document["Id"], used), *shares]]
    sent = {"CustomerRef": document["CustomerRef"], "TotalAmt": "0", "TxnDate": document["TxnDate"], "Line": lines}
    payments.write_payment(company, {**sent, "PrivateNote": "Created by QB Online to link credits to charges."}, set())
    return company.table(entity)[document["Id"]]
