"""Celery tasks of the accounting floor."""

from celery import shared_task
from django.utils import timezone

from accounting.autopay.running import arm_due
from accounting.autopay.settings import arm_planning
from accounting.mirror_orders import arm_due as arm_books
from accounting.mirror_orders import forget_heard
from accounting.models import AutoPaySettings, Posting
from accounting.reconciliation.reading import arm_books as arm_money
from accounting.reconciliation.reading import due_merchants
from accounting.services import arm_drain
from merchants.models import Merchant


@shared_task
def sweep_postings(**_: object) -> None:
    """Arm a drain for every merchant with postings that wait and no call to come."""
    waiting = Posting.objects.filter(state__in=["pending", "sent"]).values("merchant")
    for merchant in Merchant.objects.filter(pk__in=waiting):
        arm_drain(merchant, now=timezone.now())


@shared_task
def run_autopay(**_: object) -> None:
    """Hand every automatic payment that is due to a worker."""
    arm_due(now=timezone.now())


@shared_task
def plan_autopay(**_: object) -> None:
    """Compare every merchant's scheduled payments with the invoices."""
    for chosen in AutoPaySettings.objects.select_related("merchant"):
        arm_planning(chosen.merchant, now=timezone.now())


@shared_task
def poll_books(**_: object) -> None:
    """Let workers read what of the mirrored books is due."""
    arm_books(now=timezone.now())


@shared_task
def forget_heard_changes(**_: object) -> None:
    """Forget what the books told us long ago."""
    forget_heard(now=timezone.now())


@shared_task
def read_ledger_payments(**_: object) -> None:
    """Let workers read the payments of the books back where money was booked, once a day."""
    for merchant in due_merchants(now=timezone.now()):
        arm_money(merchant, now=timezone.now())
