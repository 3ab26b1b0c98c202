"""Save a merchant's settings of automatic payments and its limits, and plan after they changed."""

from datetime import datetime
from typing import Any

from django_subatomic.db import transaction

from accounting.models import AutoPayLimit, AutoPaySettings, LedgerInvoice
from accounting.models.autopay import AutoPayLimits
from merchants.models import Merchant
from payments.models import Payment
from wisepay import outbox


def get_offered_limits(merchant: Merchant) -> AutoPayLimits:
    """The limits of every currency that the merchant is paid in, also of those without any."""
    used = {*LedgerInvoice.objects.filter(merchant=merchant).order_by().values_list("currency", flat=True).distinct()}
    used |= {*Payment.objects.filter(merchant=merchant).order_by().values_list("currency", flat=True).distinct()}
    chosen = AutoPayLimit.get_by_currency(merchant)
    return {currency: chosen.get(currency, (None, None)) for currency in sorted(used | chosen.keys())}


def save_autopay_settings(
    merchant: Merchant, *, limits: AutoPayLimits, now: datetime, **chosen: Any
) -> AutoPaySettings:
    """Save the settings and the limits of these currencies, and schedule planning by them."""
    rows = [
        AutoPayLimit(merchant=merchant, currency=currency, minimum=minimum, maximum=maximum)
        for currency, (minimum, maximum) in limits.items()
        if minimum is not None or maximum is not None
    ]
    with transaction():
        saved, _ = AutoPaySettings.objects.update_or_create(merchant=merchant, defaults=chosen)
        AutoPayLimit.objects.filter(merchant=merchant, currency__in=limits).delete()
        AutoPayLimit.objects.bulk_create(rows)
        schedule_planning(merchant, now=now)
    return saved


def schedule_planning(merchant: Merchant, *, now: datetime) -> None:
    """Schedule planning of all invoices of the merchant."""
    outbox.schedule(f"autopay:{merchant.pk}", "accounting.plan_autopay", now=now, merchant_id=merchant.pk)
