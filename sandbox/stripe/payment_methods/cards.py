"""Test cards: which numbers there are, and how each behaves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]


@dataclass(frozen=True)
class CardDecline:
    """How an issuer declines."""

    code: str
    decline_code: str | None
    message: str


@dataclass(frozen=True)
class CardBehaviour:
    """What a test card does. `challenge` is never, always, unless_saved
    or attach_only (attaches well, declines later); `late` happens after success."""

    decline: CardDecline | None = None
    challenge: str = "never"
    later_event: str | None = None
    funding: str = "credit"
    country: str = "US"


def build_decline(decline_code: str, message: str = "Your card was declined.") -> CardDecline:
    """The plain refusal with the issuer's reason."""
    return CardDecline("card_declined", decline_code, message)


LIVE_CARD = build_decline("test_mode_live_card", "Your card was declined. Practice takes test cards only.")
EXPIRED = CardDecline("expired_card", "expired_card", "Your card has expired.")
WRONG_CVC = CardDecline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
PROCESSING = CardDecline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
NO_FUNDS = build_decline("insufficient_funds", "Your card has insufficient funds.")
AUTHENTICATION = CardDecline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

CARDS: dict[str, CardBehaviour] = {
    "4242424242424242": CardBehaviour(),
    "4000056655665556": CardBehaviour(funding="debit"),
    "4000000360000006": CardBehaviour(country="AU"),
    "4000005540000008": CardBehaviour(country="NZ"),
    "4000008260000000": CardBehaviour(country="GB"),
    "5555555555554444": CardBehaviour(),
    "5200828282828210": CardBehaviour(funding="debit"),
    "378282246310005": CardBehaviour(),
    "371449635398431": CardBehaviour(),
    "6011111111111117": CardBehaviour(),
    "4000000000000002": CardBehaviour(build_decline("generic_decline")),
    "4000000000009995": CardBehaviour(NO_FUNDS),
    "4000000000009987": CardBehaviour(build_decline("lost_card")),
    "4000000000009979": CardBehaviour(build_decline("stolen_card")),
    "4000000000000069": CardBehaviour(EXPIRED),
    "4000000000000127": CardBehaviour(WRONG_CVC),
    "4000000000000119": CardBehaviour(PROCESSING),
    "4000000000000341": CardBehaviour(build_decline("generic_decline"), challenge="attach_only"),
    "4000002500003155": CardBehaviour(challenge="unless_saved"),
    "4000002760003184": CardBehaviour(challenge="always"),
    "4000000000003220": CardBehaviour(challenge="always"),
    "4000008400001629": CardBehaviour(build_decline("generic_decline"), challenge="always"),
    "4000008260003178": CardBehaviour(NO_FUNDS, challenge="always"),
    "4000000000000259": CardBehaviour(later_event="dispute"),
    "4000000000005126": CardBehaviour(later_event="refund_fails"),
    "4000000000007726": CardBehaviour(later_event="refund_pends"),
}
CARD_TOKENS = {
    "visa": "4242424242424242",
    "visa_debit": "4000056655665556",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "au": "4000000360000006",
    "nz": "4000005540000008",
    "visa_chargeDeclined": "4000000000000002",
    "visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "visa_chargeDeclinedLostCard": "4000000000009987",
    "chargeDeclined": "4000000000000002",
    "chargeDeclinedInsufficientFunds": "4000000000009995",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "chargeCustomerFail": "4000000000000341",
    "authenticationRequired": "4000002760003184",
    "authenticationRequiredOnSetup": "4000002500003155",
    "threeDSecure2Required": "4000000000003220",
    "authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "createDispute": "4000000000000259",
}


def get_brand(number: str) -> str:
    """The card scheme that a number starts like."""
    if number[:2] in ("34", "37"):
        return "amex"
    if number[:2] in ("51", "52", "53", "54", "55") or 2221 <= int(number[:4] or 0) <= 2720:
        return "mastercard"
    if number.startswith("4"):
        return "visa"
    return "discover" if number.startswith(("6011", "65", "644")) else "unknown"


def is_valid_luhn(number: str) -> bool:
    """Whether the check digit is right."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def get_behaviour(number: str) -> CardBehaviour:
    """How this number behaves; one that is no test card is declined."""
    return CARDS.get(number) or CardBehaviour(LIVE_CARD)


def build_card_error(code: str, message: str, param: str) -> StripeApiError:
    """A card that cannot be right: Stripe answers 402 and names the field."""
    return StripeApiError(message, status=402, type_="card_error", code=code, param=param)


def check_card(given: Obj, today: tuple[int, int]) -> tuple[str, int, int]:
    """The number, month and year of a card that could exist on (year, month) `today`; raises StripeApiError."""
    number = "".join(char for char in str(given.get("number", "")) if char.isdigit())
    if not 12 <= len(number) <= 19 or not is_valid_luhn(number):
        raise build_card_error("incorrect_number", "Your card number is incorrect.", "number")
    month, year = int(given.get("exp_month") or 0), int(given.get("exp_year") or 0)
    year += 2000 if 0 < year < 100 else 0
    if not 1 <= month <= 12:
        raise build_card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    if not today <= (year, month) <= (today[0] + 50, 12):
        raise build_card_error("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    cvc, length = str(given.get("cvc") or ""), 4 if get_brand(number) == "amex" else 3
    if cvc and (not cvc.isdigit() or not 3 <= len(cvc) <= length):
        raise build_card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")
    return number, month, year


def build_card_details(number: str, month: int, year: int, *, cvc: bool) -> Obj:
    """A payment method's `card`."""
    known, brand = get_behaviour(number), get_brand(number)
    return {
        "brand": brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "unchecked" if cvc else None,
        },
        "country": known.country,
        "display_brand": brand,
        "exp_month": month,
        "exp_year": year,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "funding": known.funding,
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def build_charge_card_details(card: Obj, amount: int, *, declined_for_cvc: bool, authenticated: bool) -> Obj:
    """A charge's `payment_method_details.card`."""
    copied = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    checks = dict(card["checks"])
    if checks["cvc_check"]:
        checks["cvc_check"] = "fail" if declined_for_cvc else "pass"
    secure: Obj | None = None
    if authenticated:
        secure = {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": None,
            "version": "2.2.0",
        }
    return {
        **{field: card[field] for field in copied},
        "amount_authorized": amount,
        "authorization_code": None,
        "checks": checks,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": secure,
        "transaction_link_id": None,
        "wallet": None,
    }
