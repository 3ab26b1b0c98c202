"""Orders about how a merchant charges by itself."""

from datetime import datetime
from typing import Any

from django_subatomic.db import transaction

from accounting.models import AutoPayLimit, AutoPaySettings, LedgerInvoice
from merchants.models import Merchant
from payments.models import Payment
from wisepay import outbox

AutoPayLimits = dict[str, tuple[int | None, int | None]]


def get_autopay_settings(merchant: Merchant) -> AutoPaySettings:
    """The merchant's settings; those of a merchant who never chose any are all off."""
    found = AutoPaySettings.objects.filter(merchant=merchant).first()
    return found or AutoPaySettings(merchant=merchant)


def get_limits(merchant: Merchant) -> AutoPayLimits:
    """The least and the most of each currency that has any, in its minor units."""
    rows = AutoPayLimit.objects.filter(merchant=merchant).order_by("currency")
    return {currency: (least, most) for currency, least, most in rows.values_list("currency", "minimum", "maximum")}


def get_offered_limits(merchant: Merchant) -> AutoPayLimits:
    """The limits of every currency that the merchant is paid in, those that were not chosen too."""
    used = {*LedgerInvoice.objects.filter(merchant=merchant).order_by().values_list("currency", flat=True).distinct()}
    used |= {*Payment.objects.filter(merchant=merchant).order_by().values_list("currency", flat=True).distinct()}
    chosen = get_limits(merchant)
    return {currency: chosen.get(currency, (None, None)) for currency in sorted(used | chosen.keys())}


def save_autopay_settings(
    merchant: Merchant, *, limits: AutoPayLimits, now: datetime, **chosen: Any
) -> AutoPaySettings:
    """Charge like this from now on, within the limits of these currencies, and plan by it."""
    rows = [
        AutoPayLimit(merchant=merchant, currency=currency, minimum=least, maximum=most)
        for currency, (least, most) in limits.items()
        if least is not None or most is not None
    ]
    with transaction():
        saved, _ = AutoPaySettings.objects.update_or_create(merchant=merchant, defaults=chosen)
        AutoPayLimit.objects.filter(merchant=merchant, currency__in=limits).delete()
        AutoPayLimit.objects.bulk_create(rows)
        schedule_planning(merchant, now=now)
    return saved


def schedule_planning(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker compare everything that is scheduled with everything that is due."""
    outbox.schedule(f"autopay:{merchant.pk}", "accounting.plan_autopay", now=now, merchant_id=merchant.pk)
