"""QuickBooks' refusals in words that a bookkeeper understands. Source: developer.intuit.com, "Error codes"."""

REFERENCE_INACTIVE = (
    "Something that this needs was deleted or made inactive in QuickBooks: the customer, the item or an account. Make "
    "it active again there, or choose another one under Accounts"
)
BOOKS_CLOSED = (
    "The books are closed for this day in QuickBooks. Move the closing date (Account and settings, Advanced), and retry"
)
CREDITS_APPLIED_AUTOMATICALLY = (
    "QuickBooks applies credits automatically, and so it used one here. Switch off “Automatically apply credits” "
    "(Account and settings, Advanced, Automation), delete the payment of nothing that it made for "
    "this invoice, and retry."
)
AUTO_APPLY_WARNING = (
    "QuickBooks applies credits automatically: it would put the credit of a paid quote to any open invoice, and "
    "old credit to the PF invoice, so that its payment is refused. Switch off “Automatically apply credits” "
    "(Account and settings, Advanced, Automation), then press Read again."
)
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


def explain_error(code: int, detail: str) -> str:
    """What a fault means, with QuickBooks' own words after it."""
    said = " ".join(detail.split()).rstrip(".") or "no reason"
    meaning = ERROR_MEANINGS.get(code)
    return f"{meaning}. (QuickBooks {code}: {said}.)" if meaning else f"{said}. (QuickBooks {code}.)"
