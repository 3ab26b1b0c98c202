"""The merchant's part of an Order Porter template: macros put in as text, blocks for accepted quotes and for others."""

import re
from datetime import UTC, datetime
from html import escape

from sandbox.orderporter.money import format_decimal
from sandbox.orderporter.quotes import Quote, calculate_totals

BLOCK = re.compile(r"#(Approved|Unapproved|Expired|Deleted)Begin\(\)(.*?)#\1End\(\)", re.DOTALL)


def render_template(text: str, quote: Quote) -> str:
    """The template as the quote's page shows it; a macro ends where its known name ends."""
    shown = BLOCK.sub(lambda block: block[2] if is_shown(block[1], quote) else "", text)
    totals = calculate_totals(quote)
    macros = {
        "#Quote.OrderPorterPasscode": quote["passcode"],
        "#Quote.OrderPorterPaymentMode": "Terms" if quote["recurring"] else "None",
        "#Quote.OrderPorterAmount": format_decimal(totals["due_now"], quote["currency"]),
        "#Quote.Version": str(quote["version"]),
    }
    for name, value in macros.items():
        shown = shown.replace(name, escape(value))
    return shown.strip()


def is_shown(block: str, quote: Quote) -> bool:
    """Whether a block is part of this quote's page."""
    is_expired = datetime.fromisoformat(quote["expires_at"].replace("Z", "+00:00")) <= datetime.now(UTC)
    conditions = {
        "Approved": quote["signed"] is not None,
        "Unapproved": quote["signed"] is None,
        "Expired": is_expired,
        "Deleted": bool(quote["fields"].get("isDeleted")),
    }
    return conditions[block]
