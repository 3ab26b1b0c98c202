"""Bank debits: their test accounts, what they show, and how late they fail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]


@dataclass(frozen=True)
class DebitType:
    """One kind of debit: its currency, the fields that name an account, and accounts that go wrong."""

    currency: str
    number: str
    routing: tuple[str, ...]
    failing_accounts: dict[str, str]
    disputes: frozenset[str]
    unsettled_accounts: frozenset[str] = frozenset()
    unverified_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AchReturn:
    """The US network's code of a failure; `blocks` is why Stripe will not debit the account again."""

    network_code: str
    blocks: str | None = None


CLOSED, UNKNOWN = "The bank account has been closed.", "The bank account could not be located."
REFUSED, BLOCKED = "The debit was not authorized.", "The bank account does not take debits."
MANDATE = "The mandate for this debit is not valid."
# Every reason that Stripe publishes for a debit that came back: docs.stripe.com/declines/network-codes and the pages of
# each kind of debit. Newer API versions send other words than older ones for the same return.
FAILURE_MESSAGES = {
    "insufficient_funds": "The account has insufficient funds.",
    "account_closed": CLOSED,
    "bank_account_closed": CLOSED,
    "no_account": UNKNOWN,
    "invalid_account_number": UNKNOWN,
    "bank_account_invalid_details": UNKNOWN,
    "branch_does_not_exist": UNKNOWN,
    "incorrect_account_holder_name": "The account holder's name does not match.",
    "debit_not_authorized": "The payer says that the debit was not authorized.",
    "authorization_revoked": REFUSED,
    "debit_authorization_not_match": REFUSED,
    "debit_disputed": REFUSED,
    "bank_account_restricted": BLOCKED,
    "bank_account_frozen": BLOCKED,
    "bank_account_unusable": BLOCKED,
    "sepa_unsupported_account": BLOCKED,
    "tokenized_account_number_deactivated": "The account's tokenized number is invalid.",
    "recipient_deceased": "The account's holder is deceased.",
    "bank_ownership_changed": "The account has been transferred to a new bank or owner.",
    "payment_intent_mandate_invalid": MANDATE,
    "refer_to_customer": "The payer's bank could not process the debit.",
    "generic_could_not_process": "The debit could not be processed.",
    "could_not_process": "The debit could not be processed.",
    "charge_exceeds_source_limit": "The debit is above what can be debited in a week.",
}
RETURNS = {
    "insufficient_funds": AchReturn("R01"),
    "account_closed": AchReturn("R02", "bank_account_closed"),
    "bank_account_closed": AchReturn("R02", "bank_account_closed"),
    "no_account": AchReturn("R03", "bank_account_invalid_details"),
    "bank_account_invalid_details": AchReturn("R04", "bank_account_invalid_details"),
    "debit_not_authorized": AchReturn("R10", "debit_not_authorized"),
    "recipient_deceased": AchReturn("R15"),
    "bank_account_frozen": AchReturn("R16", "bank_account_frozen"),
    "bank_account_restricted": AchReturn("R20", "bank_account_restricted"),
    "bank_account_unusable": AchReturn("R29", "bank_account_unusable"),
    "tokenized_account_number_deactivated": AchReturn("R04", "tokenized_account_number_deactivated"),
}
DEBIT_TYPES: dict[str, DebitType] = {
    "us_bank_account": DebitType(
        "usd",
        "account_number",
        ("routing_number",),
        {
            "000111111113": "account_closed",
            "000111111116": "no_account",
            "000222222227": "insufficient_funds",
            "000333333335": "debit_not_authorized",
        },
        frozenset({"000555555559"}),
        frozenset({"000000000009"}),
        frozenset({"000888888883"}),
    ),
    "au_becs_debit": DebitType(
        "aud",
        "account_number",
        ("bsb_number",),
        {
            "111111113": "account_closed",
            "111111116": "no_account",
            "222222227": "refer_to_customer",
            "333333335": "debit_not_authorized",
        },
        frozenset({"666666660"}),
    ),
    "nz_bank_account": DebitType(
        "nzd",
        "account_number",
        ("bank_code", "branch_code", "suffix"),
        {"0000001": "account_closed", "0000003": "insufficient_funds"},
        frozenset({"0000005"}),
    ),
    "bacs_debit": DebitType(
        "gbp",
        "account_number",
        ("sort_code",),
        {"22222227": "insufficient_funds", "33333335": "debit_not_authorized"},
        frozenset({"55555559"}),
    ),
    "acss_debit": DebitType(
        "cad",
        "account_number",
        ("institution_number", "transit_number"),
        {"000222222227": "insufficient_funds"},
        frozenset({"000777777771"}),
    ),
    "sepa_debit": DebitType(
        "eur",
        "iban",
        (),
        {"AT861904300235473202": "insufficient_funds", "DE62370400440532013001": "refer_to_customer"},
        frozenset({"AT591904300235473203", "DE35370400440532013002"}),
    ),
}
BANK_TOKENS = {
    "success": "000123456789",
    "accountClosed": "000111111113",
    "noAccount": "000111111116",
    "insufficientFunds": "000222222227",
    "debitNotAuthorized": "000333333335",
    "dispute": "000555555559",
    "processing": "000000000009",
}


def check_bank_details(kind: str, given: Obj, billed: Obj) -> str:
    """The account's number, when account and holder are named; raises StripeApiError."""
    bank = DEBIT_TYPES[kind]
    for field in ("name",) if kind == "us_bank_account" else ("name", "email"):
        if not str(billed.get(field) or "").strip():
            raise StripeApiError(
                f"Missing required param: billing_details[{field}].",
                code="parameter_missing",
                param=f"billing_details[{field}]",
            )
    for field in (bank.number, *bank.routing):
        if not str(given.get(field) or "").strip():
            raise StripeApiError(
                f"Missing required param: {kind}[{field}].",
                code="parameter_missing",
                param=f"{kind}[{field}]",
            )
    return normalise_account_number(str(given[bank.number]))


def normalise_account_number(number: str) -> str:
    """An account number without the spaces and dashes that people put in."""
    return "".join(char for char in number if char.isalnum()).upper()


def build_bank_details(kind: str, number: str, given: Obj) -> Obj:
    """What a payment method shows of the account."""
    shown: Obj = {"last4": number[-4:]}
    if kind != "nz_bank_account":
        shown["fingerprint"] = hashlib.sha256(f"{kind}{number}".encode()).hexdigest()[:16]
    shown |= {field: normalise_account_number(str(given[field])) for field in DEBIT_TYPES[kind].routing}
    if kind == "us_bank_account":
        shown |= {"account_holder_type": given.get("account_holder_type") or "individual"}
        shown |= {"account_type": given.get("account_type") or "checking", "bank_name": "STRIPE TEST BANK"}
        shown |= {"financial_connections_account": None, "status_details": {}}
        shown |= {"networks": {"preferred": "ach", "supported": ["ach"]}}
    elif kind == "sepa_debit":
        shown |= {"bank_code": number[4:12], "branch_code": "", "country": number[:2]}
        shown |= {"generated_from": {"charge": None, "setup_attempt": None}}
    elif kind in ("nz_bank_account", "acss_debit"):
        shown["bank_name"] = "STRIPE TEST BANK"
    return shown


def build_charge_bank_details(kind: str, shown: Obj, mandate: str | None) -> Obj:
    """A charge's details of the debit."""
    hidden = ("networks", "status_details", "financial_connections_account", "generated_from")
    visible = {field: value for field, value in shown.items() if field not in hidden}
    return visible if kind == "nz_bank_account" else {**visible, "mandate": mandate}


def needs_verification(kind: str, number: str) -> bool:
    """Whether a payer has to prove by micro-deposits that the account is theirs, which takes days."""
    return number in DEBIT_TYPES[kind].unverified_accounts


def get_debit_outcome(kind: str, number: str) -> tuple[str, str | None]:
    """How a debit of this account ends: (settles | fails | disputed | never, failure code)."""
    bank = DEBIT_TYPES[kind]
    if number in bank.failing_accounts:
        return "fails", bank.failing_accounts[number]
    if number in bank.disputes:
        return "disputed", None
    return ("never" if number in bank.unsettled_accounts else "settles"), None
