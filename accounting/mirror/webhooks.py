"""Webhooks of the accounting packages: verify the signature, record the events, answer. Nothing is read there."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounting.mirror.webhook_events import (
    ChangeEvent,
    UnreadableWebhook,
    is_signed,
    parse_intuit_events,
    parse_xero_events,
    receive_events,
)
from wisepay import clock

MAX_BODY_SIZE = 4 * 1024 * 1024


@csrf_exempt
@require_POST
def xero_webhook(request: HttpRequest) -> HttpResponse:
    """Receive Xero's events, and pass its check that bad signatures are refused."""
    signature = request.headers.get("x-xero-signature", "")
    return receive_webhook(request, "xero", signature, keys=settings.XERO_WEBHOOK_KEY, parse=parse_xero_events)


@csrf_exempt
@require_POST
def intuit_webhook(request: HttpRequest) -> HttpResponse:
    """Receive Intuit's events, of all companies that this app is connected to."""
    signature = request.headers.get("intuit-signature", "")
    return receive_webhook(
        request, "quickbooks", signature, keys=settings.INTUIT_WEBHOOK_VERIFIER, parse=parse_intuit_events
    )


def receive_webhook(
    request: HttpRequest, provider: str, signature: str, *, keys: str, parse: Callable[[bytes], list[ChangeEvent]]
) -> HttpResponse:
    """Record the events; answers 401 for a signature of none of the `keys`, 400 for an unreadable body, else 200."""
    body = request.read(MAX_BODY_SIZE + 1)
    accepted = [key.strip() for key in keys.split(",") if key.strip()]
    if len(body) > MAX_BODY_SIZE or not is_signed(body, signature=signature, keys=accepted):
        return HttpResponse(status=401)
    try:
        receive_events(provider, parse(body), now=clock.now())
    except UnreadableWebhook:
        return HttpResponse(status=400)
    return HttpResponse(status=200)
