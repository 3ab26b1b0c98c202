"""What follows a charge that failed: tried again, the secondary method, the payer asked, or the end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Verdict = Literal["hard", "soft", "person", "ours"]
# Days before the next try with the same method, growing; the last one repeats.
PAUSES = (1, 3, 5, 7)
# Nacha's rules: a debit returned for want of funds may be presented twice more within 180 days, any other never.
RE_PRESENTMENTS, RE_PRESENT_WITHIN = 2, timedelta(days=180)

# The payer has to be there (docs.stripe.com/declines/codes).
PERSON = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_authentication_failure",
    }
)
# Something about the order or the merchant's account is wrong; another method would not help.
OURS = frozenset({"amount_too_large", "amount_too_small", "gateway_key", "invalid_amount"})
# A card that its bank will not charge again: never tried again (docs.stripe.com/declines/codes, the networks' rules).
HARD = frozenset(
    {
        "account_closed",
        "card_not_supported",
        "currency_not_supported",
        "expired_card",
        "fraudulent",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_zip",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_action_taken",
        "not_permitted",
        "payment_method_invalid_parameter",
        "payment_method_unexpected_state",
        "pickup_card",
        "resource_missing",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "test_mode_live_card",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
# Why a debit may be presented again: R01 and R09, and what the other networks call the same.
SOFT_DEBITS = frozenset({"insufficient_funds", "refer_to_customer"})
# Nothing reached the payer's bank, so this was no presentment.
NEVER_ASKED = frozenset({"never_arrived", "processing_error", "try_again_later", "rate_limit"})


@dataclass(frozen=True, slots=True)
class Case:
    """A charge that failed. `tries` and `presentations` are those with this method, the failed one counted."""

    code: str
    is_debit: bool
    tries: int
    presentations: int
    first_asked_at: datetime | None
    maximum_retries: int
    has_secondary: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next: `again` in `days`, the `secondary` at once, `ask` the payer, or `stop`."""

    kind: Literal["again", "secondary", "ask", "stop"]
    days: int = 0
    verdict: Verdict = "hard"


def verdict_of(code: str, *, is_debit: bool) -> Verdict:
    """What a failure's code means for the method. A debit's unknown code counts as final, a card's as passing."""
    if code in PERSON:
        return "person"
    if code in OURS:
        return "ours"
    if is_debit:
        return "soft" if code in SOFT_DEBITS | NEVER_ASKED else "hard"
    return "hard" if code in HARD else "soft"


def next_step(case: Case, *, now: datetime) -> Step:
    """What follows."""
    verdict = verdict_of(case.code, is_debit=case.is_debit)
    if verdict == "person":
        return Step("ask", verdict=verdict)
    if verdict == "ours":
        return Step("stop", verdict=verdict)
    if verdict == "soft" and case.tries <= case.maximum_retries and may_present(case, now=now):
        return Step("again", days=PAUSES[min(case.tries, len(PAUSES)) - 1], verdict=verdict)
    return Step("secondary" if case.has_secondary else "stop", verdict=verdict)


def may_present(case: Case, *, now: datetime) -> bool:
    """Whether the bank may be asked for this debit once more; cards have no such rule here."""
    if not case.is_debit or case.code in NEVER_ASKED:
        return True
    return not is_exhausted(case.presentations, case.first_asked_at, now=now)


def is_exhausted(presentations: int, first_asked_at: datetime | None, *, now: datetime) -> bool:
    """Whether a debit was presented as often, or as long ago, as the rules allow."""
    if presentations > RE_PRESENTMENTS:
        return True
    return first_asked_at is not None and now + timedelta(days=1) > first_asked_at + RE_PRESENT_WITHIN
