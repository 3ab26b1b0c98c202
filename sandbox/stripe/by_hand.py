"""What a person does by hand at the practice Stripe: refund, dispute, decide, detach, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.stripe import banks, charging, disputes, mandates, methods, payouts, refunds, trade
from sandbox.stripe.accounts import Account, account_for, every_account
from sandbox.stripe.errors import ApiError, missing_object
from sandbox.world import World

Obj = dict[str, Any]
Act = Callable[[Account, Obj, Obj], Obj | None]


def charge_of(account: Account, intent: Obj) -> Obj:
    """The charge that paid an intent; raises ApiError when none did."""
    if intent["status"] != "succeeded":
        raise ApiError(f"{intent['id']} is {intent['status']}: there is no successful charge.")
    return account.find("charge", intent["latest_charge"])


def number(said: Obj, name: str) -> Obj:
    """The whole number called `name`, if it was said; raises ApiError."""
    value = str(said.get(name) or "").strip()
    if not value:
        return {}
    if not value.isdecimal():
        raise ApiError(f"{name} is a whole number of minor units.", param=name)
    return {name: int(value)}


def refund(account: Account, intent: Obj, said: Obj) -> Obj:
    """Give back `amount` minor units, or what is left."""
    given = {"reason": said.get("reason") or None, **number(said, "amount")}
    return refunds.give_back(account, charge_of(account, intent), given)


def fail_refund(account: Account, item: Obj, said: Obj) -> Obj:
    """The payer's bank sends a refund back."""
    refunds.fail_refund(account, item["id"])
    return item


def settle_refund(account: Account, item: Obj, said: Obj) -> Obj:
    """A slow refund arrives now."""
    refunds.settle_refund(account, item["id"])
    return item


def dispute(account: Account, intent: Obj, said: Obj) -> Obj:
    """The payer goes to the bank; `reason` is one of Stripe's."""
    return disputes.raise_dispute(account, charge_of(account, intent), said.get("reason") or None)


def answer_dispute(account: Account, item: Obj, said: Obj) -> Obj:
    """The merchant hands in evidence."""
    return disputes.submit(account, item)


def close_dispute(account: Account, item: Obj, said: Obj) -> Obj:
    """The bank decides: `outcome` is won or lost."""
    return disputes.settle(account, item, str(said.get("outcome")))


def reinstate(account: Account, item: Obj, said: Obj) -> Obj:
    """The bank gives back after all what a lost dispute took."""
    return disputes.reinstate(account, item)


def detach(account: Account, method: Obj, said: Obj) -> Obj:
    """Take a saved method from its customer."""
    return methods.detach_from(account, method)


def renew(account: Account, method: Obj, said: Obj) -> Obj:
    """The card was reissued: `exp_month`, `exp_year`, `last4`; three more years when nothing is said."""
    dates = {**number(said, "exp_month"), **number(said, "exp_year")}
    last4 = {"last4": str(said["last4"])} if said.get("last4") else {}
    usual = {"exp_year": method["card"]["exp_year"] + 3} if method["type"] == "card" else {}
    return methods.renew(account, method, {**dates, **last4} or usual)


def end_mandate(account: Account, method: Obj, said: Obj) -> Obj | None:
    """The payer revokes the consent to be debited by this method."""
    return mandates.end_mandate(account, method)


def settle(account: Account, intent: Obj, said: Obj) -> Obj:
    """A debit on its way arrives now."""
    refuse_still(intent)
    charging.clear_debit(account, intent)
    return intent


def bounce(account: Account, intent: Obj, said: Obj) -> Obj:
    """A debit on its way comes back now; `code` says why."""
    refuse_still(intent)
    code = str(said.get("code") or "insufficient_funds")
    if code not in banks.FAILURES:
        raise ApiError(f"code is one of {', '.join(banks.FAILURES)}", param="code")
    charging.return_debit(account, intent, code)
    return intent


def refuse_still(intent: Obj) -> None:
    """Raise unless a debit is on its way."""
    if intent["status"] != "processing":
        raise ApiError(f"{intent['id']} is {intent['status']}: no debit is on its way.")


def fail_payout(account: Account, payout: Obj, said: Obj) -> Obj:
    """The bank sends a payout back."""
    return payouts.fail(account, payout)


def misstate_payout(account: Account, payout: Obj, said: Obj) -> Obj:
    """The payout shows another amount than its lines add up to."""
    payout.update(number(said, "amount"))
    return payout


def pay_out(account: Account, _: Obj, said: Obj) -> Obj:
    """Everything in the balance is paid out now, one payout a currency."""
    return {"payouts": payouts.pay_out_all(account)}


def play(account: Account, _: Obj, said: Obj) -> Obj:
    """Let `entries` have happened to an account."""
    return {"made": trade.play(account, list(said.get("entries") or []))}


# The name of each act: the kind of object that it is done to, and what it does.
ACTS: dict[str, tuple[str, Act]] = {
    "refund": ("payment_intent", refund),
    "settle": ("payment_intent", settle),
    "bounce": ("payment_intent", bounce),
    "dispute": ("payment_intent", dispute),
    "answer_dispute": ("dispute", answer_dispute),
    "close_dispute": ("dispute", close_dispute),
    "reinstate": ("dispute", reinstate),
    "settle_refund": ("refund", settle_refund),
    "fail_refund": ("refund", fail_refund),
    "detach": ("payment_method", detach),
    "renew": ("payment_method", renew),
    "end_mandate": ("payment_method", end_mandate),
    "fail_payout": ("payout", fail_payout),
    "misstate_payout": ("payout", misstate_payout),
    "pay_out": ("account", pay_out),
    "play": ("account", play),
}


def do(world: World, name: str, said: Obj) -> tuple[Account, Obj | None]:
    """Do the act to the object that `said` names by its kind; raises ApiError, KeyError for an unknown act.

    An account is named by its secret key, and made when it is new.
    """
    kind, act = ACTS[name]
    wanted = str(said.get(kind) or "")
    if kind == "account" and wanted.startswith("sk_"):
        owner, _ = account_for(world, wanted)
        world.changed()
        return owner, act(owner, owner.data, said)
    for account in every_account(world):
        if wanted in account.table(kind):
            found = act(account, account.table(kind)[wanted], said)
            world.changed()
            return account, found
    raise missing_object(kind, wanted, kind)


def do_in_turn(world: World, orders: Obj) -> dict[str, Obj | None]:
    """Several acts, each an object or the bare id of what it is done to; raises ApiError."""
    done: dict[str, Obj | None] = {}
    for name, order in orders.items():
        if name not in ACTS:
            raise ApiError(f"There is no {name}; there are {', '.join(ACTS)}.")
        said = order if isinstance(order, dict) else {ACTS[name][0]: order}
        done[name] = do(world, name, said)[1]
    return done
