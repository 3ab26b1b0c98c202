"""What Wise-Pay reports back: on the customer's way back to the quote, and by signed callback."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.core.world import World
from sandbox.orderporter.money import format_amount, parse_minor_units
from sandbox.orderporter.quotes import Quote, get_state, list_quotes, record_event, record_status
from sandbox.orderporter.signatures import is_valid_callback, is_valid_return

MAX_DELIVERIES = 500
SETTLED = ("paid", "saved")


class InvalidSignature(Exception):
    """The signature is missing, wrong, or too old."""


class UnknownCheckout(Exception):
    """The report names no checkout of any quote here."""


class InvalidReport(Exception):
    """The report is signed but does not follow the contract."""


def apply_return(world: World, quote: Quote, query: Mapping[str, str]) -> None:
    """Take over the signed parameters of a redirect back to the quote; raises `Forged`, `Unreadable`."""
    if not is_valid_return(get_api_key(world), query):
        raise InvalidSignature
    moment = query.get("wisepay_time", "")
    if not (moment.isascii() and moment.isdigit()):
        raise InvalidReport
    payment = {
        "amount": format_reported_amount(query.get("wisepay_amount", ""), query.get("wisepay_currency", "")),
        "reference": query.get("wisepay_reference", ""),
    }
    if is_current(quote, query.get("wisepay_checkout", "")):
        record_status(quote, query.get("wisepay_status", ""), at=int(moment), payment=payment)
        world.mark_changed()


def apply_callback(world: World, headers: Mapping[str, str], body: bytes) -> str:
    """Take over a callback once; answers recorded, duplicate, outdated, or doubtful.

    Doubtful: it takes back a settled payment, which a late rejection does, and so does an old callback that
    comes again; or it fails what was on its way within the same second. Ask Wise-Pay and call `confirm`.
    Raises `Forged`, `Unknown`, `Unreadable`.
    """
    signature = headers.get("wisepay-signature", "")
    # Real time, not the world's: the clock that signed knows nothing of a moved sandbox.
    now = int(datetime.now(UTC).timestamp())
    if not is_valid_callback(get_api_key(world), signature, body, now=now):
        raise InvalidSignature
    deliveries, delivery = get_state(world)["deliveries"], headers.get("wisepay-delivery", "")
    if delivery and delivery in deliveries:
        return "duplicate"
    report = parse_report(body)
    quote = _quote_of(world, report)
    moment = int(signature.partition("t=")[2].partition(",")[0])
    if _is_of_now(quote, report) and _takes_back(quote, report.get("status"), moment):
        return "doubtful"
    outcome = "recorded" if _apply(quote, report, at=moment) else "outdated"
    deliveries.append(delivery)
    del deliveries[:-MAX_DELIVERIES]
    world.mark_changed()
    return outcome


def apply_confirmed_report(world: World, report: dict[str, Any]) -> str:
    """Take over what Wise-Pay answered just now when it was asked for a checkout: recorded or outdated."""
    now = int(datetime.now(UTC).timestamp())
    outcome = "recorded" if _apply(_quote_of(world, report), report, at=now, certain=True) else "outdated"
    world.mark_changed()
    return outcome


def get_api_key(world: World) -> str:
    """The key that the person put into Order Porter's settings, or an empty string."""
    return str(world.config.get("cpq_api_key") or "")


def is_current(quote: Quote, checkout_id: str) -> bool:
    """Whether the checkout belongs to the version of the quote that is published now."""
    return bool(quote["checkout"]) and quote["checkout"]["id"] == checkout_id


def format_reported_amount(amount: str, currency: str) -> str:
    """The amount for people, or as it came when it is no amount."""
    try:
        return format_amount(parse_minor_units(amount, currency), currency)
    except ValueError:
        return f"{amount} {currency}".strip()


def parse_report(body: bytes) -> dict[str, Any]:
    """The checkout that a callback's body describes; raises `Unreadable`."""
    try:
        report = json.loads(body)
    except ValueError as error:
        raise InvalidReport from error
    if not isinstance(report, dict) or not isinstance(report.get("quote"), dict):
        raise InvalidReport
    return report


def _quote_of(world: World, report: dict[str, Any]) -> Quote:
    for quote in list_quotes(world):
        if report["quote"].get("id") in (quote["id"], *(version["id"] for version in quote["earlier"])):
            return quote
    raise UnknownCheckout


def _takes_back(quote: Quote, status: Any, moment: int) -> bool:
    """Whether a report undoes what is settled, or ends within the same second what was on its way."""
    if quote["status"] in SETTLED:
        return status not in SETTLED
    return status == "failed" and (quote["status"], quote["status_at"]) == ("processing", moment)


def _is_of_now(quote: Quote, report: dict[str, Any]) -> bool:
    return bool(report["quote"].get("version") == quote["version"])


def _apply(quote: Quote, report: dict[str, Any], *, at: int, certain: bool = False) -> bool:
    status = str(report.get("status"))
    if not _is_of_now(quote, report):
        record_event(quote, f"Wise-Pay reported of version {report['quote'].get('version')}: {status}.")
        return False
    payment = report.get("payment") or {}
    amount = payment.get("amount")
    if isinstance(amount, dict):
        amount = format_reported_amount(str(amount.get("amount", "")), str(amount.get("currency", "")))
    known = {
        "amount": str(amount or ""),
        "reference": str(payment.get("reference") or ""),
        "error": str(payment.get("error") or ""),
    }
    return record_status(quote, status, at=at, payment=known, certain=certain)
