"""Guards: what the floors above know that stands against charging a payment. They register, payments asks."""

from datetime import datetime
from typing import Protocol

from payments.models import Payment
from wisepay.registries import add_once


class ChargePolicy(Protocol):
    """Raises CannotPay when `payment` must not be charged `amount` minor units now.

    With `locks` it is a step of an open transaction that has not locked the payment yet: the guard first locks the
    rows of its own floor that the answer depends on, so that it still holds when the attempt is committed.
    """

    def __call__(self, payment: Payment, *, amount: int, locks: bool, now: datetime) -> None: ...


CHARGE_POLICIES: list[ChargePolicy] = []


def register_charge_policy[G: ChargePolicy](policy: G) -> G:
    """Register a guard that is asked before every charge."""
    add_once(CHARGE_POLICIES, policy)
    return policy


def check_charge_policies(payment: Payment, *, amount: int, now: datetime, locks: bool = False) -> None:
    """Ask every guard. Raises CannotPay, in words for the payer."""
    for guard in CHARGE_POLICIES:
        guard(payment, amount=amount, locks=locks, now=now)
