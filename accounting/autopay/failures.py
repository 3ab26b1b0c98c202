"""Retry rules: what follows a failed charge, by its code, its method and how often it was tried."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

FailureKind = Literal["hard", "soft", "person", "ours"]
# Days before the next try with the same method, growing; the last one repeats.
RETRY_DELAYS = (1, 3, 5, 7)
# Nacha's rules: a debit returned for want of funds may be presented twice more within 180 days, any other never.
MAX_RE_PRESENTMENTS, RE_PRESENTMENT_WINDOW = 2, timedelta(days=180)

# The payer has to be there (docs.stripe.com/declines/codes).
PAYER_ACTION_CODES = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_authentication_failure",
    }
)
# Something about the order or the merchant's account is wrong; another method would not help.
MERCHANT_CODES = frozenset({"amount_too_large", "amount_too_small", "gateway_key", "invalid_amount"})
# A card that its bank will not charge again: never tried again (docs.stripe.com/declines/codes, the networks' rules).
HARD_DECLINES = frozenset(
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
SOFT_DEBIT_RETURNS = frozenset({"insufficient_funds", "refer_to_customer"})
# Nothing reached the payer's bank, so this was no presentment.
NOT_PRESENTED = frozenset({"never_arrived", "processing_error", "try_again_later", "rate_limit"})


@dataclass(frozen=True, slots=True)
class FailedCharge:
    """A failed charge. `tries` and `presentations` count those with this method, the failed one included."""

    code: str
    is_debit: bool
    tries: int
    presentations: int
    first_presented_at: datetime | None
    maximum_retries: int
    has_secondary: bool


@dataclass(frozen=True, slots=True)
class NextStep:
    """What happens next: `again` in `days`, the `secondary` method at once, `ask` the payer, or `stop`."""

    kind: Literal["again", "secondary", "ask", "stop"]
    days: int = 0
    failure_kind: FailureKind = "hard"


def get_failure_kind(code: str, *, is_debit: bool) -> FailureKind:
    """Classify a failure's code. An unknown code of a debit is final (hard), of a card temporary (soft)."""
    if code in PAYER_ACTION_CODES:
        return "person"
    if code in MERCHANT_CODES:
        return "ours"
    if is_debit:
        return "soft" if code in SOFT_DEBIT_RETURNS | NOT_PRESENTED else "hard"
    return "hard" if code in HARD_DECLINES else "soft"


def plan_next_step(charge: FailedCharge, *, now: datetime) -> NextStep:
    """Decide what follows a failed charge."""
    kind = get_failure_kind(charge.code, is_debit=charge.is_debit)
    if kind == "person":
        return NextStep("ask", failure_kind=kind)
    if kind == "ours":
        return NextStep("stop", failure_kind=kind)
    if kind == "soft" and charge.tries <= charge.maximum_retries and can_present(charge, now=now):
        return NextStep("again", days=RETRY_DELAYS[min(charge.tries, len(RETRY_DELAYS)) - 1], failure_kind=kind)
    return NextStep("secondary" if charge.has_secondary else "stop", failure_kind=kind)


def can_present(charge: FailedCharge, *, now: datetime) -> bool:
    """Whether the bank may be asked for this debit once more; cards have no such rule here."""
    if not charge.is_debit or charge.code in NOT_PRESENTED:
        return True
    return not is_presentment_limit_reached(charge.presentations, charge.first_presented_at, now=now)


def is_presentment_limit_reached(presentations: int, first_presented_at: datetime | None, *, now: datetime) -> bool:
    """Whether a debit was presented as often as the rules allow, or first presented too long ago."""
    if presentations > MAX_RE_PRESENTMENTS:
        return True
    return first_presented_at is not None and now + timedelta(days=1) > first_presented_at + RE_PRESENTMENT_WINDOW
