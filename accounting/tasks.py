"""Celery tasks of the accounting floor."""

from celery import shared_task
from django.utils import timezone

from accounting.models import Posting
from accounting.services import arm_drain
from merchants.models import Merchant


@shared_task
def sweep_postings(**_: object) -> None:
    """Arm a drain for every merchant with postings that wait and no call to come."""
    waiting = Posting.objects.filter(state__in=["pending", "sent"]).values("merchant")
    for merchant in Merchant.objects.filter(pk__in=waiting):
        arm_drain(merchant, now=timezone.now())
