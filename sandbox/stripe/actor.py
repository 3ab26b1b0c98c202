"""What a person does at the practice Stripe: refund, dispute, decide, detach, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.core.world import World
from sandbox.stripe import capabilities, customers, history, payouts
from sandbox.stripe.accounts import StripeAccount, get_or_create_account, list_accounts, roll_keys
from sandbox.stripe.errors import StripeApiError, build_missing_object_error
from sandbox.stripe.payment_methods import banks, mandates, methods
from sandbox.stripe.payments import charging, disputes, fraud_warnings, next_actions, refunds, setup_intents

Obj = dict[str, Any]
ActorAction = Callable[[StripeAccount, Obj, Obj], Obj | None]


def get_charge(account: StripeAccount, intent: Obj) -> Obj:
    """The charge that paid an intent; raises StripeApiError when none did."""
    if intent["status"] != "succeeded":
        raise StripeApiError(f"{intent['id']} is {intent['status']}: there is no successful charge.")
    return account.find("charge", intent["latest_charge"])


def parse_whole_number(params: Obj, name: str) -> Obj:
    """The whole number called `name`, if it is given; raises StripeApiError."""
    value = str(params.get(name) or "").strip()
    if not value:
        return {}
    if not value.isdecimal():
        raise StripeApiError(f"{name} is a whole number of minor units.", param=name)
    return {name: int(value)}


def refund(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """Give back `amount` minor units, or what is left."""
    given = {"reason": params.get("reason") or None, **parse_whole_number(params, "amount")}
    return refunds.create_refund(account, get_charge(account, intent), given)


def fail_refund(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """The payer's bank sends a refund back."""
    refunds.fail_refund(account, item["id"])
    return item


def settle_refund(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """A slow refund arrives now."""
    refunds.settle_refund(account, item["id"])
    return item


def dispute(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """The payer goes to the bank; `reason` is one of Stripe's, `amount` a part, `inquiry` asks before any is taken."""
    part = parse_whole_number(params, "amount").get("amount")
    return disputes.create_dispute(
        account,
        get_charge(account, intent),
        params.get("reason") or None,
        part=part,
        is_inquiry=bool(params.get("inquiry")),
    )


def escalate_inquiry(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """The bank turns its inquiry into a dispute, and takes the money."""
    return disputes.escalate_inquiry(account, item)


def answer_dispute(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """The merchant hands in evidence."""
    return disputes.submit_evidence(account, item)


def close_dispute(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """The bank decides: `outcome` is won or lost."""
    return disputes.close_with_outcome(account, item, str(params.get("outcome")))


def reinstate(account: StripeAccount, item: Obj, params: Obj) -> Obj:
    """The bank gives back after all what a lost dispute took."""
    return disputes.reinstate(account, item)


def detach(account: StripeAccount, method: Obj, params: Obj) -> Obj:
    """Take a saved method from its customer."""
    return methods.detach_from_customer(account, method)


def renew(account: StripeAccount, method: Obj, params: Obj) -> Obj:
    """The card was reissued: `exp_month`, `exp_year`, `last4`; three more years when nothing is given."""
    dates = {**parse_whole_number(params, "exp_month"), **parse_whole_number(params, "exp_year")}
    last4 = {"last4": str(params["last4"])} if params.get("last4") else {}
    usual = {"exp_year": method["card"]["exp_year"] + 3} if method["type"] == "card" else {}
    return methods.update_card_details(account, method, {**dates, **last4} or usual)


def end_mandate(account: StripeAccount, method: Obj, params: Obj) -> Obj | None:
    """The payer revokes the consent to be debited by this method."""
    return mandates.revoke_mandate(account, method)


def settle(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """A debit on its way arrives now."""
    check_processing(intent)
    charging.complete_debit(account, intent)
    return intent


def return_debit(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """A debit on its way comes back now; `code` is the reason, which newer versions tell as a `decline_code`."""
    check_processing(intent)
    code = str(params.get("code") or "insufficient_funds")
    if code not in banks.FAILURE_MESSAGES:
        raise StripeApiError(f"code is one of {', '.join(banks.FAILURE_MESSAGES)}", param="code")
    charging.return_debit(account, intent, code, is_decline_code=bool(params.get("as_decline_code")))
    return intent


def check_processing(intent: Obj) -> None:
    """Raise unless a debit is on its way."""
    if intent["status"] != "processing":
        raise StripeApiError(f"{intent['id']} is {intent['status']}: no debit is on its way.")


def fail_payout(account: StripeAccount, payout: Obj, params: Obj) -> Obj:
    """The bank sends a payout back."""
    return payouts.fail_payout(account, payout)


def cancel_payout(account: StripeAccount, payout: Obj, params: Obj) -> Obj:
    """The merchant cancels a payout before it leaves."""
    return payouts.cancel_payout(account, payout)


def change_payout_amount(account: StripeAccount, payout: Obj, params: Obj) -> Obj:
    """The payout shows another amount than its lines add up to."""
    payout.update(parse_whole_number(params, "amount"))
    return payout


def pay_out(account: StripeAccount, _: Obj, params: Obj) -> Obj:
    """Everything in the balance is paid out now, one payout a currency."""
    return {"payouts": payouts.create_payouts(account)}


def roll_account_keys(account: StripeAccount, _: Obj, params: Obj) -> Obj:
    """The merchant rolls the secret key: the present one ends at once."""
    return roll_keys(account)


def restrict_account(account: StripeAccount, _: Obj, params: Obj) -> Obj:
    """Stripe switches charges off until it has what is `missing` (names with commas), or on again without any."""
    missing = [name for name in str(params.get("missing") or "").split(",") if name]
    return capabilities.restrict_account(account, missing)


def delete_customer(account: StripeAccount, customer: Obj, params: Obj) -> Obj:
    """Somebody deletes the customer in the dashboard."""
    customers.delete_customer(account, customer)
    return customer


def warn_of_fraud(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """A card's issuer reports that a paid charge may be fraud."""
    return fraud_warnings.create_warning(account, get_charge(account, intent), str(params.get("type") or ""))


def ask_for_action(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """An intent waits for a next action of this `type`, for so many `days`."""
    days = parse_whole_number(params, "days").get("days", 3)
    return next_actions.ask_for_action(account, intent, str(params.get("type")), days=days)


def finish_action(account: StripeAccount, intent: Obj, params: Obj) -> Obj:
    """The payer does what was asked, or with `fail` does not in time."""
    if intent["status"] != "requires_action":
        raise StripeApiError(f"{intent['id']} is {intent['status']}: it waits for nothing.")
    flow = charging if intent["object"] == "payment_intent" else setup_intents
    flow.complete_challenge(account, intent, passed=not params.get("fail"))
    return intent


def create_history(account: StripeAccount, _: Obj, params: Obj) -> Obj:
    """Let `entries` have happened to an account."""
    return {"made": history.create_history(account, list(params.get("entries") or []))}


# The name of each act: the kind of object that it is done to, and what it does.
ACTOR_ACTIONS: dict[str, tuple[str, ActorAction]] = {
    "refund": ("payment_intent", refund),
    "settle": ("payment_intent", settle),
    "bounce": ("payment_intent", return_debit),
    "dispute": ("payment_intent", dispute),
    "escalate_inquiry": ("dispute", escalate_inquiry),
    "answer_dispute": ("dispute", answer_dispute),
    "close_dispute": ("dispute", close_dispute),
    "reinstate": ("dispute", reinstate),
    "settle_refund": ("refund", settle_refund),
    "fail_refund": ("refund", fail_refund),
    "detach": ("payment_method", detach),
    "renew": ("payment_method", renew),
    "end_mandate": ("payment_method", end_mandate),
    "fail_payout": ("payout", fail_payout),
    "misstate_payout": ("payout", change_payout_amount),
    "pay_out": ("account", pay_out),
    "cancel_payout": ("payout", cancel_payout),
    "roll_keys": ("account", roll_account_keys),
    "restrict": ("account", restrict_account),
    "delete_customer": ("customer", delete_customer),
    "warn_of_fraud": ("payment_intent", warn_of_fraud),
    "ask_for_action": ("payment_intent", ask_for_action),
    "finish_action": ("payment_intent", finish_action),
    "ask_for_setup_action": ("setup_intent", ask_for_action),
    "finish_setup_action": ("setup_intent", finish_action),
    "play": ("account", create_history),
}


def run_action(world: World, name: str, params: Obj) -> tuple[StripeAccount, Obj | None]:
    """Run the action on the object that `params` names by its kind; raises StripeApiError, KeyError for an unknown act.

    An account is named by its secret key, and created when it is new.
    """
    kind, act = ACTOR_ACTIONS[name]
    subject = str(params.get(kind) or "")
    if kind == "account" and subject.startswith("sk_"):
        owner, _ = get_or_create_account(world, subject)
        world.mark_changed()
        return owner, act(owner, owner.data, params)
    for account in list_accounts(world):
        if subject in account.table(kind):
            found = act(account, account.table(kind)[subject], params)
            world.mark_changed()
            return account, found
    raise build_missing_object_error(kind, subject, kind)


def run_actions(world: World, orders: Obj) -> dict[str, Obj | None]:
    """Several acts, each an object or the bare id of what it is done to; raises StripeApiError."""
    done: dict[str, Obj | None] = {}
    for name, order in orders.items():
        if name not in ACTOR_ACTIONS:
            raise StripeApiError(f"There is no {name}; there are {', '.join(ACTOR_ACTIONS)}.")
        params = order if isinstance(order, dict) else {ACTOR_ACTIONS[name][0]: order}
        done[name] = run_action(world, name, params)[1]
    return done
