"""Record, share, remove and invalidate saved methods."""

from datetime import datetime

from django.db.models import Q
from django_subatomic.db import transaction, transaction_required

from payers.models import PayerAccess, PayerCompany
from payments.gateways import RemoteMethod, open_gateway
from payments.models import Attempt, GatewayAccount, SavedMethod, Setup
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.errors import Rejected

# Codes after which the gateway will never take this method again (docs.stripe.com/declines, /ach#return-codes).
PERMANENT_FAILURES = frozenset(
    {
        "account_closed",
        "bank_account_restricted",
        "bank_ownership_changed",
        "debit_not_authorized",
        "dead_mandate",
        "expired_card",
        "invalid_account_number",
        "lost_card",
        "mandate_invalid",
        "no_account",
        "payment_intent_mandate_invalid",
        "payment_method_invalid_parameter",
        "payment_method_unexpected_state",
        "resource_missing",
        "stolen_card",
    }
)


class MethodInUse(Exception):
    """A payment with it has not ended."""


@transaction_required
def record_saved_method(
    operation: Attempt | Setup, method: RemoteMethod, *, company: PayerCompany, now: datetime
) -> SavedMethod:
    """Create the row of a method that the gateway saved, or return the one that is there."""
    is_first = not SavedMethod.objects.filter(company=company, state="active").exists()
    scope = PayerAccess.objects.filter(user=operation.user, company=company).values_list("scope", flat=True).first()
    saved, is_new = SavedMethod.objects.get_or_create(
        account=operation.account,
        stripe_payment_method_id=method.id,
        defaults={
            "state": "active",
            "state_at": now,
            "created_at": now,
            "company": company,
            "owner": operation.user,
            "is_shared": scope == PayerAccess.Scope.COMPANY,
            "is_default": is_first,
            "stripe_customer_id": operation.stripe_customer_id,
            "stripe_mandate_id": method.mandate_id,
            "acceptance": operation.acceptance,
            "kind": method.kind,
            "brand": method.brand,
            "last4": method.last4,
            "expires_on": method.expires_on,
        },
    )
    if not is_new and method.mandate_id and not saved.stripe_mandate_id:
        SavedMethod.objects.filter(pk=saved.pk).update(stripe_mandate_id=method.mandate_id)
    return saved


def set_default_method(method: SavedMethod) -> None:
    """Make it the method that is offered first."""
    with transaction():
        list(SavedMethod.objects.select_for_update().filter(company=method.company_id).order_by("pk"))
        SavedMethod.objects.filter(company=method.company_id, is_default=True).update(is_default=False)
        SavedMethod.objects.filter(pk=method.pk, state="active").update(is_default=True)


def share_method(method: SavedMethod, *, is_shared: bool) -> None:
    """Set whether everybody with access to the whole company may pay with it."""
    SavedMethod.objects.filter(pk=method.pk).update(is_shared=is_shared)


def remove_method(method: SavedMethod, *, by: str, now: datetime) -> None:
    """Remove a method here, and enqueue its removal at the gateway. Raises MethodInUse."""
    with transaction():
        method.lock()
        is_used = Q(saved_method=method) | Q(stripe_payment_method_id=method.stripe_payment_method_id)
        if Attempt.objects.filter(is_used, account=method.account_id, state__in=LIVE_STATES).exists():
            raise MethodInUse
        if method.move_to("removed", now=now, by=by, reason="removed", is_default=False):
            outbox.enqueue(f"method:{method.pk}:forget", "payments.forget_method", method_id=method.pk)


@transaction_required
def invalidate_method(method: SavedMethod, *, reason: str, now: datetime) -> None:
    """Mark a method that the gateway no longer accepts."""
    locked = method.lock()
    if locked.state == "active":
        locked.move_locked_to(
            "invalid", now=now, by="gateway", reason=reason, is_default=False, last_failure=reason[:60]
        )


def sync_saved_method(account: GatewayAccount, method_id: str, *, now: datetime) -> None:
    """Apply what changed at the gateway: detached, card replaced, mandate ended. Raises Unavailable."""
    rows = SavedMethod.objects.filter(account=account, stripe_payment_method_id=method_id)
    row = rows.exclude(state="removed").first()
    if row is None:
        return
    gateway = open_gateway(account.secret_key.decrypt())
    try:
        remote = gateway.look_up_method(method_id)
    except Rejected:
        remote = RemoteMethod()
    is_mandate_ended = bool(row.stripe_mandate_id) and not gateway.is_mandate_active(row.stripe_mandate_id)
    with transaction():
        if not remote.customer_id:
            row.move_to("removed", now=now, by="gateway", reason="removed at the gateway", is_default=False)
        elif is_mandate_ended:
            invalidate_method(row, reason="mandate_invalid", now=now)
        else:
            SavedMethod.objects.filter(pk=row.pk).update(
                brand=remote.brand or row.brand, last4=remote.last4 or row.last4, expires_on=remote.expires_on
            )
