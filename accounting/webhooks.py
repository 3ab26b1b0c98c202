"""Doors that the accounting packages knock at: verify, write down, answer; nobody is asked anything there."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounting.hearing import Event, Unreadable, hear, intuit_events, is_signed, xero_events

LONGEST = 4 * 1024 * 1024


@csrf_exempt
@require_POST
def xero_webhook(request: HttpRequest) -> HttpResponse:
    """Xero's events, and its check whether we tell good signatures from bad ones."""
    signature = request.headers.get("x-xero-signature", "")
    return answer(request, "xero", signature, keys=settings.XERO_WEBHOOK_KEY, read=xero_events)


@csrf_exempt
@require_POST
def intuit_webhook(request: HttpRequest) -> HttpResponse:
    """Intuit's events, of all companies that this app is connected to."""
    signature = request.headers.get("intuit-signature", "")
    return answer(request, "quickbooks", signature, keys=settings.INTUIT_WEBHOOK_VERIFIER, read=intuit_events)


def answer(
    request: HttpRequest, provider: str, signature: str, *, keys: str, read: Callable[[bytes], list[Event]]
) -> HttpResponse:
    """The status alone, without a body: 401 for who cannot sign with one of `keys`, 400 for what makes no sense."""
    body = request.read(LONGEST + 1)
    known = [key.strip() for key in keys.split(",") if key.strip()]
    if len(body) > LONGEST or not is_signed(body, signature=signature, keys=known):
        return HttpResponse(status=401)
    try:
        hear(provider, read(body), now=timezone.now())
    except Unreadable:
        return HttpResponse(status=400)
    return HttpResponse(status=200)
