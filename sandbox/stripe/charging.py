"""What happens when somebody tries to pay an intent: challenge, success, decline, a slow debit."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance, banks, cards, methods, shapes
from sandbox.stripe.accounts import Account
from sandbox.stripe.challenge import next_action, wants_challenge
from sandbox.stripe.errors import ApiError
from sandbox.stripe.events import emit
from sandbox.stripe.mandates import consent, end_mandate
from sandbox.stripe.timers import forget, later

Obj = dict[str, Any]
DAY = 86400
NOT_AUTHENTICATED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


def attempt(account: Account, intent: Obj, method: Obj) -> None:
    """Try to pay `intent` with `method`; raises the 402 of Stripe when the payer's bank says no."""
    intent.update(payment_method=method["id"], next_action=None, last_payment_error=None)
    if method["type"] != "card":
        debit(account, intent, method)
        return
    options = account.private(intent["id"])
    behaviour = cards.behaviour_of(account.private(method["id"]).get("card") or "")
    if wants_challenge(account, behaviour, method, options):
        if options.get("off_session") or options.get("error_on_requires_action"):
            raise decline(account, intent, method, cards.AUTHENTICATION)
        intent.update(status="requires_action", next_action=next_action(account, intent))
        emit(account, "payment_intent.requires_action", intent)
        return
    if behaviour.decline:
        raise decline(account, intent, method, behaviour.decline)
    card_success(account, intent, method)
    if behaviour.late == "dispute":
        later(account, 0, "dispute", intent["latest_charge"])


def start_charge(account: Account, intent: Obj, method: Obj, details: Obj) -> Obj:
    """A new charge of the intent, its latest."""
    kind = method["type"]
    charge = shapes.charge(account.world.id("ch"), account.now(), intent, method, {kind: details, "type": kind})
    intent["latest_charge"] = charge["id"]
    return account.add(charge)


def card_details(account: Account, intent: Obj, method: Obj, code: str = "") -> Obj:
    """The charge's view of the card."""
    return cards.charged(
        method["card"],
        intent["amount"],
        declined_for_cvc=code == "incorrect_cvc",
        authenticated=bool(account.private(intent["id"]).get("authenticated")),
    )


def card_success(account: Account, intent: Obj, method: Obj) -> None:
    """The card was charged, or the amount was set aside for a capture by hand."""
    charge = start_charge(account, intent, method, card_details(account, intent, method))
    charge.update(paid=True, status="succeeded", outcome=shapes.outcome("authorized", "Payment complete."))
    charge["outcome"] |= {"risk_level": "normal", "risk_score": 20}
    remember_use(account, intent, method)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        emit(account, "charge.succeeded", charge)
        emit(account, "payment_intent.amount_capturable_updated", intent)
        return
    collect(account, charge, intent["amount"])
    emit(account, "charge.succeeded", charge)
    finish(account, intent)


def collect(account: Account, charge: Obj, amount: int) -> None:
    """Put the money of a charge into the balance."""
    fee = (amount * 29 + 500) // 1000 + 30
    transaction = balance.book(account, charge, amount, kind="charge", fee=min(fee, amount), days=2)
    charge.update(captured=True, amount_captured=amount, balance_transaction=transaction["id"], paid=True)
    charge["receipt_url"] = f"{account.world.url}/stripe/receipts/{charge['id']}"


def finish(account: Account, intent: Obj) -> None:
    """The intent is paid."""
    charge = account.table("charge")[intent["latest_charge"]]
    intent.update(status="succeeded", amount_received=charge["amount_captured"], amount_capturable=0, processing=None)
    emit(account, "payment_intent.succeeded", intent)


def remember_use(account: Account, intent: Obj, method: Obj) -> None:
    """A method that was kept for later belongs to the customer; any other is spent by its first use."""
    if intent["setup_future_usage"]:
        account.private(method["id"])["saved"] = True
        if intent["customer"] and not method["customer"]:
            methods.attach_to(account, method, intent["customer"])
    elif not method["customer"]:
        account.private(method["id"])["spent"] = True


def decline(account: Account, intent: Obj, method: Obj, reason: cards.Decline) -> ApiError:
    """Note the issuer's refusal and return the error to raise."""
    charge = start_charge(account, intent, method, card_details(account, intent, method, reason.code))
    charge.update(status="failed", failure_code=reason.code, failure_message=reason.message)
    charge["outcome"] = shapes.outcome("issuer_declined", "The bank said no.", reason.decline_code)
    charge["outcome"] |= {"network_decline_code": "05", "risk_level": "normal", "risk_score": 20}
    error: Obj = {"charge": charge["id"], "code": reason.code, "message": reason.message}
    error |= {"decline_code": reason.decline_code} if reason.decline_code else {}
    error |= {"payment_method": method, "type": "card_error"}
    emit(account, "charge.failed", charge)
    failed(account, intent, error)
    return ApiError(
        reason.message,
        status=402,
        type_="card_error",
        code=reason.code,
        **{name: error[name] for name in ("charge", "decline_code") if name in error},
        payment_intent=intent,
        payment_method=method,
    )


def failed(account: Account, intent: Obj, error: Obj) -> None:
    """Back to the start: the payer may try another way."""
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        processing=None,
        last_payment_error=error,
    )
    account.private(intent["id"]).pop("authenticated", None)
    emit(account, "payment_intent.payment_failed", intent)


def answered_challenge(account: Account, intent: Obj, *, passed: bool) -> None:
    """The payer finished the bank's challenge: go on, or fail. Never raises for a decline."""
    method = account.table("payment_method")[intent["payment_method"]]
    if not passed:
        error = {"code": "payment_intent_authentication_failure", "message": NOT_AUTHENTICATED}
        failed(account, intent, {**error, "payment_method": method, "type": "invalid_request_error"})
        return
    account.private(intent["id"])["authenticated"] = True
    if intent["confirmation_method"] == "manual":
        intent.update(status="requires_confirmation", next_action=None)
        return
    try:
        attempt(account, intent, method)
    except ApiError:
        return


def debit(account: Account, intent: Obj, method: Obj) -> None:
    """Ask the payer's bank for the money; the answer comes days later."""
    mandate = consent(account, intent, method)
    kind = method["type"]
    charge = start_charge(account, intent, method, banks.charged(kind, method[kind], mandate))
    charge["outcome"] = shapes.outcome("authorized", "Payment pending.", network="approved_by_network")
    intent.update(status="processing")
    remember_use(account, intent, method)
    emit(account, "charge.pending", charge)
    emit(account, "payment_intent.processing", intent)
    if banks.fate(kind, account.private(method["id"])["bank"])[0] != "never":
        later(account, account.world.config.get("stripe_debit_delay", 3 * DAY), "settle_debit", intent["id"])


def settle_debit(account: Account, name: str) -> None:
    """The bank's late answer to a debit."""
    intent = account.table("payment_intent")[name]
    charge = account.table("charge")[intent["latest_charge"]]
    method = account.table("payment_method")[charge["payment_method"]]
    fate, code = banks.fate(method["type"], account.private(method["id"])["bank"])
    if fate == "fails" and code:
        return_debit(account, intent, code)
        return
    clear_debit(account, intent)
    if fate == "disputed":
        later(account, account.world.config.get("stripe_dispute_delay", DAY), "dispute", charge["id"])


def clear_debit(account: Account, intent: Obj) -> None:
    """The money of a debit arrived."""
    forget(account, "settle_debit", intent["id"])
    charge = account.table("charge")[intent["latest_charge"]]
    charge["status"] = "succeeded"
    collect(account, charge, charge["amount"])
    emit(account, "charge.succeeded", charge)
    finish(account, intent)


def return_debit(account: Account, intent: Obj, code: str) -> None:
    """The bank sent a debit back for this reason; some reasons end the payer's consent."""
    forget(account, "settle_debit", intent["id"])
    charge = account.table("charge")[intent["latest_charge"]]
    method = account.table("payment_method")[charge["payment_method"]]
    message = banks.FAILURES[code]
    charge.update(status="failed", failure_code=code, failure_message=message)
    charge["outcome"] = shapes.outcome("issuer_declined", message, code)
    error: Obj = {"charge": charge["id"], "code": code, "message": message}
    known = banks.RETURNS.get(code) if method["type"] == "us_bank_account" else None
    if known:
        charge["outcome"]["network_decline_code"] = error["network_decline_code"] = known.network_code
    if known and known.blocks:
        blocked = {"network_code": known.network_code, "reason": known.blocks}
        method["us_bank_account"] = {**method["us_bank_account"], "status_details": {"blocked": blocked}}
    if code == "debit_not_authorized":
        end_mandate(account, method)
    emit(account, "charge.failed", charge)
    failed(account, intent, {**error, "payment_method": method, "type": "invalid_request_error"})
