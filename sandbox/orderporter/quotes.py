"""The practice quotes: created, added up, published again, and the state of their payment."""

import secrets
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.core.world import World
from sandbox.orderporter.catalogue import CUSTOMERS, QUOTE_TEMPLATES
from sandbox.orderporter.money import format_decimal

Quote = dict[str, Any]
FIRST_NUMBER = 1042
VALID_FOR = timedelta(days=30)
MAX_EVENTS = 30
UNPAID = {"amount": "", "reference": "", "error": ""}
PRACTICE_TENANT = "practice"  # the access key of the CPQ that a quote belongs to, unless it is created elsewhere
VERSIONED_FIELDS = (
    "id",
    "number",
    "version",
    "name",
    "currency",
    "opportunity_id",
    "purchase_order_number",
    "expires_at",
)
# Of two reports made within the same second the weightier counts.
STATUS_ORDER = {"open": 0, "cancelled": 1, "failed": 2, "processing": 3, "saved": 4, "paid": 5}


def _first_state() -> dict[str, Any]:
    return {"quotes": {}, "number": FIRST_NUMBER, "deliveries": []}


def get_state(world: World) -> dict[str, Any]:
    """The section of the world that is Order Porter's; a new world gets one quote of each model."""
    section = world.get_section("orderporter", _first_state)
    if not section["quotes"]:
        for model in QUOTE_TEMPLATES:
            create_quote(world, like=model)
    return section


def list_quotes(world: World) -> list[Quote]:
    """Every quote in the order of creation."""
    return list(get_state(world)["quotes"].values())


def find_quote(world: World, key: str) -> Quote | None:
    """The quote of this key, or None."""
    quote: Quote | None = get_state(world)["quotes"].get(key)
    return quote


def create_quote(world: World, *, like: str, overrides: dict[str, Any] | None = None) -> Quote:
    """A new open quote after a model of the catalogue; `overrides` replace the model's fields.

    Raises KeyError for an unknown model.
    """
    section = world.get_section("orderporter", _first_state)
    model = deepcopy(QUOTE_TEMPLATES[like])
    model["customer"] = deepcopy(CUSTOMERS[model["customer"]])
    quote = {
        "key": secrets.token_hex(10),
        "id": create_version_id(),
        "passcode": secrets.token_hex(16),
        "tenant": PRACTICE_TENANT,
        "modified_at": world.now().replace(microsecond=0).isoformat(),
        "earlier": [],
        "fields": {},
        "rows": {},
        "number": section["number"],
        "version": 1,
        "like": like,
        "opportunity_id": str(8000 + section["number"]),
        "purchase_order_number": f"PO-{section['number'] % 1000}",
        "expires_at": (world.now() + VALID_FOR).replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "allowed_methods": ["card", "bank_debit"],
        "tax_rate": 0,
        "deposit": 100,
        "full_payment_allowed": False,
        "recurring": None,
        "events": [],
        **_unpaid(),
        **model,
        **(overrides or {}),
    }
    section["number"] += 1
    section["quotes"][quote["key"]] = quote
    world.mark_changed()
    return quote


def create_version_id() -> str:
    """An id as CPQ gives it to one version of a quote."""
    return f"q{secrets.token_hex(12)}"


def publish_next_version(world: World, quote: Quote) -> None:
    """Make the next version of the quote: open, unsigned, unpaid; the one before stays readable in CPQ."""
    record_event(quote, f"Version {quote['version']} was replaced by version {quote['version'] + 1}.")
    before = deepcopy({name: value for name, value in quote.items() if name not in ("earlier", "events")})
    quote["earlier"].append(before)
    quote.update(_unpaid(), version=quote["version"] + 1, id=create_version_id(), fields={}, rows={})
    mark_modified(world, quote)


def sign_quote(world: World, quote: Quote, signer: str) -> None:
    """The customer accepts the quote; nothing is paid by that."""
    quote["signed"] = build_signature(world, signer)
    record_event(quote, f"Accepted by {signer}.")
    mark_modified(world, quote)


def build_signature(world: World, signer: str) -> dict[str, str]:
    """Who accepts the quote, and when: today, even where the vendors' clock was moved into the future."""
    return {"name": signer, "at": min(world.now(), datetime.now(UTC)).isoformat()}


def mark_modified(world: World, quote: Quote) -> None:
    """Give the quote a later time of change, to the second as CPQ has it."""
    now, before = world.now().replace(microsecond=0), datetime.fromisoformat(quote["modified_at"])
    quote["modified_at"] = max(now, before + timedelta(seconds=1)).isoformat()
    world.mark_changed()


def find_quote_by_passcode(world: World, passcode: str) -> Quote | None:
    """The quote whose public page this passcode opens, or None."""
    return next((quote for quote in list_quotes(world) if passcode and quote["passcode"] == passcode), None)


def record_status(quote: Quote, status: str, *, at: int, payment: dict[str, Any], certain: bool = False) -> bool:
    """Take over what Wise-Pay reports of the current version; `at` is unix seconds of the report.

    Reports race each other and come twice: False means that a later or weightier one is already known.
    What was just read from Wise-Pay itself is `certain` and always counts.
    """
    known = (quote["status_at"], STATUS_ORDER.get(quote["status"], 0))
    if status == quote["status"] if certain else (at, STATUS_ORDER.get(status, 0)) <= known:
        return False
    # A redirect carries less than a callback: what is known of the same outcome stays.
    previous = quote["payment"] if status == quote["status"] else UNPAID
    fresh = {name: value for name, value in payment.items() if value}
    if status != quote["status"]:
        quote["was"] = quote["status"]
    quote.update(status=status, status_at=at, payment={**previous, **fresh})
    record_event(quote, f"Wise-Pay reported: {status}.")
    return True


def record_event(quote: Quote, text: str) -> None:
    """Write a line into the quote's history, newest first."""
    quote["events"].insert(0, {"at": datetime.now(UTC).isoformat(timespec="seconds"), "text": text})
    del quote["events"][MAX_EVENTS:]


def calculate_totals(quote: Quote) -> dict[str, int]:
    """In minor units: one_time, tax (contained in it), due_now, recurring (per interval)."""
    one_time = sum(line["quantity"] * line["price"] for line in quote["lines"] if not line["recurring"])
    recurring = sum(line["quantity"] * line["price"] for line in quote["lines"] if line["recurring"])
    rate = quote["tax_rate"]
    return {
        "one_time": one_time,
        "tax": divide_rounded(one_time * rate, 100 + rate),
        "due_now": divide_rounded(one_time * quote["deposit"], 100),
        "recurring": recurring,
    }


def divide_rounded(numerator: int, denominator: int) -> int:
    """Integer division, half away from zero, for amounts that are not negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def build_checkout_request(quote: Quote, *, return_url: str, callback_url: str) -> dict[str, Any]:
    """The JSON that opens a checkout for this quote."""
    sums, currency = calculate_totals(quote), quote["currency"]
    body = {
        "quote": {name: quote[name] for name in VERSIONED_FIELDS},
        "customer": quote["customer"],
        "amounts": {
            "one_time_total": format_decimal(sums["one_time"], currency),
            "tax": format_decimal(sums["tax"], currency),
            "due_now": format_decimal(sums["due_now"], currency),
            "full_payment_allowed": quote["full_payment_allowed"],
        },
        "allowed_methods": quote["allowed_methods"],
        "return_url": return_url,
        "callback_url": callback_url,
    }
    if quote["recurring"]:
        body["recurring"] = {"total": format_decimal(sums["recurring"], currency), **quote["recurring"]}
    return extend_checkout_request(quote, body) if quote.get("contract") == "1.1" else body


def extend_checkout_request(quote: Quote, body: dict[str, Any]) -> dict[str, Any]:
    """The same with what version 1.1 of the contract added: lines, ids, and who accepted the quote."""
    currency, signed = quote["currency"], quote["signed"]
    interval = quote["recurring"]["interval"] if quote["recurring"] else ""
    lines = [
        {
            "description": line["description"],
            "quantity": str(line["quantity"]),
            "unit_price": format_decimal(line["price"], currency),
            "amount": format_decimal(line["quantity"] * line["price"], currency),
            "recurs": interval if line["recurring"] else "one_time",
        }
        for line in quote["lines"]
    ]
    accepted = {"signed_at": signed["at"], "signed_by": signed["name"], "ip": "203.0.113.7"} if signed else None
    ids = {"id": f"c{quote['id']}", "psa_company_id": quote.get("psa_company_id", "")}
    return body | {
        "quote": body["quote"] | {"lines": lines},
        "customer": body["customer"] | ids,
        "acceptance": accepted,
    }


def _unpaid() -> dict[str, Any]:
    return {
        "status": "open",
        "was": "",
        "status_at": 0,
        "payment": dict(UNPAID),
        "checkout": None,
        "signed": None,
    }
