"""Books of a firm that was there for years: very many contacts and invoices at once, without checks or events."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.xero.formats import format_timestamp
from sandbox.xero.organisation import Organisation, Record

INVOICE_INTERVAL = timedelta(minutes=5)
NEWEST_AGE = timedelta(days=2)
PAID, VOIDED, DRAFT = 10, 97, 89  # every so many
BANK = "090"
TEXTS = {
    "Type": "ACCREC",
    "LineAmountTypes": "Inclusive",
    "Reference": "",
    "CurrencyRate": "1",
    "SentToContact": True,
    "ClientID": "long ago",
    "AmountCredited": "0.00",
}


def create_bulk_records(org: Organisation, *, invoices: int, contacts: int) -> None:
    """Write them; the newest changed two days ago. Every tenth is paid, some are drafts or void."""
    space = uuid.UUID(org.id)
    people = [create_contact(org, space, number) for number in range(contacts)]
    begin = org.now - NEWEST_AGE - INVOICE_INTERVAL * invoices
    shared: dict[str, list[Record]] = {}
    for number in range(invoices):
        create_invoice(org, space, number, people[number % contacts], begin + INVOICE_INTERVAL * number, shared)
    org.commit()


def create_contact(org: Organisation, space: uuid.UUID, number: int) -> str:
    """A customer; answers the id."""
    key = str(uuid.uuid5(space, f"client {number}"))
    org.save(
        "contacts",
        key,
        {
            "ContactID": key,
            "ContactStatus": "ACTIVE",
            "IsCustomer": True,
            "IsSupplier": False,
            "Name": f"Client {number:05}",
            "EmailAddress": f"accounts@client{number:05}.example",
        },
    )["UpdatedDateUTC"] = format_timestamp(org.now - timedelta(days=900))
    return key


def create_invoice(
    org: Organisation, space: uuid.UUID, number: int, owner: str, at: datetime, shared: dict[str, list[Record]]
) -> None:
    """One invoice of one line; what many have alike they share."""
    key = str(uuid.uuid5(space, f"invoice {number}"))
    total = str(Decimal(100 + number % 400) + Decimal("0.50"))
    status = "VOIDED" if number % VOIDED == 1 else "DRAFT" if number % DRAFT == 1 else "AUTHORISED"
    is_paid = status == "AUTHORISED" and number % PAID == 0
    owed = "0.00" if is_paid or status == "VOIDED" else total
    row: Record = {
        **TEXTS,
        "InvoiceID": key,
        "InvoiceNumber": f"OLD-{number:06}",
        "ContactID": owner,
        "Status": "PAID" if is_paid else status,
        "CurrencyCode": org.currency,
        "Date": at.date().isoformat(),
        "DueDate": (at.date() + timedelta(days=30)).isoformat(),
        "LineItems": shared.setdefault(total, [build_line(total)]),
        "SubTotal": total,
        "TotalTax": "0.00",
        "Total": total,
        "AmountDue": owed,
        "AmountPaid": total if is_paid else "0.00",
        "PaymentIDs": [create_payment(org, space, number, key, total, at)] if is_paid else [],
        "CreditNoteIDs": [],
    }
    row |= {"FullyPaidOnDate": at.date().isoformat()} if is_paid else {}
    org.save("invoices", key, row)["UpdatedDateUTC"] = format_timestamp(at)


def build_line(total: str) -> Record:
    """The line of an invoice over `total`, without tax."""
    return {
        "LineItemID": str(uuid.uuid5(uuid.NAMESPACE_OID, total)),
        "Description": "Managed services",
        "AccountCode": "200",
        "TaxType": "NONE",
        "TaxAmount": "0.00",
        "Quantity": "1.0000",
        "UnitAmount": total,
        "LineAmount": total,
    }


def create_payment(org: Organisation, space: uuid.UUID, number: int, target: str, total: str, at: datetime) -> str:
    """The payment of an invoice in full; answers its id."""
    key = str(uuid.uuid5(space, f"payment {number}"))
    bank = org.account({"Code": BANK}) or {}
    org.save(
        "payments",
        key,
        {
            "PaymentID": key,
            "InvoiceID": target,
            "AccountID": bank["AccountID"],
            "Date": at.date().isoformat(),
            "Amount": total,
            "BankAmount": total,
            "CurrencyRate": "1",
            "Reference": f"Transfer {number}",
            "PaymentType": "ACCRECPAYMENT",
            "Status": "AUTHORISED",
            "IsReconciled": True,
        },
    )["UpdatedDateUTC"] = format_timestamp(at)
    return key
