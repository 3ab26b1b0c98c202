"""The CPQ integration's settings, a quote's status for CPQ, and what expires."""

import hashlib
import hmac
import json
import re
import secrets
import uuid
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

import requests
from django.conf import settings
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import Merchant
from merchants.services import warn_of_replaced_keys
from payments.access import has_live_setup
from payments.errors import get_operation_failure
from payments.models import Attempt, Payment
from payments.states import LIVE_STATES
from quotes.models import IDEMPOTENCY_KEY_LIFETIME, Callback, CpqIntegration, IdempotentAnswer, Quote, hash_api_key
from quotes.schemas import CONTRACT_HEADER, CONTRACT_VERSION
from wisepay import outbox
from wisepay.models import User
from wisepay.money import Money
from wisepay.outbound import find_host_problem, open_session
from wisepay.outbox import Retry, handler

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
    if (attempt is not None and attempt.is_live) or has_live_setup(quote.payment):
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
    integration, _is_new = CpqIntegration.objects.get_or_create(merchant=merchant)
    integration.merchant = merchant  # what is known of the merchant is not read again
    return integration


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


GIVE_UP_AFTER = timedelta(days=3)
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
HOST_REGEX = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
HOST_PATTERN = re.compile(rf"(\*\.)?{HOST_REGEX}")
HTTPS_PORT = 443


def find_url_problem(url: str, *, hosts: list[str]) -> str:
    """Why `url` may not be used, in a sentence; empty when it may."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "This is not an address."
    if not url.isascii() or any(c in url for c in " \\<>\"'`{}|^"):
        return "This is not an address: encode spaces and special characters."
    if parts.username is not None or parts.password is not None:
        return "An address with a user name is not accepted."
    if settings.DEMO and parts.scheme == "http" and host in LOOPBACK:
        return ""
    if parts.scheme != "https":
        return "Use an address that begins with https://."
    if port not in (None, HTTPS_PORT):
        return "Leave the port out of the address."
    return find_name_problem(host, hosts=hosts)


def find_name_problem(host: str, *, hosts: list[str]) -> str:
    """Why a host may not be called or returned to, in a sentence; empty when it may."""
    # A browser decodes "evil.com%2f" before it connects: only plain names may meet the patterns.
    if not re.fullmatch(HOST_REGEX, host) or not any(fnmatchcase(host, pattern) for pattern in hosts):
        return f"The host {host or '(none)'} is not in this merchant's list of CPQ hosts."
    # Hosts that were listed before such names were refused.
    problem = find_host_problem(host)
    return f"The host {host} {problem}." if problem else ""


def sign_message(message: str | bytes, *, api_key: str) -> str:
    """Lower-case hex HMAC-SHA256, keyed with the API key."""
    raw = message.encode() if isinstance(message, str) else message
    return hmac.new(api_key.encode(), raw, hashlib.sha256).hexdigest()


def create_signed_return_url(quote: Quote, *, status: str, amount: str, currency: str, now: datetime) -> str:
    """`return_url` with our parameters and their signature added to its query."""
    ours = {
        "wisepay_checkout": quote.reference,
        "wisepay_status": status,
        "wisepay_amount": amount,
        "wisepay_currency": currency,
        "wisepay_reference": quote.payment.reference,
        "wisepay_time": str(int(now.timestamp())),
    }
    text = "\n".join(f"{name}={ours[name]}" for name in sorted(ours))
    ours["wisepay_signature"] = sign_message(text, api_key=get_api_key(quote))
    parts = urlsplit(quote.return_url)
    # The quote's own parameters stay as they were written: its page may read them in a way of its own.
    others = [p for p in parts.query.split("&") if p and not unquote_plus(p).startswith("wisepay_")]
    return urlunsplit(parts._replace(query="&".join([*others, urlencode(ours)])))


def get_api_key(quote: Quote) -> str:
    """The merchant's current API key."""
    return str(CpqIntegration.objects.get(merchant=quote.merchant_id).api_key.decrypt())


def send_callback(callback: Callback, *, now: datetime) -> None:
    """Send the callback once. Raises Retry until CPQ answers 2xx; after three days it is given up and shown as such."""
    if callback.delivered_at or callback.gave_up_at:
        return
    if now - callback.created_at > GIVE_UP_AFTER:
        Callback.objects.filter(pk=callback.pk).update(gave_up_at=now)
        return
    error = post_callback(callback, now=now)
    changes = {"last_error": error[:200], "delivered_at": None if error else now}
    Callback.objects.filter(pk=callback.pk).update(tries=callback.tries + 1, **changes)
    if error:
        raise Retry(error)


def post_callback(callback: Callback, *, now: datetime) -> str:
    """POST the callback, signed; answers why it failed, or nothing."""
    stamp = int(now.timestamp())
    signature = sign_message(f"{stamp}.{callback.body}", api_key=get_api_key(callback.quote))
    headers = {
        "Content-Type": "application/json",
        "Wisepay-Event": callback.event,
        "Wisepay-Delivery": str(callback.delivery),
        CONTRACT_HEADER: CONTRACT_VERSION,
        "Wisepay-Signature": f"t={stamp},v1={signature}",
    }
    try:
        with (
            open_session() as session,
            session.post(
                callback.quote.callback_url,
                data=callback.body.encode(),
                headers=headers,
                timeout=settings.HTTP_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            return "" if 200 <= answer.status_code < 300 else f"CPQ answered {answer.status_code}"
    except requests.RequestException as error:
        return f"CPQ does not answer ({type(error).__name__})"


@handler("quotes.deliver_callback")
def deliver_callback(*, callback_id: int, now: datetime, **_: object) -> None:
    """Send a callback to CPQ."""
    send_callback(Callback.objects.select_related("quote__payment").get(pk=callback_id), now=now)
