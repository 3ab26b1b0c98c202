"""What the quotes' tables hold of people: the customer's contact, as CPQ sent it."""

from typing import Any

from wisepay.personal_data.changes import blank
from wisepay.personal_data.registry import PersonalData, Subject, declare_not_personal, declare_personal

CONTACT = {"contact_name": "", "phone": "", "address": None}


def erase_contact(value: Any, subject: Subject) -> Any:
    """The customer without the person: the account's name stays, as it stands in the books."""
    if not isinstance(value, dict) or str(value.get("email", "")).lower() != subject.email.lower():
        return value
    return value | {name: empty for name, empty in CONTACT.items() if name in value} | {"email": subject.pseudonym}


def erase_acceptance(value: Any, subject: Subject) -> Any:
    """The acceptance without who made it, unless it names somebody else's address."""
    if not isinstance(value, dict) or str(value.get("email") or subject.email).lower() != subject.email.lower():
        return value
    return {name: kept for name, kept in value.items() if name in ("signed_at", "visits")}


# First, since it is found by what the quote forgets.
declare_personal(
    PersonalData(
        "quotes.PayLinkMail",
        "Whether a quote's pay link was mailed, and what the mail server said of the address.",
        "change",
        fields=("reason",),
        address=("quote__customer__email__iexact",),
        changes={"reason": blank},
    )
)
declare_personal(
    PersonalData(
        "quotes.Quote",
        "A quote and its customer: a record of the books, its contact under a pseudonym.",
        "change",
        fields=("customer", "acceptance"),
        address=("customer__email__iexact", "acceptance__email__iexact"),
        changes={"customer": erase_contact, "acceptance": erase_acceptance},
        hidden=("return_url", "callback_url", "link_digest"),
    )
)
declare_not_personal("A merchant's key and hosts.", "quotes.CpqIntegration")
declare_personal(
    PersonalData(
        "quotes.CpqConnection",
        "Who confirmed how amounts are calculated: a record of the merchant's.",
        "keep",
        fields=("confirmed_by",),
        person=("confirmed_by",),
        hidden=("shown",),
    )
)
declare_not_personal(
    "What words of a merchant's CPQ mean, and what the poll has seen.", "quotes.CpqWord", "quotes.PolledVersion"
)
declare_not_personal("How a payment stands, as it is written into CPQ.", "quotes.CpqNote")
declare_not_personal("How a checkout stands, as CPQ is told.", "quotes.Callback", "quotes.IdempotentAnswer")
