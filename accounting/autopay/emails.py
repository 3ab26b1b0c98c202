"""Emails to payers about their automatic payments: notices, and what was scheduled or cancelled."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting.models import ScheduledPayment
from wisepay.clock import format_date, get_local_date
from wisepay.mail import send_email
from wisepay.money import Money

LISTED = 20  # scheduled payments that a mail lists


def get_payer_address(scheduled: ScheduledPayment) -> str:
    """Whose method is charged, else the company's address; empty where nobody can be written to."""
    owner = scheduled.method.owner if scheduled.method is not None else None
    return owner.email if owner is not None else scheduled.company.email


def send_notice_email(scheduled: ScheduledPayment, address: str) -> None:
    """Email the notice as it was written: the amount, the day, the method, and what to do against it."""
    merchant, run_at = scheduled.merchant, scheduled.notified_run_at
    assert run_at is not None  # noqa: S101 (a notice is written before it is mailed)
    amount = Money(scheduled.notified_amount or scheduled.amount, scheduled.invoice.currency)
    day = format_date(get_local_date(run_at, merchant.zone))
    mapping = scheduled.mapping
    send_email(
        "autopay_notice",
        address,
        {
            "scheduled": scheduled,
            "amount": amount,
            "day": day,
            "secondary": mapping.secondary_method if mapping is not None else None,
            "mappings_url": merchant.build_public_url(reverse("autopay:my_mappings")),
        },
        subject=_("Upcoming payment to %(merchant)s: %(amount)s on %(day)s")
        % {"merchant": merchant.name, "amount": amount, "day": day},
        message_id=f"notice-{scheduled.reference}-{scheduled.notices}",
        sender=merchant,
    )


def send_announcement_email(rows: Sequence[ScheduledPayment], address: str, *, news: str, at: datetime) -> None:
    """Email one payer what was scheduled, or cancelled, of a company."""
    merchant, company = rows[0].merchant, rows[0].company
    subjects = {
        "scheduled": _("Payments to %(merchant)s are scheduled"),
        "cancelled": _("Scheduled payments to %(merchant)s are cancelled"),
    }
    send_email(
        f"autopay_{news}",
        address,
        {
            "company": company,
            "rows": rows[:LISTED],
            "more": max(len(rows) - LISTED, 0),
            "scheduled_url": merchant.build_public_url(reverse("autopay:my_scheduled")),
        },
        subject=subjects[news] % {"merchant": merchant.name},
        message_id=f"{news}-{company.reference}-{rows[0].reference}-{at:%Y%m%d%H%M%S}",
        sender=merchant,
    )
