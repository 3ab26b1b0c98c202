"""Outbox handlers and mirror listener of credit matching."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django_subatomic.db import transaction_required

from accounting.credits.matching import update_company_matches
from accounting.mirror.store import mirror_listener
from accounting.models import CreditNote, LedgerCredit, LedgerInvoice
from accounting.posting.services import schedule_matching
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay.outbox import handler


@mirror_listener
@transaction_required
def schedule_matching_for_documents(
    merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
) -> None:
    """Schedule matching for the companies of these documents that have a PF_CR credit note."""
    invoices = LedgerInvoice.objects.filter(pk__in=invoice_ids, company__isnull=False).values("company")
    notes = LedgerCredit.objects.filter(pk__in=credit_ids, company__isnull=False).values("company")
    is_concerned = Q(payment__company__in=invoices) | Q(payment__company__in=notes)
    rows = CreditNote.objects.filter(is_concerned, merchant=merchant, state__in=("approved", "applied", "voided"))
    for company_id in sorted(set(rows.order_by().values_list("payment__company", flat=True))):
        schedule_matching(company_id, now=now)


@handler("accounting.match_credits")
def match_credits(*, company_id: int, now: datetime, **_: object) -> None:
    """Match a company's credits with its invoices."""
    update_company_matches(PayerCompany.objects.select_related("merchant").get(pk=company_id), now=now)
