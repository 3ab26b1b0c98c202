"""Record, share and invalidate saved methods."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from payers.company_emails import enqueue_company_emails, send_company_email
from payers.models import PayerAccess, PayerCompany
from payments.gateways import RemoteMethod, open_gateway
from payments.models import Attempt, GatewayAccount, SavedMethod, Setup
from payments.saved_methods.removal import end_method, end_method_uses, list_method_uses, lock_method_uses
from wisepay import outbox
from wisepay.errors import NotThere, retry_refusals


@transaction_required
def record_saved_method(
    operation: Attempt | Setup, method: RemoteMethod, *, company: PayerCompany, now: datetime
) -> SavedMethod:
    """Create the row of a method that the gateway saved, or return the one that is there.

    The same card or bank account saved again is the same row, with the newest details. It is shared only if its payer
    asked for that and sees the whole company. Without access to the company nothing becomes its default: an unproved
    registration's method is nobody's to use.
    """
    PayerCompany.objects.select_for_update(no_key=True).get(pk=company.pk)
    is_it = Q(stripe_payment_method_id=method.id) | Q(former_ids__contains=[method.id])
    known = SavedMethod.objects.filter(is_it, account=operation.account).first()
    if known is not None:
        if method.mandate_id and not known.stripe_mandate_id and known.stripe_payment_method_id == method.id:
            SavedMethod.objects.filter(pk=known.pk).update(stripe_mandate_id=method.mandate_id)
        return known
    scope = get_scope(operation, company)
    is_shared = operation.shares_method and scope == PayerAccess.Scope.COMPANY
    same = find_same_method(operation, method, company, scope=scope)
    if same is not None:
        return replace_method(same, operation, method, is_shared=is_shared, now=now)
    owned = SavedMethod.objects.filter(company=company, state="active").exclude(owner=None, registration__isnull=False)
    saved = SavedMethod.objects.create(
        state="active",
        state_at=now,
        created_at=now,
        account=operation.account,
        company=company,
        owner=operation.user,
        registration=operation.registration if operation.user is None else None,
        is_shared=is_shared,
        is_default=scope is not None and not owned.exists(),
        fingerprint=method.fingerprint,
        kind=method.kind,
        **build_method_columns(operation, method),
    )
    if not operation.account.is_current:
        # The account was replaced while this was being saved: the method goes the way of the others there.
        key = f"account:{operation.account_id}:retire:{operation.reference}"
        outbox.enqueue(key, "payments.retire_methods", account_id=operation.account_id)
    if saved.owner_id is not None:
        enqueue_new_method_emails(saved, by_id=saved.owner_id, now=now)
    return saved


def get_scope(operation: Attempt | Setup, company: PayerCompany) -> str | None:
    """How much of the company its payer sees; None for somebody without access."""
    rows = PayerAccess.objects.filter(user=operation.user, company=company, state="active")
    return rows.values_list("scope", flat=True).first()


def build_method_columns(operation: Attempt | Setup, method: RemoteMethod) -> dict[str, Any]:
    """The columns that the newest saving of a method decides."""
    return {
        "stripe_customer_id": operation.stripe_customer_id,
        "stripe_payment_method_id": method.id,
        "stripe_mandate_id": method.mandate_id,
        "acceptance": operation.acceptance,
        "brand": method.brand,
        "last4": method.last4,
        "expires_on": method.expires_on,
    }


def find_same_method(
    operation: Attempt | Setup, method: RemoteMethod, company: PayerCompany, *, scope: str | None
) -> SavedMethod | None:
    """The row of the same card or bank account that the payer may use already: their own, or one shared with them.

    What somebody else keeps for themselves stays apart: neither may change or remove the other's.
    """
    if not method.fingerprint or operation.user is None:
        return None
    theirs = Q(owner=operation.user)
    if scope == PayerAccess.Scope.COMPANY:
        theirs |= Q(is_shared=True)
    rows = SavedMethod.objects.filter(
        theirs, account=operation.account, company=company, kind=method.kind, fingerprint=method.fingerprint
    )
    return rows.exclude(state="removed").order_by("-is_shared", "pk").first()


@transaction_required
def replace_method(
    known: SavedMethod, operation: Attempt | Setup, method: RemoteMethod, *, is_shared: bool, now: datetime
) -> SavedMethod:
    """Give the row the newest details of its card or account, and enqueue that the gateway forgets the older ones."""
    locked = known.lock()
    former = locked.stripe_payment_method_id
    columns = build_method_columns(operation, method) | {"is_shared": locked.is_shared or is_shared, "last_failure": ""}
    columns["former_ids"] = [*locked.former_ids, former]
    if locked.state == "invalid":
        locked.move_locked_to("active", now=now, by="gateway", reason="saved again")
    SavedMethod.objects.filter(pk=locked.pk).update(**columns)
    outbox.enqueue(
        f"method:{locked.pk}:replaced:{former}",
        "payments.forget_replaced_method",
        method_id=locked.pk,
        payment_method_id=former,
    )
    locked.refresh_from_db()
    return locked


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
    """Apply what changed at the gateway: detached, blocked, card replaced, mandate ended. Raises Unavailable."""
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
        elif reason := remote.blocked or ("mandate_invalid" if is_mandate_ended else ""):
            if invalidate_method(row, reason=reason, now=now):
                end_method_uses(row, uses, by="the payment service", now=now)
        else:
            SavedMethod.objects.filter(pk=row.pk).update(
                brand=remote.brand or row.brand, last4=remote.last4 or row.last4, expires_on=remote.expires_on
            )
