"""Next actions other than 3-D Secure: some take the payer business days. Source: the SDK's `NextAction` shapes."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods import banks
from sandbox.stripe.payments.three_d_secure import get_challenge_url
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
DAY = 86_400
# Vouchers, and the name of the field that says until when each is good.
VOUCHERS = {
    "boleto_display_details": "expires_at",
    "konbini_display_details": "expires_at",
    "multibanco_display_details": "expires_at",
    "oxxo_display_details": "expires_after",
}
HOSTED = ("display_bank_transfer_instructions", "verify_with_microdeposits", *VOUCHERS)


def build_action(account: StripeAccount, intent: Obj, kind: str, *, days: int) -> Obj:
    """A next action of a kind; raises StripeApiError for one that the practice Stripe does not know.

    Its page is the practice bank's, where the payer does it or does not.
    """
    until, page = account.now() + days * DAY, get_challenge_url(account, intent, redirect="1")
    if kind in VOUCHERS:
        return {"type": kind, kind: {VOUCHERS[kind]: until, "hosted_voucher_url": page, "number": "1234 5678"}}
    if kind == "verify_with_microdeposits":
        details: Obj = {"arrival_date": until, "microdeposit_type": "descriptor_code"}
        return {"type": kind, kind: {**details, "hosted_verification_url": page}}
    if kind == "display_bank_transfer_instructions":
        return {"type": kind, kind: {"hosted_instructions_url": page, "reference": "WISE-1234", "type": "us"}}
    if kind == "redirect_to_url":
        return {"type": kind, kind: {"return_url": None, "url": page}}
    if kind.startswith("new_"):  # a kind that Stripe adds one day
        return {"type": kind, kind: {"url": page}}
    raise StripeApiError(f"Practice does not know the next action {kind}.", param="type")


def ask_for_action(account: StripeAccount, intent: Obj, kind: str, *, days: int) -> Obj:
    """Let the intent wait for this next action."""
    if intent["status"] in ("succeeded", "canceled"):
        raise StripeApiError(f"{intent['id']} is {intent['status']}: nothing is asked of its payer.")
    intent.update(status="requires_action", next_action=build_action(account, intent, kind, days=days))
    create_event(account, f"{intent['object']}.requires_action", intent)
    return intent


def must_verify_account(account: StripeAccount, intent: Obj, method: Obj) -> bool:
    """Whether the payer has to prove first that a bank account is theirs."""
    is_proved = account.private_data(intent["id"]).get("authenticated") or method["customer"]
    number = account.private_data(method["id"]).get("bank") or ""
    return not is_proved and banks.needs_verification(method["type"], number)
