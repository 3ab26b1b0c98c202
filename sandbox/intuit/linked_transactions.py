"""What payments join: how much of a document is open, and the documents' side of every link."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import build_bad_reference_error, build_business_error
from sandbox.intuit.formats import ZERO, get_reference_id

# what a payment may name, and the kind of object that it is stored as
TARGETS = {"Invoice": "Invoice", "CreditMemo": "CreditMemo", "Expense": "Purchase", "Check": "Purchase"}
CREDITS = frozenset({"CreditMemo"})


class LinkedAmount(NamedTuple):
    """A payment's line: an amount against one document, named as the API names its type."""

    kind: str
    key: str
    amount: Decimal

    @property
    def entity(self) -> str:
        """The kind of object that the document is stored as."""
        return TARGETS[self.kind]

    @property
    def is_credit(self) -> bool:
        """Whether the document gives, rather than takes."""
        return self.kind in CREDITS


def list_linked_amounts(payment: Record) -> list[LinkedAmount]:
    """The lines of a payment that is in the books."""
    found = []
    for line in payment["Line"]:
        link = line["LinkedTxn"][0]
        found.append(LinkedAmount(link["TxnType"], link["TxnId"], Decimal(line["Amount"])))
    return found


def list_payments(company: Company, document: Record) -> list[Record]:
    """The payments that touch a document, oldest first."""
    links = document.get("LinkedTxn") or []
    return [company.table("Payment")[link["TxnId"]] for link in links if link["TxnType"] == "Payment"]


def sum_applied(company: Company, entity: str, document: Record) -> Decimal:
    """How much of the document its payments used up."""
    key = document["Id"]
    shares = (share for row in list_payments(company, document) for share in list_linked_amounts(row))
    return sum((share.amount for share in shares if (share.entity, share.key) == (entity, key)), ZERO)


def get_full_amount(entity: str, document: Record) -> Decimal:
    """What there is to settle: the total, or of money paid out the part against receivables."""
    return Decimal(document["_receivable"] if entity == "Purchase" else document["TotalAmt"])


def set_open_balance(company: Company, entity: str, document: Record) -> Record:
    """Set the document's open balance, unsaved; raises IntuitValidationError when too much was applied."""
    remaining = get_full_amount(entity, document) - sum_applied(company, entity, document)
    if remaining < 0:
        raise build_business_error("The amount applied is more than the total of the transaction.")
    if entity == "Purchase":
        return {**document, "_open": str(remaining)}
    more = {"RemainingCredit": str(remaining)} if entity == "CreditMemo" else {}
    rate = Decimal(document.get("ExchangeRate") or "1")
    home = str((remaining * rate).quantize(Decimal("0.01")))
    return {**document, "Balance": str(remaining), "HomeBalance": home, **more}


def get_open_amount(entity: str, document: Record) -> Decimal:
    """What is still open on it."""
    return Decimal(document["_open" if entity == "Purchase" else "Balance"])


def get_target(company: Company, share: LinkedAmount, customer: str) -> Record:
    """The document that a line names, of the same customer; raises IntuitValidationError (2500, 6000)."""
    document = company.table(share.entity).get(share.key)
    if document is None:
        raise build_bad_reference_error(f"Transaction element id {share.key} not found")
    owner = get_reference_id(document.get("EntityRef" if share.entity == "Purchase" else "CustomerRef"))
    if owner != customer:
        raise build_business_error("A payment can only be linked to transactions of the same customer.")
    return document


def link_payment(company: Company, payment: Record) -> None:
    """Bring the documents of a payment up to date, with this payment among their links."""
    ours = {"TxnId": payment["Id"], "TxnType": "Payment"}
    for share in list_unique_amounts(payment):
        document = company.get(share.entity, share.key)
        links = [each for each in document.get("LinkedTxn") or [] if each != ours]
        company.save(share.entity, set_open_balance(company, share.entity, {**document, "LinkedTxn": [*links, ours]}))


def unlink_payment(company: Company, payment: Record) -> None:
    """Bring the documents of a payment up to date as if it were not there."""
    ours = {"TxnId": payment["Id"], "TxnType": "Payment"}
    for share in list_unique_amounts(payment):
        document = company.table(share.entity).get(share.key)
        if document:
            links = [each for each in document.get("LinkedTxn") or [] if each != ours]
            company.save(share.entity, set_open_balance(company, share.entity, {**document, "LinkedTxn": links}))


def list_unique_amounts(payment: Record) -> list[LinkedAmount]:
    """A payment's lines, one for each document."""
    return list({(share.entity, share.key): share for share in list_linked_amounts(payment)}.values())


def remove_document_from_payment(company: Company, payment: Record, entity: str, key: str) -> None:
    """Take a document's lines out of a payment, with the credits that pay for nothing without it."""
    shares = [share for share in list_linked_amounts(payment) if (share.entity, share.key) != (entity, key)]
    lines = [build_payment_line(share) for share in limit_to_available(Decimal(payment["TotalAmt"]), shares)]
    fresh = {**payment, "Line": lines}
    company.save("Payment", {**fresh, "UnappliedAmt": str(calculate_unapplied(fresh))})
    unlink_payment(company, payment)
    link_payment(company, company.table("Payment")[payment["Id"]])


def build_payment_line(share: LinkedAmount) -> Record:
    """The share as a line of a payment."""
    return {"Amount": str(share.amount), "LinkedTxn": [{"TxnId": share.key, "TxnType": share.kind}]}


def calculate_unapplied(payment: Record) -> Decimal:
    """What a payment's money and credits leave over."""
    signed = (share.amount if share.is_credit else -share.amount for share in list_linked_amounts(payment))
    return sum(signed, Decimal(payment["TotalAmt"]))


def limit_to_available(money: Decimal, shares: list[LinkedAmount]) -> list[LinkedAmount]:
    """The shares cut to what money and credits still pay for, and the credits to what is still paid."""
    gives = [share for share in shares if share.is_credit]
    takes = [share for share in shares if not share.is_credit]
    credit = sum((share.amount for share in gives), ZERO)
    takes = limit_to_sum(takes, money + credit)
    needed = max(sum((share.amount for share in takes), ZERO) - money, ZERO)
    return [*takes, *limit_to_sum(gives, needed)]


def limit_to_sum(shares: list[LinkedAmount], remaining: Decimal) -> list[LinkedAmount]:
    """The first shares, up to this sum in all."""
    found = []
    for share in shares:
        amount = min(share.amount, remaining)
        remaining -= amount
        found += [share._replace(amount=amount)] if amount else []
    return found
