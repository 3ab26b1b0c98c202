"""The webhook endpoint of the gateway."""

import time

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments.gateways import BadSignature, verify_webhook
from payments.handlers import find_event_handler
from payments.models import GatewayAccount
from wisepay import outbox

CACHE_SECONDS = 60.0  # seconds a process may use a webhook secret it has read
_cached_accounts: dict[str, tuple[float, int, str]] = {}  # seconds of the monotonic clock, id, secret


def find_webhook_account(merchant_ref: str, *, skip_cache: bool = False) -> tuple[int, str] | None:
    """Find the id and webhook secret of a merchant's account, cached so that a webhook costs one query."""
    known = _cached_accounts.get(merchant_ref)
    if known and not skip_cache and time.monotonic() - known[0] < CACHE_SECONDS:
        return known[1], known[2]
    account = GatewayAccount.objects.filter(merchant__reference=merchant_ref).first()
    if account is None:
        return None
    _cached_accounts[merchant_ref] = (time.monotonic(), account.pk, account.webhook_secret.decrypt())
    return account.pk, _cached_accounts[merchant_ref][2]


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest, merchant_ref: str) -> HttpResponse:
    """Verify the event and enqueue the handler that re-reads the object it names."""
    known = find_webhook_account(merchant_ref)
    if known is None:
        return HttpResponse(status=404)
    signature = request.headers.get("Stripe-Signature", "")
    try:
        try:
            event = verify_webhook(request.body, signature=signature, secret=known[1])
        except BadSignature:
            # The secret may have been changed since this process remembered it.
            known = find_webhook_account(merchant_ref, skip_cache=True) or known
            event = verify_webhook(request.body, signature=signature, secret=known[1])
    except BadSignature:
        return HttpResponse("The signature is not right.", status=400, content_type="text/plain")
    found = find_event_handler(event)
    if found is not None:
        name, argument, object_id = found
        outbox.enqueue(
            f"stripe:{known[0]}:{event.id}"[:200], name, account_id=known[0], run_after=None, **{argument: object_id}
        )
    return HttpResponse(status=200)
