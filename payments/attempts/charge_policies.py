"""Charge policies: functions of the floors above that may forbid a charge."""

from datetime import datetime
from typing import Protocol

from payments.models import Payment
from wisepay.events import add_once


class ChargePolicy(Protocol):
    """Raises CannotPay when `payment` must not be charged `amount` minor units now.

    With `locks` it is a step of an open transaction that has not locked the payment yet: the policy first locks the
    rows of its own floor that the answer depends on, so that it is still true when the attempt is committed.
    """

    def __call__(self, payment: Payment, *, amount: int, locks: bool, now: datetime) -> None: ...


CHARGE_POLICIES: list[ChargePolicy] = []


def register_charge_policy[G: ChargePolicy](policy: G) -> G:
    """Register a policy that is checked before every charge."""
    add_once(CHARGE_POLICIES, policy)
    return policy


def check_charge_policies(payment: Payment, *, amount: int, now: datetime, locks: bool = False) -> None:
    """Check every policy. Raises CannotPay with a message for the payer."""
    for policy in CHARGE_POLICIES:
        policy(payment, amount=amount, locks=locks, now=now)
