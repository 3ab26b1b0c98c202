"""Notice that the gateway's events don't arrive, and say why: what it made is compared with what was heard."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django_subatomic.db import transaction

from merchants.models import EventNotification
from merchants.services import notify_merchant
from payments.gateway_accounts import ENABLED_EVENTS, get_refused_signature_time, get_webhook_url
from payments.gateways import Gateway, RemoteEndpoint, RemoteEvent, open_gateway
from payments.models import GatewayAccount
from wisepay import outbox
from wisepay.errors import NotPermitted, Rejected, Unavailable

SILENCE_TITLE, KEY_TITLE = "Stripe's events do not arrive", "Stripe does not accept your secret key"
LATE_AFTER = timedelta(minutes=15)  # an event that has not arrived by then is missing: Stripe sends at once
LOOK_BACK = timedelta(days=2)
SLACK = timedelta(seconds=60)  # clocks differ, and a process notes what it heard now and then only

KEY_REFUSED = "Stripe does not accept the saved secret key any more: it was rolled, or deleted there."
NO_ENDPOINT = "No endpoint at Stripe sends events to {url}."
SWITCHED_OFF = "The endpoint at Stripe is switched off."
OTHER_SECRET = "Events come with a signature that the saved signing secret does not fit: it is another endpoint's."  # noqa: S105
EVENTS_MISSING = "The endpoint at Stripe does not send: {kinds}."
NOT_REACHED = "Stripe sends events, and none arrives: {url} can't be reached from there."


def schedule_webhook_checks(*, now: datetime) -> None:
    """Let a worker look whether the events of each account that takes payments arrive."""
    for pk in GatewayAccount.objects.exclude(current_of=None).values_list("pk", flat=True).order_by("pk"):
        outbox.schedule(f"webhooks:{pk}", "payments.check_webhooks", now=now, account_id=pk)


def check_webhooks(account: GatewayAccount, *, now: datetime) -> None:
    """Bring our endpoint up to date, note why events don't arrive, and tell the merchant when that begins.

    A key that may not look leaves what is known as it is. Raises Unavailable.
    """
    gateway = open_gateway(account.secret_key.decrypt())
    try:
        endpoints = [one for one in gateway.list_endpoints() if one.url == get_webhook_url(account.merchant)]
        endpoints = update_own_endpoint(account, gateway, endpoints)
        reason = find_silence_reason(account, gateway, endpoints, now=now)
    except NotPermitted:
        return
    except Rejected as error:
        if error.code != "gateway_key":
            raise Unavailable(str(error)) from error
        reason = KEY_REFUSED
    save_silence_reason(account, reason, now=now)


def update_own_endpoint(
    account: GatewayAccount, gateway: Gateway, endpoints: list[RemoteEndpoint]
) -> list[RemoteEndpoint]:
    """Let the endpoint that we made send what this version of ours needs, and return the endpoints of now."""
    ours = next((one for one in endpoints if one.id == account.webhook_endpoint_id), None)
    if ours is None or not ours.is_enabled:
        return endpoints
    if not ours.is_current:
        renew_endpoint(account, gateway, endpoints)
        return [one for one in gateway.list_endpoints() if one.url == ours.url]
    if set(ENABLED_EVENTS) - set(ours.events):
        gateway.update_endpoint(ours.id, url=ours.url, events=ENABLED_EVENTS)
    return endpoints


def renew_endpoint(account: GatewayAccount, gateway: Gateway, former: Sequence[RemoteEndpoint]) -> None:
    """Make an endpoint of the version that the SDK reads, since a version can't be changed, and delete the former ones.

    The new one sends before the old ones end. If a process dies between, the next look makes another one. When other
    keys were saved meanwhile, theirs is kept.
    """
    endpoint_id, secret = gateway.create_endpoint(url=get_webhook_url(account.merchant), events=ENABLED_EVENTS)
    with transaction():
        locked = GatewayAccount.objects.select_for_update().get(pk=account.pk)
        is_same = locked.webhook_endpoint_id == account.webhook_endpoint_id
        if is_same:
            locked.webhook_endpoint_id, locked.webhook_secret = endpoint_id, secret
            locked.save(update_fields=["webhook_endpoint_id", "webhook_secret"])
            account.webhook_endpoint_id = endpoint_id
    for unused in [one.id for one in former] if is_same else [endpoint_id]:
        gateway.delete_endpoint(unused)


def find_silence_reason(
    account: GatewayAccount, gateway: Gateway, endpoints: Sequence[RemoteEndpoint], *, now: datetime
) -> str:
    """Why events don't arrive, as a sentence; empty when they do, or when none was to come."""
    since = max(account.verified_at or account.created_at, now - LOOK_BACK)
    until = now - LATE_AFTER
    made = gateway.list_events(since=since, until=until) if since < until else []
    expected = next((event for event in made if event.kind in ENABLED_EVENTS), None)
    received = account.webhook_received_at
    if expected is not None and (received is None or received < expected.created_at - SLACK):
        return explain_silence(account, endpoints, expected)
    return explain_missing_events(account, endpoints)


def explain_silence(account: GatewayAccount, endpoints: Sequence[RemoteEndpoint], expected: RemoteEvent) -> str:
    """Why an event that was made did not arrive."""
    url, refused = get_webhook_url(account.merchant), get_refused_signature_time(account)
    if not endpoints:
        return NO_ENDPOINT.format(url=url)
    if not any(one.is_enabled for one in endpoints):
        return SWITCHED_OFF
    if refused is not None and refused >= expected.created_at - SLACK:
        return OTHER_SECRET
    return explain_missing_events(account, endpoints) or NOT_REACHED.format(url=url)


def explain_missing_events(account: GatewayAccount, endpoints: Sequence[RemoteEndpoint]) -> str:
    """Which events an endpoint that the merchant made does not send; empty for all, and for one that we made."""
    sent = {kind for one in endpoints if one.is_enabled for kind in one.events}
    missing = [] if not sent or "*" in sent else [kind for kind in ENABLED_EVENTS if kind not in sent]
    is_ours = any(one.id == account.webhook_endpoint_id for one in endpoints)
    if not missing or is_ours:
        return ""
    return EVENTS_MISSING.format(kinds=", ".join(missing[:6]) + (" and others" if len(missing) > 6 else ""))


def save_silence_reason(account: GatewayAccount, reason: str, *, now: datetime) -> None:
    """Save the reason, and notify the merchant's people when there is a new one."""
    if reason[:300] == account.silence_reason:
        return
    with transaction():
        GatewayAccount.objects.filter(pk=account.pk).update(silence_reason=reason[:300])
        if reason:
            notify_merchant(
                account.merchant,
                event=EventNotification.Event.GATEWAY_REFUSED,
                key=f"silence:{account.pk}:{now:%Y-%m-%d}:{len(reason)}",
                title=KEY_TITLE if reason == KEY_REFUSED else SILENCE_TITLE,
                body=f"{reason} What payments, refunds and disputes become at Stripe is seen late here, or not at all. "
                "The Gateway page says what to do.",
                path=reverse("payments:gateway", args=[account.merchant.reference]),
                now=now,
            )


def sync_account(account: GatewayAccount, *, now: datetime) -> None:
    """Look up what Stripe lets the account do; the merchant is told once a day of what is off. Raises Unavailable."""
    try:
        remote = open_gateway(account.secret_key.decrypt()).look_up_account()
    except Rejected as error:
        raise Unavailable(str(error)) from error
    if remote.takes_charges and remote.pays_out:
        return
    what = "take payments" if not remote.takes_charges else "pay out to your bank"
    wanted = f" It still wants: {', '.join(remote.missing)}." if remote.missing else ""
    with transaction():
        notify_merchant(
            account.merchant,
            event=EventNotification.Event.GATEWAY_REFUSED,
            key=f"restricted:{account.pk}:{now:%Y-%m-%d}",
            title="Stripe has restricted your account",
            body=f"Stripe does not let {account.stripe_account_id} {what} at the moment.{wanted} Sign in at Stripe and "
            "answer what it asks.",
            path=reverse("payments:gateway", args=[account.merchant.reference]),
            now=now,
        )
