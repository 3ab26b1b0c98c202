"""Doors that the accounting packages knock at: verify, write down, answer; nobody is asked anything there."""

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
    """Xero's events, and its check whether we tell good signatures from bad ones."""
    signature = request.headers.get("x-xero-signature", "")
    return receive_webhook(request, "xero", signature, keys=settings.XERO_WEBHOOK_KEY, parse=parse_xero_events)


@csrf_exempt
@require_POST
def intuit_webhook(request: HttpRequest) -> HttpResponse:
    """Intuit's events, of all companies that this app is connected to."""
    signature = request.headers.get("intuit-signature", "")
    return receive_webhook(
        request, "quickbooks", signature, keys=settings.INTUIT_WEBHOOK_VERIFIER, parse=parse_intuit_events
    )


def receive_webhook(
    request: HttpRequest, provider: str, signature: str, *, keys: str, parse: Callable[[bytes], list[ChangeEvent]]
) -> HttpResponse:
    """The status alone, without a body: 401 for who cannot sign with one of `keys`, 400 for what makes no sense."""
    body = request.read(MAX_BODY_SIZE + 1)
    known = [key.strip() for key in keys.split(",") if key.strip()]
    if len(body) > MAX_BODY_SIZE or not is_signed(body, signature=signature, keys=known):
        return HttpResponse(status=401)
    try:
        receive_events(provider, parse(body), now=clock.now())
    except UnreadableWebhook:
        return HttpResponse(status=400)
    return HttpResponse(status=200)
