"""The webhook endpoint of the gateway."""

import time
from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments.gateway_accounts import note_refused_signature
from payments.gateways import BadSignature, GatewayEvent, verify_webhook
from payments.handlers import find_event_handler
from payments.models import GatewayAccount
from wisepay import clock, outbox

CACHE_SECONDS = 60.0  # seconds a process may use webhook secrets it has read
NOTED_EVERY = 10  # seconds within which a process notes at most once that an account was heard
type WebhookSecrets = dict[int, str]  # of each of a merchant's accounts, the one that takes payments first
_cached_secrets: dict[str, tuple[float, WebhookSecrets]] = {}  # seconds of the monotonic clock
_noted: dict[int, float] = {}  # seconds of the monotonic clock


def find_webhook_secrets(merchant_ref: str, *, skip_cache: bool = False) -> WebhookSecrets:
    """Find the webhook secrets of a merchant's accounts, cached so that a webhook costs one query.

    An account that was replaced still says what becomes of its payments.
    """
    known = _cached_secrets.get(merchant_ref)
    if known and not skip_cache and time.monotonic() - known[0] < CACHE_SECONDS:
        return known[1]
    rows = GatewayAccount.objects.filter(merchant__reference=merchant_ref).exclude(webhook_secret="")
    accounts = sorted(rows, key=lambda account: (not account.is_current, -account.pk))
    secrets = {account.pk: account.webhook_secret.decrypt() for account in accounts}
    if secrets:
        _cached_secrets[merchant_ref] = (time.monotonic(), secrets)
    return secrets


def verify_any(request: HttpRequest, secrets: WebhookSecrets) -> tuple[int, GatewayEvent]:
    """Return the event and whose it is. Raises BadSignature when none of the accounts signed it."""
    signature = request.headers.get("Stripe-Signature", "")
    for account_id, secret in secrets.items():
        with suppress(BadSignature):
            return account_id, verify_webhook(request.body, signature=signature, secret=secret)
    raise BadSignature("signed by none of the merchant's accounts")


def verify_now(request: HttpRequest, merchant_ref: str, secrets: WebhookSecrets) -> tuple[int, GatewayEvent]:
    """As `verify_any`; a secret may have been changed since this process remembered it, so it is read once more."""
    try:
        return verify_any(request, secrets)
    except BadSignature:
        return verify_any(request, find_webhook_secrets(merchant_ref, skip_cache=True) or secrets)


def note_received(account_id: int) -> None:
    """Note when an event of an account came; at most once in NOTED_EVERY."""
    last = _noted.get(account_id)
    if last is None or time.monotonic() - last > NOTED_EVERY:
        _noted[account_id] = time.monotonic()
        GatewayAccount.objects.filter(pk=account_id).update(webhook_received_at=clock.now())


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest, merchant_ref: str) -> HttpResponse:
    """Verify the event and enqueue the handler that re-reads the object it names."""
    secrets = find_webhook_secrets(merchant_ref)
    if not secrets:
        return HttpResponse(status=404)
    try:
        account_id, event = verify_now(request, merchant_ref, secrets)
    except BadSignature:
        if "Stripe-Signature" in request.headers:
            note_refused_signature(next(iter(secrets)), now=clock.now())
        return HttpResponse("The signature is not right.", status=400, content_type="text/plain")
    note_received(account_id)
    found = find_event_handler(event)
    if found is not None:
        name, argument, object_id = found
        outbox.enqueue(
            f"stripe:{account_id}:{event.id}"[:200],
            name,
            account_id=account_id,
            run_after=None,
            **{argument: object_id},
        )
    return HttpResponse(status=200)
