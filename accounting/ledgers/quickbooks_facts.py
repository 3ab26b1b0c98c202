"""What QuickBooks' rows mean in our words: contacts, invoices, credits and payments, and which credit paid for what."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from accounting.ledgers.quickbooks_shapes import (
    Row,
    currency_of,
    is_voided,
    links_of,
    money,
    note,
    reference,
)
from accounting.ledgers.words import (
    Allocated,
    Applied,
    ContactFacts,
    CreditFacts,
    InvoiceFacts,
    NoteFacts,
    PaymentFacts,
    Refunded,
)

PAID_OUT = ("Expense", "Check")
Rows = dict[str, Row]


class Portion(NamedTuple):
    """So much of a payment's money, or of the credit memo `memo`, for one document."""

    kind: str
    key: str
    memo: str
    amount: Decimal


def portions(payment: Row) -> list[Portion]:
    """What a payment's money and credits went to. QuickBooks tells both sides but not which paid for which.

    So credits are used first, and all in the order of ids: the same payment is read the same way every time.
    """
    shares = sorted((len(key), key, kind, Decimal(str(amount or 0))) for kind, key, amount in links_of(payment))
    given: dict[str, Decimal] = {}
    for _, key, kind, amount in shares:
        if kind == "CreditMemo":
            given[key] = given.get(key, Decimal(0)) + amount
    found: dict[tuple[str, str, str], Decimal] = {}
    for _, key, kind, owed in shares:
        if kind == "CreditMemo":
            continue
        for memo, left in given.items():
            part = min(owed, left)
            if part > 0:
                found[kind, key, memo] = found.get((kind, key, memo), Decimal(0)) + part
                given[memo], owed = left - part, owed - part
        if owed > 0:
            found[kind, key, ""] = found.get((kind, key, ""), Decimal(0)) + owed
    return [Portion(*names, amount) for names, amount in found.items()]


# ---- documents --------------------------------------------------------------------------------------


def contact_facts(row: Row) -> ContactFacts:
    """A customer."""
    return ContactFacts(
        id=str(row["Id"]),
        name=str(row.get("DisplayName", "")),
        email=str((row.get("PrimaryEmailAddr") or {}).get("Address") or ""),
        is_active=bool(row.get("Active", True)),
        changed_at=changed_at(row),
    )


def invoice_facts(row: Row, applied: Iterable[Applied]) -> InvoiceFacts:
    """An invoice with what was put to it."""
    currency = currency_of(row)
    due = money(row.get("Balance"), currency)
    return InvoiceFacts(
        id=str(row["Id"]),
        number=str(row.get("DocNumber") or ""),
        remark=remark(row),
        contact_id=str(row["CustomerRef"]["value"]),
        status="voided" if is_voided(row) else "open" if due else "paid",
        total=money(row.get("TotalAmt"), currency),
        due=due,
        issued_on=day(row, "TxnDate"),
        due_on=day(row, "DueDate"),
        term_id=str((row.get("SalesTermRef") or {}).get("value") or ""),
        changed_at=changed_at(row),
        applied=tuple(applied),
    )


def applied_by(payment: Row) -> list[tuple[str, Applied]]:
    """What a payment put to invoices, each with the invoice's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found = []
    for part in portions(payment):
        if part.kind == "Invoice":
            given = money(part.amount, currency_of(payment))
            told = reference(payment)
            credit = Applied("credit", f"{own}-{part.memo}", part.memo, told, given, on)
            found.append((part.key, credit if part.memo else Applied("payment", own, own, told, given, on)))
    return found


def taken_by(payment: Row, invoices: Rows) -> list[tuple[str, Allocated | Refunded]]:
    """What a payment took out of credit memos, each with the memo's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found: list[tuple[str, Allocated | Refunded]] = []
    for part in portions(payment):
        given = money(part.amount, currency_of(payment))
        if part.memo and part.kind == "Invoice":
            number = str(invoices.get(part.key, {}).get("DocNumber") or part.key)
            found.append((part.memo, Allocated(number, given, on, own, part.key)))
        elif part.memo and part.kind in PAID_OUT:
            found.append((part.memo, Refunded(f"{own}-{part.key}", reference(payment), given, on)))
    return found


def with_uses(fact: NoteFacts, uses: Iterable[Allocated | Refunded]) -> NoteFacts:
    """A credit with what was taken out of it."""
    found = list(uses)
    return replace(
        fact,
        allocations=tuple(each for each in found if isinstance(each, Allocated)),
        refunds=tuple(each for each in found if isinstance(each, Refunded)),
    )


def credit_facts(row: Row, used: NoteFacts) -> CreditFacts:
    """A credit memo as the mirror wants it; `used` is the same with its uses."""
    return CreditFacts(
        number=used.number,
        id=used.id,
        status=used.status,
        total=used.total,
        remaining=used.remaining,
        allocations=used.allocations,
        refunds=used.refunds,
        remark=remark(row),
        contact_id=str(row["CustomerRef"]["value"]),
        issued_on=day(row, "TxnDate"),
        changed_at=changed_at(row),
    )


def is_used(row: Row) -> bool:
    """Whether something was taken out of a credit memo."""
    fact = note(row)
    return fact.remaining != fact.total


# ---- money ------------------------------------------------------------------------------------------


def brings_money(row: Row) -> bool:
    """Whether a payment is of money, and not only a join of others."""
    return bool(Decimal(str(row.get("TotalAmt") or 0)))


def first_paid(row: Row) -> str:
    """The first invoice that a payment was put to."""
    return next((key for kind, key, _ in links_of(row) if kind == "Invoice"), "")


def payment_facts(row: Row, invoices: Rows) -> PaymentFacts:
    """Money that was received: all of it, whatever it was for."""
    paid = first_paid(row)
    return PaymentFacts(
        id=str(row["Id"]),
        reference=reference(row),
        amount=money(row.get("TotalAmt"), currency_of(row)),
        on=date.fromisoformat(row["TxnDate"]),
        account=str((row.get("DepositToAccountRef") or {}).get("value") or ""),
        is_received=True,
        is_standing=True,
        document_id=paid,
        document_number=str(invoices.get(paid, {}).get("DocNumber") or ""),
    )


def refund_facts(row: Row, purchases: Rows, memos: Rows) -> Iterable[PaymentFacts]:
    """Money that went back: what a payment joined a credit memo with, out of the account that it was paid from."""
    for part in portions(row):
        if part.memo and part.kind in PAID_OUT:
            expense = purchases.get(part.key, row)
            yield PaymentFacts(
                id=f"{row['Id']}-{part.key}",
                reference=reference(row),
                amount=money(part.amount, currency_of(row)),
                on=date.fromisoformat(expense["TxnDate"]),
                account=str((expense.get("AccountRef") or {}).get("value") or ""),
                is_received=False,
                is_standing=True,
                document_id=part.memo,
                document_number=str(memos.get(part.memo, {}).get("DocNumber") or ""),
            )


# ---- fields -----------------------------------------------------------------------------------------


def changed_at(row: Row) -> datetime:
    """When a row was changed the last time. Raises ValueError, KeyError."""
    return datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"]).astimezone(UTC)


def day(row: Row, name: str) -> date | None:
    """A day of a row, if it has one. Raises ValueError."""
    return date.fromisoformat(row[name]) if row.get(name) else None


def remark(row: Row) -> str:
    """What a document says where its customer may read it: the company's own fields, such as an order's number, too."""
    fields = [str(each.get("StringValue") or "") for each in row.get("CustomField") or []]
    words = str((row.get("CustomerMemo") or {}).get("value") or "")
    return " · ".join(" ".join(text.split()) for text in (*fields, words) if text.strip())
