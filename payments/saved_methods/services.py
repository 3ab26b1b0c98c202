"""Record, share and invalidate saved methods."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from payers.company_emails import enqueue_company_emails, send_company_email
from payers.models import PayerAccess, PayerCompany
from payments.gateways import RemoteMethod, open_gateway
from payments.models import Attempt, GatewayAccount, SavedMethod, Setup
from payments.saved_methods.removal import end_method, end_method_uses, list_method_uses, lock_method_uses
from wisepay.errors import NotThere, retry_refusals

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


@transaction_required
def record_saved_method(
    operation: Attempt | Setup, method: RemoteMethod, *, company: PayerCompany, now: datetime
) -> SavedMethod:
    """Create the row of a method that the gateway saved, or return the one that is there.

    It is shared only if its payer asked for that and sees the whole company. Without access to the company nothing
    becomes its default: an unproved registration's method is nobody's to use.
    """
    owned = SavedMethod.objects.filter(company=company, state="active").exclude(owner=None, registration__isnull=False)
    is_first = not owned.exists()
    rows = PayerAccess.objects.filter(user=operation.user, company=company, state="active")
    scope = rows.values_list("scope", flat=True).first()
    saved, is_new = SavedMethod.objects.get_or_create(
        account=operation.account,
        stripe_payment_method_id=method.id,
        defaults={
            "state": "active",
            "state_at": now,
            "created_at": now,
            "company": company,
            "owner": operation.user,
            "registration": operation.registration if operation.user is None else None,
            "is_shared": operation.shares_method and scope == PayerAccess.Scope.COMPANY,
            "is_default": is_first and scope is not None,
            "stripe_customer_id": operation.stripe_customer_id,
            "stripe_mandate_id": method.mandate_id,
            "acceptance": operation.acceptance,
            "kind": method.kind,
            "brand": method.brand,
            "last4": method.last4,
            "expires_on": method.expires_on,
        },
    )
    if is_new and saved.owner_id is not None:
        enqueue_new_method_emails(saved, by_id=saved.owner_id, now=now)
    if not is_new and method.mandate_id and not saved.stripe_mandate_id:
        SavedMethod.objects.filter(pk=saved.pk).update(stripe_mandate_id=method.mandate_id)
    return saved


def set_default_method(method: SavedMethod) -> None:
    """Make it the method that is offered first."""
    with transaction():
        list(SavedMethod.objects.select_for_update().filter(company=method.company_id).order_by("pk"))
        SavedMethod.objects.filter(company=method.company_id, is_default=True).update(is_default=False)
        SavedMethod.objects.filter(pk=method.pk, state="active").update(is_default=True)


def share_method(method: SavedMethod, *, by_id: int, now: datetime) -> None:
    """Let everybody with access to the whole company pay with it, and tell them."""
    with transaction():
        locked = method.lock()
        if locked.state == "active" and not locked.is_shared:
            SavedMethod.objects.filter(pk=method.pk).update(is_shared=True)
            enqueue_new_method_emails(locked, by_id=by_id, now=now)


@transaction_required
def enqueue_new_method_emails(method: SavedMethod, *, by_id: int | None, now: datetime) -> None:
    """Enqueue the mails that tell the company's people of a method, one a day at most."""
    enqueue_company_emails(
        method.company_id,
        "payments.email_new_method",
        key=f"method:{method.pk}:new:{now:%Y%m%d}",
        but=by_id,
        method_id=method.pk,
    )


def send_new_method_email(method: SavedMethod, *, recipient_id: int) -> None:
    """Send one of the company's people that a method was saved: which, where it is shared, else only by whom."""
    company = method.company
    if method.state != "active" or method.owner is None:
        return
    who = str(method.owner)
    what = (
        f"{who} shares {method} with {company}: everybody who sees all of it may pay with it."
        if method.is_shared
        else f"{who} saved a payment method for {company}. Only they can pay with it."
    )
    send_company_email(
        company,
        recipient_id=recipient_id,
        subject=f"A payment method of {company.name} was saved",
        lines=[what],
        path=reverse("payments:my_cards"),
        message_id=f"method-new-{method.reference}-{method.is_shared}",
    )


@transaction_required
def invalidate_method(method: SavedMethod, *, reason: str, now: datetime) -> bool:
    """Mark a method that the gateway no longer accepts. False when it was none to use before."""
    locked = method.lock()
    if locked.state != "active":
        return False
    locked.move_locked_to("invalid", now=now, by="gateway", reason=reason, is_default=False, last_failure=reason[:60])
    method.state = locked.state
    return True


def look_up_method(account: GatewayAccount, method: SavedMethod) -> tuple[RemoteMethod, bool]:
    """Return the method as the gateway has it, without a customer if it is gone, and whether its mandate ended.

    Raises Unavailable, also for a refusal that says nothing about this method.
    """
    gateway = open_gateway(account.secret_key.decrypt())
    with retry_refusals():
        try:
            remote = gateway.look_up_method(method.stripe_payment_method_id)
        except NotThere:
            remote = RemoteMethod()
        return remote, bool(method.stripe_mandate_id) and not gateway.is_mandate_active(method.stripe_mandate_id)


def sync_saved_method(account: GatewayAccount, method_id: str, *, now: datetime) -> None:
    """Apply what changed at the gateway: detached, card replaced, mandate ended. Raises Unavailable."""
    rows = SavedMethod.objects.filter(account=account, stripe_payment_method_id=method_id)
    row = rows.select_related("company__merchant").exclude(state="removed").first()
    if row is None:
        return
    remote, is_mandate_ended = look_up_method(account, row)
    with transaction():
        lock_method_uses(row)
        uses = list_method_uses(row)
        if not remote.customer_id:
            end_method(row, uses, by="the payment service", reason="removed at the gateway", now=now)
        elif is_mandate_ended:
            if invalidate_method(row, reason="mandate_invalid", now=now):
                end_method_uses(row, uses, by="the payment service", now=now)
        else:
            SavedMethod.objects.filter(pk=row.pk).update(
                brand=remote.brand or row.brand, last4=remote.last4 or row.last4, expires_on=remote.expires_on
            )
