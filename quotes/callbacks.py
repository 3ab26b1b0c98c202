"""The addresses that CPQ names, on the merchant's CPQ hosts: which are allowed, and what goes there, signed."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

import requests
from django.conf import settings

from quotes.models import Callback, CpqIntegration, Quote
from wisepay.outbound import find_host_problem, open_session
from wisepay.outbox import Retry, handler

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
