"""Rules that every transaction obeys: its day, its currency, closed books, a company that still pays."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_business_error
from sandbox.intuit.formats import get_reference_id, parse_day, parse_optional_number

CLOSED_MESSAGE = "Account Period Closed, Cannot Update Through Services Error"
CLOSED_DETAIL = (
    "The account period has closed and the account books cannot be updated through the QBO Services API. "
    "Please use the QBO website to make these changes."
)


def get_transaction_date(company: Company, sent: Record) -> str:
    """The day of a transaction, today when none is given; raises IntuitValidationError for one in closed books."""
    on = parse_day("TxnDate", sent["TxnDate"]) if sent.get("TxnDate") else company.today
    check_not_closed(company, on)
    return on


def check_not_closed(company: Company, on: str) -> None:
    """Raises IntuitValidationError (6210) for a day up to and with the one that the books are closed on."""
    closed = company.preferences["BookCloseDate"]
    if closed and on <= closed:
        raise IntuitValidationError("6210", CLOSED_MESSAGE, f"{CLOSED_MESSAGE} : {CLOSED_DETAIL}")


def check_not_suspended(company: Company) -> None:
    """Raises IntuitValidationError (6190) when the company's own subscription ended."""
    if company.preferences["suspended"]:
        detail = "Subscription period has ended or canceled or there was a billing problem"
        raise IntuitValidationError("6190", "Invalid Company Status", f"Invalid Company Status : {detail}")


def get_currency(company: Company, sent: Record, customer: Record) -> Record:
    """The currency, which is the customer's, and the rate to the home currency; raises IntuitValidationError."""
    theirs = get_reference_id(customer["CurrencyRef"])
    chosen = get_reference_id(sent.get("CurrencyRef")) or theirs
    if len(company.currencies) == 1 and chosen != company.currency:
        raise build_business_error("Multi Currency should be enabled to perform this operation.")
    if chosen != theirs:
        raise build_business_error("The currency of the transaction must be the currency of the customer.")
    rate = parse_optional_number(sent, "ExchangeRate") if chosen != company.currency else Decimal(1)
    return {
        "CurrencyRef": {"value": chosen, "name": chosen},
        "ExchangeRate": str(rate or company.currencies[chosen]),
    }
