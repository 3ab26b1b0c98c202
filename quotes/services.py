"""The CPQ integration's settings, a quote's status for CPQ, and what expires."""

import json
import secrets
import uuid
from datetime import datetime
from typing import Any

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import Merchant
from merchants.services import warn_of_replaced_keys
from payments.access import find_live_setup
from payments.failure_messages import get_operation_failure
from payments.models import Attempt, Payment
from payments.states import LIVE_STATES
from quotes.models import IDEMPOTENCY_KEY_LIFETIME, Callback, CpqIntegration, IdempotentAnswer, Quote, hash_api_key
from wisepay import outbox
from wisepay.models import User
from wisepay.money import Money
from wisepay.outbox import handler

PAID_STATES = {"succeeded": "paid", "saved": "saved"}
FINAL_STATES = {"withdrawn": "withdrawn"}


def get_last_attempt(payment: Payment) -> Attempt | None:
    """The newest attempt; the succeeded one, if there is one."""
    attempts = list(payment.attempts.order_by("-pk"))
    return next((a for a in attempts if a.state == "succeeded"), attempts[0] if attempts else None)


def get_checkout_status(quote: Quote, attempt: Attempt | None, *, now: datetime) -> str:
    """open | processing | paid | saved | failed | expired | withdrawn."""
    if quote.payment.state in PAID_STATES:
        return PAID_STATES[quote.payment.state]
    if quote.state in FINAL_STATES:
        return FINAL_STATES[quote.state]
    if (attempt is not None and attempt.is_live) or find_live_setup(quote.payment):
        return "processing"
    if quote.state == "expired" or quote.payment.is_expired(now):
        return "expired"
    return "failed" if attempt is not None and attempt.state in ("failed", "reversed") else "open"


def render_checkout(quote: Quote, *, now: datetime) -> dict[str, Any]:
    """The checkout as `GET /checkouts/{id}` answers it."""
    payment = quote.payment
    attempt = get_last_attempt(payment)
    return {
        "id": quote.reference,
        "status": get_checkout_status(quote, attempt, now=now),
        "url": payment.pay_url,
        "quote": {"id": quote.cpq_id, "number": quote.number, "version": quote.version, "name": quote.name},
        "amount_due": _money(payment.due),
        "expires_at": _time(payment.expires_at),
        "payment": _payment(payment, attempt) if attempt else None,
    }


def _payment(payment: Payment, attempt: Attempt) -> dict[str, Any]:
    return {
        "amount": _money(attempt.money),
        "surcharge": _money(Money(0, payment.currency)),
        "method": attempt.method_kind or None,
        "brand": attempt.brand or None,
        "last4": attempt.last4 or None,
        "reference": payment.reference,
        "paid_at": _time(payment.paid_at) if payment.paid_at else None,
        "error": get_operation_failure(attempt) or None,
    }


def _money(money: Money) -> dict[str, str]:
    return {"amount": money.plain, "currency": money.currency}


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def sync_quote_state(quote: Quote, *, now: datetime) -> None:
    """Bring the quote's state in line with its payment's, and schedule a callback if the status changed. Idempotent."""
    with transaction():
        locked = quote.lock()
        locked.payment = Payment.objects.select_related("merchant").get(pk=locked.payment_id)
        state = PAID_STATES.get(locked.payment.state)
        if state and locked.state in ("open", "expired"):
            locked.move_to(state, now=now, by="gateway")
        elif locked.payment.state == "reversed" and locked.state == "paid":
            locked.move_to("open", now=now, by="gateway", reason="payment reversed")
        schedule_status_callback(locked, now=now)
    quote.refresh_from_db()


@transaction_required
def schedule_status_callback(quote: Quote, *, now: datetime) -> None:
    """Enqueue a callback if the status differs from the last one sent."""
    body = render_checkout(quote, now=now)
    if body["status"] == quote.notified_status:
        return
    quote.notified_status = body["status"]
    Quote.objects.filter(pk=quote.pk).update(notified_status=quote.notified_status)
    if quote.callback_url:
        event = f"checkout.{quote.notified_status}"
        callback = Callback.objects.create(
            quote=quote, delivery=uuid.uuid4(), event=event, body=json.dumps(body), created_at=now
        )
        outbox.enqueue(f"callback:{callback.delivery}", "quotes.deliver_callback", callback_id=callback.pk)


KEY_PREFIX = "wpk_"


def get_integration(merchant: Merchant) -> CpqIntegration:
    """The merchant's integration, created if needed."""
    return CpqIntegration.objects.get_or_create(merchant=merchant)[0]


def save_integration(
    integration: CpqIntegration,
    *,
    is_enabled: bool,
    hosts: list[str],
    new_key: bool,
    now: datetime,
    by: User | None = None,
) -> CpqIntegration:
    """Save the switch and the hosts; with `new_key` a fresh API key takes the place of the old one at once.

    The admins are told when somebody (`by`) replaces a key.
    """
    with transaction():
        rows = CpqIntegration.objects.select_for_update(of=("self",)).select_related("merchant")
        locked = rows.get(pk=integration.pk)
        if by and new_key and locked.api_key:
            path = reverse("quotes:integration", args=[locked.merchant.reference])
            warn_of_replaced_keys(locked.merchant, what="The ConnectWise API key", by=by, path=path, now=now)
        locked.is_enabled, locked.hosts = is_enabled, hosts
        if new_key:
            key = KEY_PREFIX + secrets.token_urlsafe(30).replace("-", "x").replace("_", "y")
            locked.api_key, locked.api_key_digest, locked.key_created_at = key, hash_api_key(key), now
        locked.save()
    return locked


def delete_expired_answers(*, now: datetime) -> int:
    """Delete the stored answers to idempotency keys that expired; answers how many."""
    return IdempotentAnswer.objects.filter(created_at__lte=now - IDEMPOTENCY_KEY_LIFETIME).delete()[0]


def expire_quotes(*, now: datetime, limit: int = 500) -> int:
    """Expire open quotes whose deadline passed, unless an attempt is live; answers how many."""
    overdue = (
        Quote.objects.filter(state="open", payment__state="open", payment__expires_at__lte=now)
        .exclude(payment__attempts__state__in=LIVE_STATES)
        .order_by("pk")
    )
    count = 0
    for quote in overdue[:limit]:
        with transaction():
            locked = quote.lock()
            locked.payment = locked.payment.lock()
            is_live = locked.payment.attempts.filter(state__in=LIVE_STATES).exists()
            if (
                locked.state == "open"
                and locked.payment.state == "open"
                and locked.payment.is_expired(now)
                and not is_live
            ):
                locked.move_to("expired", now=now, by="sweeper")
                schedule_status_callback(locked, now=now)
                count += 1
    return count


@handler("quotes.record_outcome")
def record_outcome(*, payment_id: int, now: datetime, **_: object) -> None:
    """Bring a quote's state in line with its payment's."""
    for quote in Quote.objects.filter(payment_id=payment_id):
        sync_quote_state(quote, now=now)
