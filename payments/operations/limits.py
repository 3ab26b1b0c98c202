"""Limits against card testing: which tries count, how many a quote, a network or a merchant may make, and the brake."""

import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.models import PayerCompany
from payments.errors import MerchantBraked, StormDetected, TooManyAttempts
from payments.models import Attempt, AttemptBrake, GatewayOperation, Payment, Setup
from payments.saved_methods.choices import PaymentChoice, Person
from payments.states import LIVE_STATES
from wisepay.budgets import Budget, spend
from wisepay.http import UNKNOWN_IP, get_network
from wisepay.models import User
from wisepay.states import AdvisoryLock, lock_all_in_transaction

WINDOW = timedelta(hours=1)
CLOSED_FOR_GOOD = timedelta(days=1)  # what Retry-After says of a quote that no later try opens

# Failures that are the merchant's trouble with the gateway: no card was looked at, so nothing was tested.
MERCHANT_FAILURES = (
    "account_invalid",
    "amount_too_large",
    "amount_too_small",
    "api_key_expired",
    "country_unsupported",
    "gateway_key",
    "gateway_permission",
    "never_arrived",
    "secret_key_required",
    "testmode_charges_only",
)
# What Stripe's bank, or nobody yet, has said no to. A live one counts, or parallel ones would all pass.
UNPROVED = Q(state__in=[*LIVE_STATES, "cancelled"])
DECLINED = Q(state="failed")
SUCCEEDED = Q(state__in=["succeeded", "reversed"])


@dataclass(frozen=True, slots=True)
class Try:
    """One try at the gateway, or the one that is about to be made, and everything that it is counted by."""

    created_at: datetime
    state: str
    ip: str | None
    email: str
    user_id: int | None
    payment_id: int | None
    company_id: int
    merchant_id: int

    @property
    def is_success(self) -> bool:
        """Whether the gateway took it."""
        return self.state in ("succeeded", "reversed")


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """How many counted tries may share a key within an hour; `setting` holds the number.

    A success forgives what came before it where the key is the payer's own (`is_forgiven`). `counts_old_declines`
    where a decline counts for ever.
    """

    setting: str
    get_key: Callable[[Try], Hashable]
    message: Any
    is_forgiven: bool = False
    counts_old_declines: bool = False

    @property
    def most(self) -> int:
        """How many."""
        return int(getattr(settings, self.setting))


def count_by_prefix(length: int) -> Callable[[Try], Hashable]:
    """Build the key of a network of IPv6; an IPv4 address has only the one of its own."""
    return lambda one: get_network(one.ip, v6_prefix=length) if one.ip and ":" in one.ip else None


NETWORK_MESSAGE = _("Too many cards from your network were declined. Please try again in an hour.")
PERSON_MESSAGE = _("Too many cards were declined for you. Please try again in an hour.")
LIMITS = (
    AttemptLimit(
        "DECLINES_PER_PAYMENT",
        lambda one: one.payment_id,
        _(
            "Too many cards were declined for this payment, so we stopped here to protect you. "
            "Please contact %(merchant)s."
        ),
        is_forgiven=True,
        counts_old_declines=True,
    ),
    AttemptLimit("DECLINES_PER_NETWORK_HOUR", lambda one: get_network(one.ip) if one.ip else None, NETWORK_MESSAGE),
    AttemptLimit("DECLINES_PER_IPV6_56_HOUR", count_by_prefix(56), NETWORK_MESSAGE),
    AttemptLimit("DECLINES_PER_IPV6_48_HOUR", count_by_prefix(48), NETWORK_MESSAGE),
    AttemptLimit("DECLINES_PER_ADDRESS_HOUR", lambda one: one.email or None, PERSON_MESSAGE, is_forgiven=True),
    AttemptLimit("DECLINES_PER_ACCOUNT_HOUR", lambda one: one.user_id, PERSON_MESSAGE, is_forgiven=True),
    AttemptLimit(
        "DECLINES_PER_COMPANY_HOUR",
        lambda one: one.company_id,
        _("Too many cards were declined for your company. Please try again in an hour, or contact %(merchant)s."),
    ),
)
BRAKE_MESSAGE = _(
    "Many cards were declined at %(merchant)s within an hour, so new cards and bank accounts are not taken for a "
    "while. Please try again later, sign in and use a saved payment method, or contact %(merchant)s."
)


@contextmanager
def reserve_attempt(merchant: Merchant, *, now: datetime) -> Iterator[None]:
    """Open the transaction that commits a try before the gateway is asked: from then on it counts.

    The merchant is told of a storm after the transaction of the refused try was rolled back. Raises TooManyAttempts.
    """
    try:
        with transaction():
            yield
    except StormDetected:
        trip_brake(merchant, now=now)
        raise


@transaction_required
def check_attempt_limits(
    company: PayerCompany,
    *,
    merchant: Merchant,
    payment: Payment | None = None,
    choice: PaymentChoice,
    person: Person,
    now: datetime,
) -> None:
    """Check every limit of a new try. Raises TooManyAttempts with the seconds to wait, MerchantBraked for the brake.

    Serialises the tries that share a key until the open transaction ends, so that parallel ones count each other.
    """
    is_known = person.is_signed_in and person.user is not None
    new = Try(
        created_at=now,
        state="processing",
        ip=person.ip,
        # A stranger can type anybody's address: that must not use up what its owner may do once signed in.
        email="" if is_known else person.email.lower(),
        user_id=person.user.pk if is_known and person.user is not None else None,
        payment_id=payment.pk if payment else None,
        company_id=company.pk,
        merchant_id=merchant.pk,
    )
    words = {"merchant": merchant.name}
    # What was saved before proves nothing to somebody who tests cards, and keeps the merchant in business.
    has_brake = not (is_known and choice.saved_method is not None)
    brake = check_brake(merchant, message=str(BRAKE_MESSAGE % words), now=now) if has_brake else None
    keys = [
        f"merchant:{new.merchant_id}",
        *(f"{one.setting}:{key}" for one in LIMITS if (key := one.get_key(new)) is not None),
    ]
    lock_all_in_transaction(AdvisoryLock.ATTEMPT_LIMIT, (zlib.crc32(key.encode()) for key in keys))
    tries = list_tries(new, since=now - WINDOW)
    for limit in LIMITS:
        wait = get_wait(limit, new, tries, now=now)
        if wait is not None:
            raise TooManyAttempts(str(limit.message % words), wait=wait)
    if has_brake:
        check_storm(merchant, tries, brake=brake, message=str(BRAKE_MESSAGE % words), now=now)


def check_brake(merchant: Merchant, *, message: str, now: datetime) -> AttemptBrake | None:
    """Return the brake of the merchant's last storm, if there was one. Raises MerchantBraked while it is on."""
    brake = find_brake(merchant)
    if brake is not None and is_braked(brake, now=now):
        raise MerchantBraked(message, wait=get_seconds(brake.ends_at - now))
    return brake


def check_storm(
    merchant: Merchant, tries: Sequence[Try], *, brake: AttemptBrake | None, message: str, now: datetime
) -> None:
    """Check that the merchant's declines of the hour, or since the last brake, are no storm. Raises StormDetected."""
    since = max(now - WINDOW, brake.lifted_at or brake.ends_at) if brake is not None else now - WINDOW
    counted = [one for one in tries if one.merchant_id == merchant.pk and one.created_at > since and not one.is_success]
    if len(counted) >= settings.DECLINES_PER_MERCHANT_HOUR:
        raise StormDetected(message, wait=get_seconds(WINDOW))


def get_wait(limit: AttemptLimit, new: Try, tries: Sequence[Try], *, now: datetime) -> int | None:
    """Return how many seconds a try has to wait for this limit; None when it may be made now."""
    key = limit.get_key(new)
    if key is None:
        return None
    same = [one for one in tries if limit.get_key(one) == key]
    if limit.is_forgiven:
        last = max((one.created_at for one in same if one.is_success), default=None)
        same = [one for one in same if last is None or one.created_at > last]
    if not limit.counts_old_declines:
        same = [one for one in same if one.created_at > now - WINDOW]
    counted = [one for one in same if not one.is_success]
    if len(counted) < limit.most:
        return None
    if limit.counts_old_declines:
        return get_seconds(CLOSED_FOR_GOOD)
    return get_seconds(counted[len(counted) - limit.most].created_at + WINDOW - now) if limit.most else 3600


def get_seconds(span: timedelta) -> int:
    """Return whole seconds, rounded up, at least one."""
    return max(1, int(span.total_seconds()) + 1)


def list_tries(new: Try, *, since: datetime) -> list[Try]:
    """List the tries of the hour that share a key with this one, and every declined one of its payment. One query."""
    attempts = filter_tries(Attempt.objects.filter(is_off_session=False), new, since=since, settling=False)
    setups = filter_tries(Setup.objects.all(), new, since=since)
    rows = attempts.values_list(*_columns("payment__company_id", "payment__merchant_id")).union(
        setups.values_list(*_columns("company_id", "company__merchant_id")), all=True
    )
    return sorted((Try(*row) for row in rows), key=lambda one: one.created_at)


def _columns(company: str, merchant: str) -> list[Any]:
    return ["created_at", "state", "ip", Lower("payer_email"), "user_id", "payment_id", F(company), F(merchant)]


def filter_tries[O: GatewayOperation](
    rows: QuerySet[O], new: Try, *, since: datetime, settling: bool = True
) -> QuerySet[O]:
    """Filter what is counted or forgives: what a bank took, and answers later, does neither."""
    merchant = "payment__merchant_id" if rows.model is Attempt else "company__merchant_id"
    own = Q(user_id=new.user_id) if new.user_id else Q(payer_email__iexact=new.email)
    widest = ip_network(get_network(new.ip or UNKNOWN_IP, v6_prefix=48))
    recent = Q(created_at__gt=since)
    near = Q(**{merchant: new.merchant_id}) | Q(ip__range=(str(widest[0]), str(widest[-1]))) | own
    of_payment = Q(payment_id=new.payment_id) if new.payment_id else Q(pk__in=[])
    merchants_fault = Q(state="failed", failure_code__in=MERCHANT_FAILURES)
    counted = (UNPROVED & recent & (near | of_payment)) | (DECLINED & (of_payment | recent & near))
    forgiving = SUCCEEDED & (of_payment | recent & own)
    found = rows.filter(counted | forgiving).exclude(merchants_fault)
    return found if settling else found.filter(Q(submitted_at=None) | SUCCEEDED)


def may_look_up(operation: GatewayOperation, *, now: datetime) -> bool:
    """Whether the gateway may be asked how it stands: when that is open, and nobody has asked just before."""
    return operation.is_live and not spend(Budget.STATUS_CHECKS, operation.reference, now=now)


BRAKE_LENGTH = timedelta(hours=1)
STORM_PAUSE = timedelta(hours=1)  # a brake that trips again within this time is still the same storm


def find_brake(merchant: Merchant) -> AttemptBrake | None:
    """Find the brake of the merchant's last storm, which may be over."""
    return AttemptBrake.objects.filter(merchant=merchant).first()


def is_braked(brake: AttemptBrake, *, now: datetime) -> bool:
    """Whether new cards are refused now."""
    return brake.lifted_at is None and now < brake.ends_at


def trip_brake(merchant: Merchant, *, now: datetime) -> None:
    """Refuse new methods for an hour, and notify the merchant once a storm. One that is on stays as it is."""
    with transaction():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        brake = find_brake(merchant)
        if brake is not None and is_braked(brake, now=now):
            return
        if brake is None:
            brake = AttemptBrake(merchant=merchant, tripped_at=now)
            is_new_storm = True
        else:
            is_new_storm = brake.lifted_at is not None or now > brake.ends_at + STORM_PAUSE
        if is_new_storm:
            brake.tripped_at = now
        brake.ends_at, brake.lifted_at, brake.lifted_by = now + BRAKE_LENGTH, None, None
        brake.save()
        if is_new_storm:
            notify_of_storm(merchant, brake, now=now)


def notify_of_storm(merchant: Merchant, brake: AttemptBrake, *, now: datetime) -> None:
    """Notify the merchant's admins, by mail and in the console."""
    most = settings.DECLINES_PER_MERCHANT_HOUR
    notify_merchant(
        merchant,
        event=EventNotification.Event.CARD_TESTING,
        key=f"storm:{merchant.pk}:{brake.tripped_at.isoformat()}",
        title="Many cards were declined, so new ones are not taken for now",
        body=f"{most} tries to pay were declined within an hour, as when somebody tests stolen cards. For an hour no "
        "new cards and bank accounts are taken; payers who are signed in can use what they saved, and automatic "
        "payments go on. If these were your clients, open Payments and take new cards again at once.",
        path=reverse("payments:list", args=[merchant.reference]),
        now=now,
    )


def lift_brake(merchant: Merchant, *, by: User, now: datetime) -> bool:
    """Take new methods again at once; only what is declined from now on counts. False when no brake was on."""
    with transaction():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        brake = find_brake(merchant)
        if brake is None or not is_braked(brake, now=now):
            return False
        brake.lifted_at, brake.lifted_by = now, by
        brake.save(update_fields=["lifted_at", "lifted_by"])
    return True
