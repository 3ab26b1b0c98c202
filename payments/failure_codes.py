"""What Stripe's failure codes of saved methods mean: which end a method for good, and which kind of return they are.

Sources: docs.stripe.com/declines/network-codes, /declines/codes, /error-codes, and the pages of each bank debit. Older
API versions use other words for the same return than newer ones, so both stand here.
"""

ACCOUNT_CLOSED = frozenset({"account_closed", "bank_account_closed"})  # ACH R02
ACCOUNT_NOT_FOUND = frozenset(
    {
        "account_number_invalid",
        "bank_account_invalid_details",
        "branch_does_not_exist",
        "incorrect_account_holder_name",
        "invalid_account_number",
        "no_account",
        "routing_number_invalid",
    }
)  # ACH R03, R04
ACCOUNT_BLOCKED = frozenset(
    {
        "bank_account_frozen",
        "bank_account_restricted",
        "bank_account_unusable",
        "payment_method_bank_account_blocked",
        "recipient_deceased",
        "sepa_unsupported_account",
        "tokenized_account_number_deactivated",
    }
)  # ACH R15, R16, R20
OWNER_CHANGED = frozenset({"bank_ownership_changed"})
NOT_AUTHORISED = frozenset(
    {"authorization_revoked", "debit_authorization_not_match", "debit_disputed", "debit_not_authorized"}
)  # ACH R05, R07, R08, R10, R11, R29, R31
MANDATE_ENDED = frozenset(
    {
        "billing_invalid_mandate",
        "dead_mandate",
        "india_recurring_payment_mandate_canceled",
        "mandate_invalid",
        "payment_intent_mandate_invalid",
        "setup_intent_mandate_invalid",
    }
)
CARD_EXPIRED = frozenset({"expired_card", "expired_payment_method"})
# The networks' word that this card is never charged again, by nobody or not by this merchant.
CARD_ENDED = frozenset(
    {
        "invalid_account",
        "lost_card",
        "pickup_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
    }
)
METHOD_MISSING = frozenset({"payment_method_invalid_parameter", "payment_method_unexpected_state", "resource_missing"})

# After these the gateway will never take the method again.
PERMANENT_FAILURES = (
    ACCOUNT_CLOSED
    | ACCOUNT_NOT_FOUND
    | ACCOUNT_BLOCKED
    | OWNER_CHANGED
    | NOT_AUTHORISED
    | MANDATE_ENDED
    | CARD_EXPIRED
    | CARD_ENDED
    | METHOD_MISSING
)
