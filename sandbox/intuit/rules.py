"""Rules that every transaction obeys: its day, its currency, closed books, a company that still pays."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, business
from sandbox.intuit.wire import day, id_of, optional

CLOSED = "Account Period Closed, Cannot Update Through Services Error"
CLOSED_DETAIL = (
    "The account period has closed and the account books cannot be updated through the QBO Services API. "
    "Please use the QBO website to make these changes."
)


def date_of(company: Company, sent: Record) -> str:
    """The day of a transaction, today when none is told; raises InvalidError for one in closed books."""
    on = day("TxnDate", sent["TxnDate"]) if sent.get("TxnDate") else company.today
    refuse_closed(company, on)
    return on


def refuse_closed(company: Company, on: str) -> None:
    """Raises InvalidError (6210) for a day up to and with the one that the books are closed on."""
    closed = company.preferences["BookCloseDate"]
    if closed and on <= closed:
        raise InvalidError("6210", CLOSED, f"{CLOSED} : {CLOSED_DETAIL}")


def refuse_suspended(company: Company) -> None:
    """Raises InvalidError (6190) when the company's own subscription ended."""
    if company.preferences["suspended"]:
        told = "Subscription period has ended or canceled or there was a billing problem"
        raise InvalidError("6190", "Invalid Company Status", f"Invalid Company Status : {told}")


def currency_of(company: Company, sent: Record, customer: Record) -> Record:
    """The currency, which is the customer's, and the rate to the home currency; raises InvalidError."""
    theirs = id_of(customer["CurrencyRef"])
    wanted = id_of(sent.get("CurrencyRef")) or theirs
    if len(company.currencies) == 1 and wanted != company.currency:
        raise business("Multi Currency should be enabled to perform this operation.")
    if wanted != theirs:
        raise business("The currency of the transaction must be the currency of the customer.")
    rate = optional(sent, "ExchangeRate") if wanted != company.currency else Decimal(1)
    return {
        "CurrencyRef": {"value": wanted, "name": wanted},
        "ExchangeRate": str(rate or company.currencies[wanted]),
    }
