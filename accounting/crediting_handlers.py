"""Outbox handlers of credits, and what the mirror wakes."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from accounting.crediting import review_company
from accounting.crediting_steps import arm_matching
from accounting.mirror_events import mirror_listener
from accounting.models import CreditNote, LedgerCredit, LedgerInvoice, PaymentSync
from accounting.payment_sync import run_sync
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay.outbox import handler


@mirror_listener
def documents_changed(
    merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
) -> None:
    """Review the companies of these documents that have a credit of ours. A step of an open transaction."""
    invoices = LedgerInvoice.objects.filter(pk__in=invoice_ids, company__isnull=False).values("company")
    notes = LedgerCredit.objects.filter(pk__in=credit_ids, company__isnull=False).values("company")
    touched = Q(payment__company__in=invoices) | Q(payment__company__in=notes)
    rows = CreditNote.objects.filter(touched, merchant=merchant, state__in=("approved", "applied", "voided"))
    for company_id in sorted(set(rows.order_by().values_list("payment__company", flat=True))):
        arm_matching(company_id, now=now)


@handler("accounting.match_credits")
def match_credits(*, company_id: int, now: datetime, **_: object) -> None:
    """Bring a company's credits and invoices together."""
    review_company(PayerCompany.objects.select_related("merchant").get(pk=company_id), now=now)


@handler("accounting.run_payment_sync")
def run_payment_sync(*, sync_id: int, now: datetime, **_: object) -> None:
    """Read what was paid or credited in the books, because a person wants it."""
    run_sync(PaymentSync.objects.select_related("merchant").get(pk=sync_id), now=now)
