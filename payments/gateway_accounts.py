"""Prove and save the keys of a merchant's gateway accounts, and change from one account or mode to another."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.core.cache import cache
from django.db.models import QuerySet
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import Merchant
from merchants.services import warn_of_replaced_keys
from payments.gateways import Gateway, open_gateway
from payments.models import Attempt, Dispute, GatewayAccount, Refund, SavedMethod, Setup
from payments.states import LIVE_STATES
from wisepay import clock, outbox
from wisepay.addresses import build_public_url, get_public_host
from wisepay.errors import NotPermitted, Rejected, Unavailable
from wisepay.health_checks import HealthCheckResult, examine, register_health_check
from wisepay.models import User

# The events that the endpoint at Stripe has to send; payments.handlers says what each leads to.
ENABLED_EVENTS = (
    "account.updated",
    "capability.updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.updated",
    "charge.refunded",
    "customer.deleted",
    "mandate.updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "payout.canceled",
    "payout.failed",
    "payout.paid",
    "payout.reconciliation_completed",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "setup_intent.canceled",
    "setup_intent.requires_action",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
)
# What a restricted key has to allow (docs.stripe.com/keys/restricted-api-keys), as Stripe's dashboard names it.
KEY_PERMISSIONS = (
    ("Account", "Read"),
    ("Balance, Balance transactions, Payouts", "Read"),
    ("Charges and Refunds", "Write"),
    ("Confirmation tokens", "Read"),
    ("Customers", "Write"),
    ("Disputes", "Read"),
    ("Events", "Read"),
    ("PaymentIntents", "Write"),
    ("PaymentMethods", "Write"),
    ("Payment method domains", "Write"),
    ("SetupIntents", "Write"),
    ("Webhook endpoints", "Write, or make the endpoint yourself"),
)


DAY = timedelta(days=1)
REFUSED_KEY, REFUSED_FOR = "webhook-refused:{}", 2 * 86_400  # seconds


class PublishableKeyOfAnother(Exception):
    """The publishable key is of another account or mode than the secret key, or of none."""


class EndpointNotMade(Exception):
    """The secret key may not make the webhook endpoint, and no signing secret of one was given."""


class ChangeNotShown(Exception):
    """What changing the account does is not what its page showed."""


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """Keys that were proved together: all of one account and mode."""

    stripe_account_id: str
    publishable_key: str
    secret_key: str
    webhook_secret: str
    webhook_endpoint_id: str = ""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What changing the merchant's account leaves behind at the present one, in numbers."""

    methods: int
    attempts: int
    setups: int
    refunds: int
    disputes: int

    @property
    def digest(self) -> str:
        """A short text that changes with the numbers, so that a yes is about what was shown."""
        numbers = (self.methods, self.attempts, self.setups, self.refunds, self.disputes)
        return hashlib.sha256(repr(numbers).encode()).hexdigest()[:32]

    @property
    def undecided(self) -> int:
        """How many things there the gateway has not decided."""
        return self.attempts + self.setups + self.refunds


def prove_keys(merchant: Merchant, *, publishable_key: str, secret_key: str, webhook_secret: str = "") -> GatewayKeys:
    """Prove that the keys are of one account and mode, and that its events reach us; changes nothing here.

    Without a `webhook_secret` the endpoint is made at the gateway, or the one that we made before brought up to date.
    Raises PublishableKeyOfAnother, EndpointNotMade, Rejected or Unavailable.
    """
    gateway = open_gateway(secret_key)
    account_id = gateway.get_account_id()
    if not gateway.accepts_publishable_key(publishable_key):
        raise PublishableKeyOfAnother
    endpoint_id = ""
    if not webhook_secret:
        known = GatewayAccount.objects.filter(
            merchant=merchant, stripe_account_id=account_id, is_live=is_live_key(secret_key)
        ).first()
        endpoint_id, webhook_secret = ensure_endpoint(gateway, merchant, known)
    return GatewayKeys(account_id, publishable_key, secret_key, webhook_secret, endpoint_id)


def ensure_endpoint(gateway: Gateway, merchant: Merchant, known: GatewayAccount | None) -> tuple[str, str]:
    """Bring our endpoint at the gateway up to date, or make one; returns its id and signing secret.

    The secret is told only when an endpoint is made, so another one of the same address is of no use and deleted. So is
    ours when its events come in the version of an older SDK, since a version can't be changed.
    """
    url = get_webhook_url(merchant)
    try:
        endpoints = [one for one in gateway.list_endpoints() if one.url == url]
        ours = next(
            (one for one in endpoints if known and one.id == known.webhook_endpoint_id and one.is_current), None
        )
        if ours is not None and known is not None:
            gateway.update_endpoint(ours.id, url=url, events=ENABLED_EVENTS)
            return ours.id, known.webhook_secret.decrypt()
        made = gateway.create_endpoint(url=url, events=ENABLED_EVENTS)
        for one in endpoints:
            gateway.delete_endpoint(one.id)
    except NotPermitted as error:
        raise EndpointNotMade from error
    return made


def is_live_key(key: str) -> bool:
    """Whether real money moves with this key."""
    return "_live_" in key


def connect_gateway_account(
    merchant: Merchant,
    *,
    publishable_key: str,
    secret_key: str,
    webhook_secret: str = "",
    now: datetime,
    by: User | None = None,
) -> GatewayAccount:
    """Prove the keys, then store them. Raises what `prove_keys` raises; nothing is stored then."""
    keys = prove_keys(merchant, publishable_key=publishable_key, secret_key=secret_key, webhook_secret=webhook_secret)
    return store_keys(merchant, keys, now=now, by=by, shows_wallets=True)


def save_gateway_account(
    merchant: Merchant,
    *,
    publishable_key: str,
    secret_key: str,
    webhook_secret: str,
    now: datetime,
    by: User | None = None,
) -> GatewayAccount:
    """Store keys without proving more of them than whose secret key it is. Raises Rejected or Unavailable."""
    account_id = open_gateway(secret_key).get_account_id()
    return store_keys(merchant, GatewayKeys(account_id, publishable_key, secret_key, webhook_secret), now=now, by=by)


def store_keys(
    merchant: Merchant, keys: GatewayKeys, *, now: datetime, by: User | None = None, shows_wallets: bool = False
) -> GatewayAccount:
    """Store the keys of an account. The first one takes payments at once, another one when somebody changes to it.

    The admins are told when keys of the present account are replaced. With `shows_wallets` our domain is registered.
    """
    with transaction():
        locked = Merchant.objects.select_for_update().get(pk=merchant.pk)
        is_first = not GatewayAccount.objects.filter(current_of=locked).exists()
        account, is_new = GatewayAccount.objects.update_or_create(
            merchant=locked,
            stripe_account_id=keys.stripe_account_id,
            is_live=is_live_key(keys.secret_key),
            defaults={
                "publishable_key": keys.publishable_key,
                "secret_key": keys.secret_key,
                "webhook_secret": keys.webhook_secret,
                "webhook_endpoint_id": keys.webhook_endpoint_id,
                "silence_reason": "",
                "verified_at": now,
                **({"current_of": locked, "replaced_at": None} if is_first else {}),
            },
        )
        if by and not is_new:
            warn_of_change(merchant, by=by, now=now)
        if shows_wallets:
            outbox.schedule(f"account:{account.pk}:domain", "payments.register_domain", now=now, account_id=account.pk)
    cache.delete(REFUSED_KEY.format(account.pk))
    return account


def register_public_domain(account: GatewayAccount) -> None:
    """Register the domain of our pages, on which alone wallets are shown. Raises Unavailable.

    Cards and debits don't need it, so a key that may not do it is no fault.
    """
    with suppress(Rejected):
        open_gateway(account.secret_key.decrypt()).register_domain(get_public_host())


def note_refused_signature(account_id: int, *, now: datetime) -> None:
    """Note that a webhook came with a wrong signature; not in the database, since anybody can send one."""
    cache.set(REFUSED_KEY.format(account_id), now, REFUSED_FOR)


def get_refused_signature_time(account: GatewayAccount) -> datetime | None:
    """When a webhook with a wrong signature came last."""
    found = cache.get(REFUSED_KEY.format(account.pk))
    return found if isinstance(found, datetime) else None


@transaction_required
def warn_of_change(merchant: Merchant, *, by: User, now: datetime) -> None:
    """Tell the admins that other keys take the place of the present ones."""
    path = reverse("payments:gateway", args=[merchant.reference])
    warn_of_replaced_keys(merchant, what="The Stripe keys", by=by, path=path, now=now)


def count_open_at(account: GatewayAccount) -> AccountChange:
    """Count what is open at an account: saved methods, and what the gateway or a bank has not decided."""
    return AccountChange(
        methods=list_methods_to_retire(account).count(),
        attempts=Attempt.objects.filter(account=account, state__in=LIVE_STATES).count(),
        setups=Setup.objects.filter(account=account, state__in=LIVE_STATES).count(),
        refunds=Refund.objects.filter(attempt__account=account, state="processing").count(),
        disputes=Dispute.objects.filter(attempt__account=account, state__in=["inquiry", "open"]).count(),
    )


def list_methods_to_retire(account: GatewayAccount) -> "QuerySet[SavedMethod]":
    """The methods of an account that were not removed."""
    return SavedMethod.objects.filter(account=account).exclude(state="removed").order_by("pk")


def change_gateway_account(target: GatewayAccount, *, shown: str, by: User, now: datetime) -> None:
    """Let `target` take the merchant's payments from now on, in place of the present account.

    The methods of before are retired by a message. Raises ChangeNotShown unless `shown` is the digest of what is open.
    """
    with transaction():
        merchant = Merchant.objects.select_for_update().get(pk=target.merchant_id)
        present = GatewayAccount.objects.select_for_update().filter(current_of=merchant).first()
        if present == target:
            return
        if present is not None:
            if count_open_at(present).digest != shown:
                raise ChangeNotShown
            GatewayAccount.objects.filter(pk=present.pk).update(current_of=None, replaced_at=now)
            outbox.enqueue(
                f"account:{present.pk}:retire:{now.timestamp():.0f}", "payments.retire_methods", account_id=present.pk
            )
        GatewayAccount.objects.filter(pk=target.pk).update(
            current_of=merchant,
            replaced_at=None,
            takes_bank_debits=target.takes_bank_debits or bool(present and present.takes_bank_debits),
        )
        warn_of_change(merchant, by=by, now=now)


def is_unreachable(account: GatewayAccount, error: BaseException | None) -> bool:
    """Whether nothing at this account can be decided any more: it was replaced, and its keys are not accepted."""
    return isinstance(error, Rejected) and error.code == "gateway_key" and not account.is_current


def set_bank_debits(merchant: Merchant, *, is_on: bool) -> None:
    """Set whether the merchant's payers may pay by bank debit."""
    GatewayAccount.objects.filter(current_of=merchant).update(takes_bank_debits=is_on)


def get_webhook_url(merchant: Merchant) -> str:
    """Where Stripe has to send this merchant's events."""
    return build_public_url(reverse("payments:stripe_webhook", args=[merchant.reference]))


@register_health_check
def check_gateway_keys() -> Iterator[HealthCheckResult]:
    """Check that every merchant's secret key works; one of an account that was replaced need not."""
    for account in GatewayAccount.objects.select_related("merchant"):
        yield from examine("stripe key", partial(check_account_key, account), whose=str(account.merchant))


def check_account_key(account: GatewayAccount) -> Iterator[HealthCheckResult]:
    """Check one account's secret key."""
    try:
        open_gateway(account.secret_key.decrypt()).get_account_id()
        yield HealthCheckResult("stripe key", True, f"{account.merchant}: accepted")
    except (Rejected, Unavailable) as error:
        yield HealthCheckResult("stripe key", False if account.is_current else None, f"{account.merchant}: {error}")


@register_health_check
def check_gateway_webhooks() -> Iterator[HealthCheckResult]:
    """Say of every account that takes payments whether Stripe's events arrive, and why not."""
    for account in GatewayAccount.objects.exclude(current_of=None).select_related("merchant"):
        if account.silence_reason:
            yield HealthCheckResult("stripe webhooks", False, f"{account.merchant}: {account.silence_reason}")
        elif account.webhook_received_at is None:
            yield HealthCheckResult("stripe webhooks", None, f"{account.merchant}: none has come yet")
        else:
            yield HealthCheckResult(
                "stripe webhooks", True, f"{account.merchant}: last {account.webhook_received_at:%c}"
            )


@register_health_check
def check_undecided_attempts() -> Iterator[HealthCheckResult]:
    """Count the attempts that the gateway has not decided; one that no bank and no payer has, is decided in a day."""
    live = Attempt.objects.filter(state__in=LIVE_STATES)
    count, late = live.count(), live.filter(state="processing", submitted_at=None, created_at__lt=clock.now() - DAY)
    if late.exists():
        said = f"{late.count()} for more than a day, for example {late.order_by('pk')[0].reference}"
        yield HealthCheckResult("attempts undecided", False, said)
    else:
        yield HealthCheckResult("attempts undecided", None if count else True, f"{count} being asked about")
