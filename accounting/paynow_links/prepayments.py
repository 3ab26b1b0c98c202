"""Prepayments by Quick Link: an amount under a reference that fits no invoice, where the merchant takes them."""

from datetime import datetime

from django_subatomic.db import transaction

from accounting.invoices.services import PAYMENT_LIFETIME
from accounting.models import AccountingSettings, LedgerInvoice
from accounting.paynow_links.services import check_link
from merchants.models import Merchant, PayNowLink
from payers.companies import get_or_create_company
from payments.models import Payment
from payments.saved_methods.choices import CARD
from wisepay.money import Money

MOST_CURRENCIES = 12


def takes_prepayments(link: PayNowLink) -> bool:
    """Whether what fits no invoice may be paid under its reference."""
    return link.kind == PayNowLink.Kind.QUICK_LINK and link.takes_prepayments and link.is_usable


def list_prepayment_currencies(merchant: Merchant) -> list[str]:
    """What a prepayment may be in: what the books can hold, or else what their invoices are in."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).values_list("currencies", flat=True).first()
    if chosen:
        return sorted(map(str, chosen))[:MOST_CURRENCIES]
    rows = LedgerInvoice.objects.filter(merchant=merchant).order_by("currency").distinct()
    return list(rows.values_list("currency", flat=True)[:MOST_CURRENCIES])


def create_prepayment(
    link: PayNowLink, *, amount: Money, reference: str, company_name: str, path: str, now: datetime
) -> Payment:
    """Create the payment of an amount under a reference; nothing is charged by it. By card only.

    Raises LinkClosed. The books get it as the PF invoice and the PF_CR credit note that quotes have.
    """
    check_link(link)
    with transaction():
        company = get_or_create_company(link.merchant, name=company_name, contact=None)
        return Payment.objects.create(
            merchant=link.merchant,
            company=company,
            currency=amount.currency,
            amount=amount.amount,
            origin=Payment.Origin.PREPAYMENT,
            purpose=f"Prepayment {reference}"[:120],
            details={
                "reference": reference,
                "title": f"Prepayment {reference}",
                "name": "",
                "company": company_name,
                "count": 1,
                "rows": [["Reference", reference]],
                "restart_path": path,
                "billing": {"name": "", "email": "", "phone": ""},
                "paynow_link": link.pk,
            },
            methods=[CARD],
            done_path=path,
            expires_at=now + PAYMENT_LIFETIME,
            state="open",
            state_at=now,
            created_at=now,
        )
