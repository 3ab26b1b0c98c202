"""What happens when somebody tries to pay an intent: challenge, success, decline, a slow debit."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance, shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods import banks, cards, methods
from sandbox.stripe.payment_methods.mandates import get_or_create_mandate, revoke_mandate
from sandbox.stripe.payments import confirmation
from sandbox.stripe.payments.next_actions import ask_for_action, must_verify_account
from sandbox.stripe.payments.three_d_secure import needs_challenge
from sandbox.stripe.timers import cancel_timer, schedule_timer
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
DAY = 86400


def attempt_payment(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """Try to pay `intent` with `method`; raises the 402 of Stripe when the payer's bank declines."""
    intent.update(payment_method=method["id"], next_action=None, last_payment_error=None)
    if method["type"] != "card":
        start_debit(account, intent, method)
        return
    options = account.private_data(intent["id"])
    behaviour = cards.get_behaviour(account.private_data(method["id"]).get("card") or "")
    if needs_challenge(account, behaviour, method, options):
        if options.get("off_session") or options.get("error_on_requires_action"):
            raise record_decline(account, intent, method, cards.AUTHENTICATION)
        confirmation.require_action(account, intent)
        return
    if behaviour.decline:
        raise record_decline(account, intent, method, behaviour.decline)
    complete_card_payment(account, intent, method)
    if behaviour.later_event == "dispute":
        schedule_timer(account, 0, "dispute", intent["latest_charge"])


def start_charge(account: StripeAccount, intent: Obj, method: Obj, details: Obj) -> Obj:
    """A new charge of the intent, its latest."""
    kind = method["type"]
    charge = shapes.build_charge(account.world.id("ch"), account.now(), intent, method, {kind: details, "type": kind})
    intent["latest_charge"] = charge["id"]
    return account.add(charge)


def build_charge_details(account: StripeAccount, intent: Obj, method: Obj, code: str = "") -> Obj:
    """The charge's view of the card."""
    return cards.build_charge_card_details(
        method["card"],
        intent["amount"],
        declined_for_cvc=code == "incorrect_cvc",
        authenticated=bool(account.private_data(intent["id"]).get("authenticated")),
    )


def complete_card_payment(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """The card was charged, or authorised for a manual capture."""
    charge = start_charge(account, intent, method, build_charge_details(account, intent, method))
    charge.update(paid=True, status="succeeded", outcome=shapes.build_outcome("authorized", "Payment complete."))
    charge["outcome"] |= {"risk_level": "normal", "risk_score": 20}
    save_method_used(account, intent, method)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        create_event(account, "charge.succeeded", charge)
        create_event(account, "payment_intent.amount_capturable_updated", intent)
        return
    record_charge_in_balance(account, charge, intent["amount"])
    create_event(account, "charge.succeeded", charge)
    complete_intent(account, intent)


def record_charge_in_balance(account: StripeAccount, charge: Obj, amount: int) -> None:
    """Put the money of a charge into the balance."""
    fee = (amount * 29 + 500) // 1000 + 30
    transaction = balance.record_balance_transaction(
        account, charge, amount, kind="charge", fee=min(fee, amount), days=2
    )
    charge.update(captured=True, amount_captured=amount, balance_transaction=transaction["id"], paid=True)
    charge["receipt_url"] = f"{account.world.url}/stripe/receipts/{charge['id']}"


def complete_intent(account: StripeAccount, intent: Obj) -> None:
    """The intent is paid."""
    charge = account.table("charge")[intent["latest_charge"]]
    intent.update(status="succeeded", amount_received=charge["amount_captured"], amount_capturable=0, processing=None)
    create_event(account, "payment_intent.succeeded", intent)


def save_method_used(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """Attach a method that is saved for later to the customer; any other is used up by its first use."""
    if intent["setup_future_usage"]:
        account.private_data(method["id"])["saved"] = True
        if intent["customer"] and not method["customer"]:
            methods.attach_to_customer(account, method, intent["customer"])
    elif not method["customer"]:
        account.private_data(method["id"])["spent"] = True


def record_decline(account: StripeAccount, intent: Obj, method: Obj, reason: cards.CardDecline) -> StripeApiError:
    """Note the issuer's refusal and return the error to raise."""
    charge = start_charge(account, intent, method, build_charge_details(account, intent, method, reason.code))
    charge.update(status="failed", failure_code=reason.code, failure_message=reason.message)
    charge["outcome"] = shapes.build_outcome("issuer_declined", "The bank said no.", reason.decline_code)
    charge["outcome"] |= {"network_decline_code": "05", "risk_level": "normal", "risk_score": 20}
    error: Obj = {"charge": charge["id"], "code": reason.code, "message": reason.message}
    error |= {"decline_code": reason.decline_code} if reason.decline_code else {}
    error |= {"payment_method": method, "type": "card_error"}
    create_event(account, "charge.failed", charge)
    reset_failed_intent(account, intent, error)
    details = {name: error[name] for name in ("charge", "decline_code") if name in error}
    return confirmation.build_decline(intent, method, reason, **details)


def reset_failed_intent(account: StripeAccount, intent: Obj, error: Obj) -> None:
    """Back to the start: the payer may try another way."""
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        processing=None,
        last_payment_error=error,
    )
    account.private_data(intent["id"]).pop("authenticated", None)
    create_event(account, "payment_intent.payment_failed", intent)


def complete_challenge(account: StripeAccount, intent: Obj, *, passed: bool) -> None:
    """The payer finished the bank's challenge: go on, or fail. Never raises for a decline."""
    method = account.table("payment_method")[intent["payment_method"]]
    if not passed:
        reset_failed_intent(account, intent, confirmation.build_authentication_failure(intent, method))
        return
    account.private_data(intent["id"])["authenticated"] = True
    if intent["confirmation_method"] == "manual":
        intent.update(status="requires_confirmation", next_action=None)
        return
    try:
        attempt_payment(account, intent, method)
    except StripeApiError:
        return


def start_debit(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """Ask the payer's bank for the money; the answer comes days later, of some accounts after micro-deposits."""
    if must_verify_account(account, intent, method):
        ask_for_action(account, intent, "verify_with_microdeposits", days=2)
        return
    mandate = get_or_create_mandate(account, intent, method)
    kind = method["type"]
    charge = start_charge(account, intent, method, banks.build_charge_bank_details(kind, method[kind], mandate))
    charge["outcome"] = shapes.build_outcome("authorized", "Payment pending.", network="approved_by_network")
    intent.update(status="processing")
    save_method_used(account, intent, method)
    create_event(account, "charge.pending", charge)
    create_event(account, "payment_intent.processing", intent)
    if banks.get_debit_outcome(kind, account.private_data(method["id"])["bank"])[0] != "never":
        schedule_timer(account, account.world.config.get("stripe_debit_delay", 3 * DAY), "settle_debit", intent["id"])


def settle_debit(account: StripeAccount, name: str) -> None:
    """The bank's late answer to a debit."""
    intent = account.table("payment_intent")[name]
    charge = account.table("charge")[intent["latest_charge"]]
    method = account.table("payment_method")[charge["payment_method"]]
    fate, code = banks.get_debit_outcome(method["type"], account.private_data(method["id"])["bank"])
    if fate == "fails" and code:
        return_debit(account, intent, code)
        return
    complete_debit(account, intent)
    if fate == "disputed":
        schedule_timer(account, account.world.config.get("stripe_dispute_delay", DAY), "dispute", charge["id"])


def complete_debit(account: StripeAccount, intent: Obj) -> None:
    """The money of a debit arrived."""
    cancel_timer(account, "settle_debit", intent["id"])
    charge = account.table("charge")[intent["latest_charge"]]
    charge["status"] = "succeeded"
    record_charge_in_balance(account, charge, charge["amount"])
    create_event(account, "charge.succeeded", charge)
    complete_intent(account, intent)


def return_debit(account: StripeAccount, intent: Obj, code: str, *, is_decline_code: bool = False) -> None:
    """The bank sent a debit back for this reason; some reasons end the payer's consent."""
    cancel_timer(account, "settle_debit", intent["id"])
    charge = account.table("charge")[intent["latest_charge"]]
    method = account.table("payment_method")[charge["payment_method"]]
    message = banks.FAILURE_MESSAGES[code]
    charge.update(status="failed", failure_code=code, failure_message=message)
    charge["outcome"] = shapes.build_outcome("issuer_declined", message, code)
    error: Obj = {"charge": charge["id"], "code": code, "message": message}
    if is_decline_code:
        error |= {"code": "payment_intent_payment_attempt_failed", "decline_code": code}
    known = banks.RETURNS.get(code) if method["type"] == "us_bank_account" else None
    if known:
        charge["outcome"]["network_decline_code"] = error["network_decline_code"] = known.network_code
    if known and known.blocks:
        blocked = {"network_code": known.network_code, "reason": known.blocks}
        method["us_bank_account"] = {**method["us_bank_account"], "status_details": {"blocked": blocked}}
    if code == "debit_not_authorized":
        revoke_mandate(account, method)
    create_event(account, "charge.failed", charge)
    reset_failed_intent(account, intent, {**error, "payment_method": method, "type": "invalid_request_error"})
