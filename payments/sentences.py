"""What a payer is told when a card was declined: what happened and what to do, never more than helps."""

GENERAL = "Your bank declined this card. Nothing was charged. Try another card, or ask your bank why."

# Stripe's decline codes (docs.stripe.com/declines/codes). Codes that point at fraud or theft fall to GENERAL.
FAILURES = {
    "insufficient_funds": "There isn't enough money on this card. Nothing was charged. Try another card.",
    "expired_card": "This card has expired. Nothing was charged. Try another card.",
    "incorrect_cvc": "The security code is not right. Nothing was charged. Check the code and try again.",
    "invalid_cvc": "The security code is not right. Nothing was charged. Check the code and try again.",
    "incorrect_number": "The card number is not right. Nothing was charged. Check it and try again.",
    "incorrect_zip": "The postal code does not match this card. Nothing was charged. Check it and try again.",
    "invalid_expiry_month": "The expiry date is not right. Nothing was charged. Check it and try again.",
    "invalid_expiry_year": "The expiry date is not right. Nothing was charged. Check it and try again.",
    "processing_error": "The bank could not process the card just now. Nothing was charged. Please try again.",
    "try_again_later": "The bank could not answer just now. Nothing was charged. Please try again.",
    "issuer_not_available": "Your bank could not be reached. Nothing was charged. Please try again.",
    "card_not_supported": "This card can't be used for this kind of purchase. Nothing was charged. Try another card.",
    "currency_not_supported": "This card can't pay in this currency. Nothing was charged. Try another card.",
    "card_velocity_exceeded": "This card has reached its limit. Nothing was charged. Try another card.",
    "withdrawal_count_limit_exceeded": "This card has reached its limit. Nothing was charged. Try another card.",
    "payment_intent_authentication_failure": (
        "Your bank could not confirm that it was you, so nothing was charged. Try again or use another card."
    ),
    "authentication_required": "Your bank wants to confirm that it is you. Nothing was charged. Please try again.",
    "gateway_key": "The merchant's card service is not set up correctly. Nothing was charged. Please contact them.",
    "never_arrived": "The payment did not reach the bank. Nothing was charged. Please try again.",
}


def explain_failure(code: str) -> str:
    """A sentence for the payer."""
    return FAILURES.get(code, GENERAL)
