"""Remove a saved method: what rests on it ends in the same commit, and both sides are told."""

import hashlib
from datetime import datetime
from typing import Protocol

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.company_emails import enqueue_company_emails, send_company_email
from payments.models import Attempt, GatewayAccount, SavedMethod
from payments.states import LIVE_STATES
from wisepay import outbox


class MethodInUse(Exception):
    """A payment with it has not ended."""


class MethodNeeded(Exception):
    """Automatic payments rest on it, and whoever removes it has not been told; `uses` says what ends."""

    def __init__(self, uses: list[str]) -> None:
        super().__init__(" ".join(uses))
        self.uses = uses


class MethodUse(Protocol):
    """What a floor above charges to saved methods. Every method but `describe` is a step of an open transaction."""

    def describe(self, method: SavedMethod, *, but_owner: bool = False) -> list[str]:
        """What ends or changes once the method can't be charged (`but_owner`: but by its owner), a sentence each."""

    def lock(self, method: SavedMethod) -> None:
        """Lock what is charged to it, before the method itself."""

    def end(self, method: SavedMethod, *, by: str, now: datetime, but_owner: bool = False) -> None:
        """End or change it."""


METHOD_USES: list[MethodUse] = []


def register_method_use(use: MethodUse) -> None:
    """Register what a floor charges to saved methods. Raises ValueError for one of the same kind twice."""
    if any(type(one) is type(use) for one in METHOD_USES):
        raise ValueError(f"{type(use).__name__} is registered already")
    METHOD_USES.append(use)


def list_method_uses(method: SavedMethod, *, but_owner: bool = False) -> list[str]:
    """What ends or changes once the method can't be charged (`but_owner`: but by its owner), a sentence each."""
    return [line for use in METHOD_USES for line in use.describe(method, but_owner=but_owner)]


def get_uses_digest(uses: list[str]) -> str:
    """A short text that changes with what rests on a method, so that a yes is about what was shown."""
    return hashlib.sha256("\n".join(uses).encode()).hexdigest()[:32] if uses else ""


def has_live_attempts(method: SavedMethod) -> bool:
    """Whether a payment with it has not ended."""
    is_used = Q(saved_method=method) | Q(stripe_payment_method_id=method.stripe_payment_method_id)
    return Attempt.objects.filter(is_used, account=method.account_id, state__in=LIVE_STATES).exists()


def remove_method(method: SavedMethod, *, by: str, by_id: int | None = None, shown: str = "", now: datetime) -> None:
    """Remove a method here with what rests on it, and enqueue its removal at the gateway.

    Raises MethodInUse, or MethodNeeded unless `shown` is the digest of what rests on it.
    """
    with transaction():
        lock_method_uses(method)
        method.lock()
        if has_live_attempts(method):
            raise MethodInUse
        uses = list_method_uses(method)
        if get_uses_digest(uses) != shown:
            raise MethodNeeded(uses)
        end_method(method, uses, by=by, by_id=by_id, reason="removed", now=now)


def stop_sharing_method(method: SavedMethod, *, by: str, by_id: int, shown: str = "", now: datetime) -> None:
    """Let only its owner pay with the method from now on; what others had charged to it ends.

    Raises MethodNeeded unless `shown` is the digest of what ends.
    """
    with transaction():
        lock_method_uses(method)
        method.lock()
        uses = list_method_uses(method, but_owner=True)
        if get_uses_digest(uses) != shown:
            raise MethodNeeded(uses)
        SavedMethod.objects.filter(pk=method.pk).update(is_shared=False)
        if uses:
            end_method_uses(method, uses, by=by, by_id=by_id, now=now, but_owner=True)


@transaction_required
def lock_method_uses(method: SavedMethod) -> None:
    """Lock what is charged to the method, the top floor's first."""
    for use in reversed(METHOD_USES):
        use.lock(method)


@transaction_required
def end_method(
    method: SavedMethod, uses: list[str], *, by: str, by_id: int | None = None, reason: str, now: datetime
) -> None:
    """Mark the method as removed, end what rests on it, and tell both sides. The uses are locked.

    The gateway forgets it once no payment with it is on its way.
    """
    if not method.move_to("removed", now=now, by=by, reason=reason, is_default=False):
        return
    outbox.enqueue(f"method:{method.pk}:forget", "payments.forget_method", method_id=method.pk)
    end_method_uses(method, uses, by=by, by_id=by_id, now=now)


@transaction_required
def end_method_uses(
    method: SavedMethod,
    uses: list[str],
    *,
    by: str,
    by_id: int | None = None,
    now: datetime,
    but_owner: bool = False,
) -> None:
    """End what rests on a method that can't be charged any more, and tell its owner, the company and the merchant."""
    for use in reversed(METHOD_USES):
        use.end(method, by=by, now=now, but_owner=but_owner)
    text = "\n".join(uses)
    if uses or method.is_shared or by_id != method.owner_id:
        enqueue_company_emails(
            method.company_id,
            "payments.email_method_removed",
            key=f"method:{method.pk}:ended:{now.timestamp():.0f}",
            also=method.owner_id,
            but=None if uses else by_id,
            method_id=method.pk,
            uses=text,
            by=by,
        )
    if uses:
        notify_merchant(
            method.company.merchant,
            event=EventNotification.Event.AUTOPAY_FAILED,
            key=f"method:{method.pk}:ended",
            title="A payment method that automatic payments used was removed",
            body=f"{method} of {method.company}. {' '.join(uses)}",
            path=reverse("autopay:company", args=[method.company.merchant.reference, method.company.reference]),
            now=now,
        )


def retire_account_methods(account: GatewayAccount, *, now: datetime) -> None:
    """End the methods saved at an account that was replaced, and tell their people; once more it changes nothing."""
    if account.is_current:
        return
    by = f"{account.merchant.name[:60]}, which takes payments through another account now"
    for method in SavedMethod.objects.filter(account=account).exclude(state="removed").order_by("pk"):
        with transaction():
            lock_method_uses(method)
            end_method(method, list_method_uses(method), by=by, reason="the account was replaced", now=now)


def send_method_removed_email(method: SavedMethod, *, uses: str, by: str, recipient_id: int) -> None:
    """Send that a method can't be charged any more, and what ended with it."""
    company = method.company
    changes = {"invalid": "can't be charged any more", "active": "is not shared any more"}
    what = changes.get(method.state, f"was removed by {by}")
    send_company_email(
        company,
        recipient_id=recipient_id,
        subject=f"{method} {changes.get(method.state, 'was removed')}",
        lines=[f"{method} of {company} at {company.merchant} {what}."] + [line for line in uses.split("\n") if line],
        path=reverse("payments:my_cards" if method.is_card else "payments:my_bank_accounts"),
        message_id=f"method-ended-{method.reference}",
    )
