"""Books of a firm that was there for years: very many customers and invoices at once, without checks or events."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.intuit.books import Company, Record
from sandbox.intuit.links import link
from sandbox.intuit.seed import BANK
from sandbox.intuit.wire import stamp

PACE = timedelta(minutes=5)
AGE = timedelta(days=2)
PAID, VOIDED = 10, 97  # every so many
TEXTS = {"PrintStatus": "NotSet", "EmailStatus": "NotSet", "ApplyTaxAfterDiscount": False, "PrivateNote": ""}


def fill(company: Company, *, invoices: int, contacts: int) -> None:
    """Write them; the newest changed two days ago. Every tenth is paid, some are void."""
    people = [customer(company, number) for number in range(contacts)]
    begin = company.now - AGE - PACE * invoices
    shared: dict[str, list[Record]] = {}
    with company.transaction():
        for number in range(invoices):
            invoice(company, number, people[number % contacts], begin + PACE * number, shared)
        company.keep_quiet()


def customer(company: Company, number: int) -> Record:
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
    made = put(company, "Customer", row, company.now - timedelta(days=900))
    return {"value": made["Id"], "name": name}


def invoice(company: Company, number: int, owner: Record, at: datetime, shared: dict[str, list[Record]]) -> None:
    """One invoice of one line, and its payment; what many have alike they share."""
    total = str(Decimal(100 + number % 400) + Decimal("0.50"))
    is_void = number % VOIDED == 1
    amount = "0.00" if is_void else total
    made = put(
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
            "Line": shared.setdefault(amount, [line(amount)]),
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
        pay(company, number, made, owner, at)


def line(total: str) -> Record:
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


def pay(company: Company, number: int, invoice: Record, owner: Record, at: datetime) -> None:
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
    link(company, put(company, "Payment", row, at))
    company.table("Invoice")[invoice["Id"]]["MetaData"]["LastUpdatedTime"] = stamp(at)


def put(company: Company, entity: str, row: Record, at: datetime) -> Record:
    """Write it, as of long ago."""
    made = company.put(entity, row)
    made["MetaData"] = {"CreateTime": stamp(at), "LastUpdatedTime": stamp(at)}
    return made
