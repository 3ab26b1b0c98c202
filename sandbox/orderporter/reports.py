"""What Wise-Pay reports back: on the customer's way back to the quote, and by signed callback."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.orderporter.money import for_people, minor_units
from sandbox.orderporter.quotes import Quote, note, quotes, record_status, state
from sandbox.orderporter.signatures import callback_is_genuine, return_is_genuine
from sandbox.world import World

KEPT_DELIVERIES = 500
SETTLED = ("paid", "saved")


class Forged(Exception):
    """The signature is missing, wrong, or too old."""


class Unknown(Exception):
    """The report names no checkout of any quote here."""


class Unreadable(Exception):
    """The report is signed, and yet not what the contract says."""


def take_return(world: World, quote: Quote, query: Mapping[str, str]) -> None:
    """Take over the signed parameters of a redirect back to the quote; raises `Forged`, `Unreadable`."""
    if not return_is_genuine(api_key(world), query):
        raise Forged
    moment = query.get("wisepay_time", "")
    if not (moment.isascii() and moment.isdigit()):
        raise Unreadable
    payment = {
        "amount": readable_amount(query.get("wisepay_amount", ""), query.get("wisepay_currency", "")),
        "reference": query.get("wisepay_reference", ""),
    }
    if is_current(quote, query.get("wisepay_checkout", "")):
        record_status(quote, query.get("wisepay_status", ""), at=int(moment), payment=payment)
        world.changed()


def take_callback(world: World, headers: Mapping[str, str], body: bytes) -> str:
    """Take over a callback once; answers recorded, duplicate, outdated, or doubtful.

    Doubtful: it takes back a settled payment, which a late rejection does, and so does an old callback that
    comes again; or it fails what was on its way within the same second. Ask Wise-Pay and call `confirm`.
    Raises `Forged`, `Unknown`, `Unreadable`.
    """
    signature = headers.get("wisepay-signature", "")
    # Real time, not the world's: the clock that signed knows nothing of a moved sandbox.
    now = int(datetime.now(UTC).timestamp())
    if not callback_is_genuine(api_key(world), signature, body, now=now):
        raise Forged
    deliveries, delivery = state(world)["deliveries"], headers.get("wisepay-delivery", "")
    if delivery and delivery in deliveries:
        return "duplicate"
    report = read_report(body)
    quote = _quote_of(world, report)
    moment = int(signature.partition("t=")[2].partition(",")[0])
    if _is_of_now(quote, report) and _takes_back(quote, report.get("status"), moment):
        return "doubtful"
    outcome = "recorded" if _apply(quote, report, at=moment) else "outdated"
    deliveries.append(delivery)
    del deliveries[:-KEPT_DELIVERIES]
    world.changed()
    return outcome


def confirm(world: World, report: dict[str, Any]) -> str:
    """Take over what Wise-Pay answered just now when it was asked for a checkout: recorded or outdated."""
    now = int(datetime.now(UTC).timestamp())
    outcome = "recorded" if _apply(_quote_of(world, report), report, at=now, certain=True) else "outdated"
    world.changed()
    return outcome


def api_key(world: World) -> str:
    """The key that the person put into Order Porter's settings, or an empty string."""
    return str(world.config.get("cpq_api_key") or "")


def is_current(quote: Quote, checkout_id: str) -> bool:
    """Whether the checkout belongs to the version of the quote that is published now."""
    return bool(quote["checkout"]) and quote["checkout"]["id"] == checkout_id


def readable_amount(amount: str, currency: str) -> str:
    """The amount for people, or as it came when it is no amount."""
    try:
        return for_people(minor_units(amount, currency), currency)
    except ValueError:
        return f"{amount} {currency}".strip()


def read_report(body: bytes) -> dict[str, Any]:
    """The checkout that a callback's body describes; raises `Unreadable`."""
    try:
        report = json.loads(body)
    except ValueError as error:
        raise Unreadable from error
    if not isinstance(report, dict) or not isinstance(report.get("quote"), dict):
        raise Unreadable
    return report


def _quote_of(world: World, report: dict[str, Any]) -> Quote:
    for quote in quotes(world):
        if quote["id"] == report["quote"].get("id"):
            return quote
    raise Unknown


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
        note(quote, f"Wise-Pay reported of version {report['quote'].get('version')}: {status}.")
        return False
    payment = report.get("payment") or {}
    amount = payment.get("amount")
    if isinstance(amount, dict):
        amount = readable_amount(str(amount.get("amount", "")), str(amount.get("currency", "")))
    known = {
        "amount": str(amount or ""),
        "reference": str(payment.get("reference") or ""),
        "error": str(payment.get("error") or ""),
    }
    return record_status(quote, status, at=at, payment=known, certain=certain)
