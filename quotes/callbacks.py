"""Delivering callbacks to CPQ, and signing what goes there."""

import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

import requests
from django.conf import settings

from quotes.models import Callback, CpqIntegration, Quote
from wisepay.outbox import Retry

GIVE_UP_AFTER = timedelta(days=3)


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
    kept = [p for p in parts.query.split("&") if p and not unquote_plus(p).startswith("wisepay_")]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(ours)])))


def get_api_key(quote: Quote) -> str:
    """The merchant's present API key."""
    return str(CpqIntegration.objects.get(merchant=quote.merchant_id).api_key.decrypt())


def send_callback(callback: Callback, *, now: datetime) -> None:
    """POST it once. Raises Retry until a 2xx; after three days it is given up, visibly."""
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
    """One delivery; answers why it failed, or nothing."""
    stamp = int(now.timestamp())
    signature = sign_message(f"{stamp}.{callback.body}", api_key=get_api_key(callback.quote))
    headers = {
        "Content-Type": "application/json",
        "Wisepay-Event": callback.event,
        "Wisepay-Delivery": str(callback.delivery),
        "Wisepay-Signature": f"t={stamp},v1={signature}",
    }
    try:
        with requests.post(
            callback.quote.callback_url,
            data=callback.body.encode(),
            headers=headers,
            timeout=settings.HTTP_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return "" if 200 <= answer.status_code < 300 else f"CPQ answered {answer.status_code}"
    except requests.RequestException as error:
        return f"CPQ does not answer ({type(error).__name__})"
