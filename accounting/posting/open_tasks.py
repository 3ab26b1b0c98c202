"""Save the open task about a posting or a contact, and notify the merchant's people of a new one."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.models import ManualTask, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.manual_task_texts import TaskText
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.models import PayerCompany
from wisepay.input import end_once


@transaction_required
def save_posting_task(posting: Posting, text: TaskText, *, now: datetime) -> ManualTask:
    """Create or rewrite the open task about a posting; notify the merchant's people when it is new."""
    fresh = {"company": posting.company, "payment": posting.payment, "kind": posting.kind}
    path = reverse("accounting:postings", args=[posting.merchant.reference])
    return _save_task(posting.merchant, {"posting": posting}, text, path=path, now=now, fresh=fresh)


@transaction_required
def save_contact_task(company: PayerCompany, text: TaskText, *, now: datetime) -> ManualTask:
    """Create or rewrite the open task about a company's contact; notify the merchant's people when it is new."""
    about = {"company": company, "posting": None}
    path = reverse("accounting:company_contact", args=[company.merchant.reference, company.reference])
    return _save_task(company.merchant, about, text, path=path, now=now, fresh={"kind": Kind.CONTACT})


def _save_task(
    merchant: Merchant, about: dict[str, Any], text: TaskText, *, path: str, now: datetime, fresh: dict[str, Any]
) -> ManualTask:
    title, steps = text[0], [end_once(step) for step in text[1]]
    shown = {"title": title[:160], "steps": steps}
    created = {**shown, **fresh, "merchant": merchant, "state_at": now}
    task, is_new = ManualTask.objects.update_or_create(**about, state="open", defaults=shown, create_defaults=created)
    if is_new:
        notify_merchant(
            merchant,
            event=EventNotification.Event.BOOKS_TASK,
            key=f"task:{task.pk}",
            title="The accounting package needs a person",
            body=f"{title}. {steps[0]}",
            path=path,
            now=now,
        )
    return task
