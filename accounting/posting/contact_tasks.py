"""Manual tasks about a company's contact that stands no more in the ledger: opened, notified, closed."""

from datetime import datetime

from django.db.models import QuerySet
from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.models import ManualTask
from accounting.models.posting_kinds import Kind
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.models import PayerCompany


def list_contact_tasks(merchant: Merchant) -> "QuerySet[ManualTask]":
    """The merchant's open tasks about contacts."""
    return ManualTask.objects.filter(merchant=merchant, posting=None, kind=Kind.CONTACT, state="open")


def has_contact_task(merchant: Merchant) -> bool:
    """Whether a person is to see to a contact."""
    return list_contact_tasks(merchant).exists()


@transaction_required
def save_contact_task(company: PayerCompany, *, title: str, steps: list[str], now: datetime) -> ManualTask:
    """Create or rewrite the company's open task; notify the merchant's people when it is new."""
    task, is_new = ManualTask.objects.update_or_create(
        company=company,
        posting=None,
        state="open",
        defaults={"title": title[:160], "steps": steps},
        create_defaults={
            "title": title[:160],
            "steps": steps,
            "merchant": company.merchant,
            "kind": Kind.CONTACT,
            "state_at": now,
        },
    )
    if is_new:
        notify_merchant(
            company.merchant,
            event=EventNotification.Event.BOOKS_TASK,
            key=f"task:{task.pk}",
            title="The accounting package needs a person",
            body=f"{title}. {steps[0]}",
            path=reverse("accounting:company_contact", args=[company.merchant.reference, company.reference]),
            now=now,
        )
    return task


@transaction_required
def close_contact_task(task: ManualTask, *, now: datetime, reason: str) -> None:
    """Close it, because the contact stands again or another one was chosen."""
    task.move_to("done", now=now, by="books", reason=reason)
