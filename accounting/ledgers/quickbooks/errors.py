"""What QuickBooks' refusals and failures mean. Source: developer.intuit.com, "Error codes"."""

from typing import Any

import requests
import urllib3
from quickbooks.exceptions import QuickbooksException

from connections.rate_limiter.limiter import Permit
from wisepay import clock
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.http import parse_retry_after

THROTTLED_CODES = frozenset({3001})
UNAUTHORISED_CODES = frozenset({100, 120, 3100, 3200})
STALE_OBJECT_CODE = 5010
BUSINESS_RULE_CODE = 6000
DUPLICATE_NAME_CODE = 6240
VENDOR_FAILURE_CODE = 10_000  # the vendor's own failures, and what the SDK calls an answer that it cannot read
REFUSING_STATUSES = frozenset({400, 404, 405, 410, 413, 414, 415, 422})  # the request itself is at fault
THROTTLE_PAUSE = 60.0  # seconds; a limit says nothing about when it ends
UNSENT_ERRORS = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)

REFERENCE_INACTIVE = (
    "Something that this needs was deleted or made inactive in QuickBooks: the customer, the item or an account. Make "
    "it active again there, or choose another one: accounts and item under Accounts, a customer under Payer Admin, "
    "Companies"
)
CUSTOMER_CURRENCY = (
    "A customer in QuickBooks has one currency, and this is another one. Choose the customer for this currency under "
    "Payer Admin, Companies, or let one be made, and retry"
)
ONE_CURRENCY = (
    "This company in QuickBooks holds one currency only. Switch on Multicurrency (Account and settings, Advanced, "
    "Currency), and retry"
)
BOOKS_CLOSED = (
    "The books are closed for this day in QuickBooks. Move the closing date (Account and settings, Advanced), and retry"
)
CREDITS_APPLIED_AUTOMATICALLY = (
    "QuickBooks applies credits automatically, and so it used one here. Switch off “Automatically apply credits” "
    "(Account and settings, Advanced, Automation), delete the payment of nothing that it made for this "
    "invoice, and retry."
)
AUTO_APPLY_WARNING = (
    "QuickBooks applies credits automatically: it would put the credit of a paid quote to any open invoice, and old "
    "credit to the PF invoice, so that its payment is refused. Switch off “Automatically apply credits” (Account and "
    "settings, Advanced, Automation), then press Read again."
)
# What the one code of all business rules is about, by words of its detail.
BUSINESS_RULES = {
    "multi currency": ONE_CURRENCY,
    "multicurrency": ONE_CURRENCY,
    "currency of the customer": CUSTOMER_CURRENCY,
    "customer's currency": CUSTOMER_CURRENCY,
    "one foreign currency": CUSTOMER_CURRENCY,
}
ERROR_MEANINGS = {
    500: "QuickBooks does not allow this here",
    610: REFERENCE_INACTIVE,
    2500: REFERENCE_INACTIVE,
    5010: "Somebody changed this in QuickBooks at the same moment. Retry",
    6140: "Another document in QuickBooks has this number already, and it is another amount or customer",
    6190: "The company's QuickBooks subscription has ended or is suspended",
    6200: BOOKS_CLOSED,
    6210: BOOKS_CLOSED,
    6240: "A customer, vendor or employee in QuickBooks has this name already: rename it, or link the payer to it",
    6430: "The account is of the wrong type. Choose another one under Accounts",
}


def translate_refusal(error: QuickbooksException, response: requests.Response | None, permit: Permit) -> Exception:
    """Return Unavailable, Disconnected or Rejected for a fault; throttling comes as a fault of validation."""
    status = response.status_code if response is not None else 0
    code = get_fault_code({"code": error.error_code})
    if status == 429 or code in THROTTLED_CODES:
        permit.record_response(response.headers if response is not None else {}, status=429)
        pause = get_pause(response) or THROTTLE_PAUSE
        return Unavailable("QuickBooks' limit of calls is reached", retry_after=pause, maybe_done=False)
    if status in (401, 403) or code in UNAUTHORISED_CODES:
        return Disconnected("QuickBooks no longer accepts our connection.")
    if status != 200 and code == VENDOR_FAILURE_CODE:
        return translate_status(status, response)
    if code >= VENDOR_FAILURE_CODE or status >= 500:
        return Unavailable("QuickBooks had trouble of its own", retry_after=get_pause(response))
    return Rejected(str(code), explain_error(code, str(error.detail or error.message or "")))


def translate_status(status: int, response: requests.Response | None) -> Exception:
    """Return what a status means without a fault that says it; only the request's own fault is a refusal."""
    if status in REFUSING_STATUSES:
        return Rejected(str(status), f"QuickBooks answered {status} and gave no reason.")
    return Unavailable(f"QuickBooks answered {status}", retry_after=get_pause(response))


def translate_unreadable_answer(error: Exception, response: requests.Response | None) -> Exception:
    """Return what an answer means whose body neither the SDK nor we can read; its status may still say it."""
    status = response.status_code if response is not None else 200
    if status == 429:
        return Unavailable(
            "QuickBooks' limit of calls is reached",
            retry_after=get_pause(response) or THROTTLE_PAUSE,
            maybe_done=False,
        )
    if status in (401, 403):
        return Disconnected("QuickBooks no longer accepts our connection.")
    if 200 <= status < 300:
        return Unavailable(f"QuickBooks' answer could not be read ({type(error).__name__})")
    return translate_status(status, response)


def get_pause(response: requests.Response | None) -> float | None:
    """Return the seconds that an answer asks us to wait, if it does."""
    return parse_retry_after(response.headers.get("Retry-After"), now=clock.now()) if response is not None else None


def translate_network_error(error: requests.RequestException, permit: Permit) -> Unavailable:
    """Return Unavailable for a call without an answer; without a connection, nothing was done."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, urllib3.exceptions.MaxRetryError) and isinstance(cause.reason, UNSENT_ERRORS):
        permit.mark_unsent()
        return Unavailable("QuickBooks does not answer", maybe_done=False)
    return Unavailable(f"QuickBooks did not answer ({type(error).__name__})")


def explain_error(code: int, detail: str) -> str:
    """Return what a fault means, with QuickBooks' own words after it."""
    words = " ".join(detail.split()).rstrip(".") or "no reason"
    meaning = ERROR_MEANINGS.get(code)
    if code == BUSINESS_RULE_CODE:
        meaning = next((text for part, text in BUSINESS_RULES.items() if part in words.lower()), None)
    return f"{meaning}. (QuickBooks {code}: {words}.)" if meaning else f"{words}. (QuickBooks {code}.)"


def get_fault_code(fault: dict[str, Any]) -> int:
    """Return a fault's number, or 0 if it has none."""
    text = str(fault.get("code") or "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
