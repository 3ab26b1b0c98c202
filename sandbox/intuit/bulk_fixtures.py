"""Books of a firm that was there for years: very many customers and invoices at once, without checks or events."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.intuit.company import Company, Record
from sandbox.intuit.formats import format_timestamp
from sandbox.intuit.linked_transactions import link_payment
from sandbox.intuit.seed import BANK

INVOICE_INTERVAL = timedelta(minutes=5)
NEWEST_AGE = timedelta(days=2)
PAID, VOIDED = 10, 97  # every so many
TEXTS = {"PrintStatus": "NotSet", "EmailStatus": "NotSet", "ApplyTaxAfterDiscount": False, "PrivateNote": ""}


def create_bulk_records(company: Company, *, invoices: int, contacts: int) -> None:
    """Write them; the newest changed two days ago. Every tenth is paid, some are void."""
    people = [create_customer(company, number) for number in range(contacts)]
    begin = company.now - NEWEST_AGE - INVOICE_INTERVAL * invoices
    shared: dict[str, list[Record]] = {}
    with company.transaction():
        for number in range(invoices):
            create_invoice(company, number, people[number % contacts], begin + INVOICE_INTERVAL * number, shared)
        company.discard_events()


def create_customer(company: Company, number: int) -> Record:
    """A customer of long ago; answers the reference to it."""
    name = f"Client {number:05}"
    row: Record = {
        "DisplayName": name,
        "FullyQualifiedName": name,
        "PrintOnCheckName": name,
        "PrimaryEmailAddr": {"Address": f"accounts@client{number:05}.example"},
        "CurrencyRef": {"value": company.currency},
        "Active": True,
        "Taxable": True,
    }
    created = save_dated(company, "Customer", row, company.now - timedelta(days=900))
    return {"value": created["Id"], "name": name}


def create_invoice(company: Company, number: int, owner: Record, at: datetime, shared: dict[str, list[Record]]) -> None:
    """One invoice of one line, and its payment; what many have alike they share."""
    total = str(Decimal(100 + number % 400) + Decimal("0.50"))
    is_void = number % VOIDED == 1
    amount = "0.00" if is_void else total
    created = save_dated(
        company,
        "Invoice",
        {
            **TEXTS,
            **({} if company.is_american else {"GlobalTaxCalculation": "NotApplicable"}),
            "DocNumber": f"OLD-{number:06}",
            "CustomerRef": owner,
            "CurrencyRef": {"value": company.currency},
            "ExchangeRate": "1",
            "TxnDate": at.date().isoformat(),
            "DueDate": (at.date() + timedelta(days=30)).isoformat(),
            "Line": shared.setdefault(amount, [build_line(amount)]),
            "LinkedTxn": [],
            "TotalAmt": amount,
            "HomeTotalAmt": amount,
            "Balance": amount,
            "HomeBalance": amount,
            **({"PrivateNote": "Voided"} if is_void else {}),
        },
        at,
    )
    if not is_void and number % PAID == 0:
        create_payment(company, number, created, owner, at)


def build_line(total: str) -> Record:
    """The line of an invoice over `total`, without tax."""
    detail = {"ItemRef": {"value": "1", "name": "Services"}}
    return {
        "Id": "1",
        "LineNum": 1,
        "Description": "Managed services",
        "Amount": total,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def create_payment(company: Company, number: int, invoice: Record, owner: Record, at: datetime) -> None:
    """The payment of an invoice in full."""
    share = {"Amount": invoice["TotalAmt"], "LinkedTxn": [{"TxnId": invoice["Id"], "TxnType": "Invoice"}]}
    row: Record = {
        "CustomerRef": owner,
        "CurrencyRef": {"value": company.currency},
        "ExchangeRate": "1",
        "DepositToAccountRef": {"value": BANK},
        "TxnDate": at.date().isoformat(),
        "PaymentRefNum": f"Transfer {number}",
        "TotalAmt": invoice["TotalAmt"],
        "UnappliedAmt": "0.00",
        "Line": [share],
    }
    link_payment(company, save_dated(company, "Payment", row, at))
    company.table("Invoice")[invoice["Id"]]["MetaData"]["LastUpdatedTime"] = format_timestamp(at)


def save_dated(company: Company, entity: str, row: Record, at: datetime) -> Record:
    """Write it, as of long ago."""
    created = company.save(entity, row)
    created["MetaData"] = {"CreateTime": format_timestamp(at), "LastUpdatedTime": format_timestamp(at)}
    return created
