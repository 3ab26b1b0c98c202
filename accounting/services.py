"""Orders about the books: promise the documents of a payment, choose accounts, try again."""

from datetime import datetime

from django.db import models, transaction

from accounting.models import AccountingSettings, CreditNote, LedgerAccount, LedgerTaxCode, Posting
from connections.models import Connection
from merchants.models import Merchant
from payments.models import Payment
from wisepay import outbox

Kind = Posting.Kind


def post_payment(payment: Payment, *, now: datetime) -> None:
    """Promise the PF invoice, its payment into clearing and the PF_CR credit note. The same again is nothing.

    Numbers are made from the payment's reference, so the ledger itself refuses a second document.
    """
    if payment.paid_amount is None:
        raise ValueError(f"payment {payment.reference} is not paid")
    stem = payment.reference.upper()
    with transaction.atomic(durable=True):
        CreditNote.objects.get_or_create(
            payment=payment,
            defaults={
                "merchant": payment.merchant,
                "number": f"PF_CR-{stem}",
                "amount": payment.paid_amount,
                "currency": payment.currency,
                "state": "pending",
                "state_at": now,
            },
        )
        for kind, number in (
            (Kind.INVOICE, f"PF-{stem}"),
            (Kind.CREDIT_NOTE, f"PF_CR-{stem}"),
            (Kind.PAYMENT, f"PF-{stem}"),
        ):
            Posting.objects.get_or_create(
                merchant=payment.merchant,
                kind=kind,
                number=number,
                defaults={
                    "payment": payment,
                    "company": payment.company,
                    "state": "pending",
                    "state_at": now,
                },
            )
        arm_drain(payment.merchant, now=now)


def arm_drain(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker send what waits for this merchant's books."""
    outbox.arm(f"drain:{merchant.pk}", "accounting.drain_postings", now=now, merchant_id=merchant.pk)


def save_accounting_settings(
    merchant: Merchant, *, clearing_account: str, prepayments_account: str, tax_code: str, now: datetime
) -> AccountingSettings:
    """Use these accounts from now on, and send what waited for them."""
    with transaction.atomic(durable=True):
        chosen, _ = AccountingSettings.objects.update_or_create(
            merchant=merchant,
            defaults={
                "clearing_account": clearing_account,
                "prepayments_account": prepayments_account,
                "tax_code": tax_code,
            },
        )
        arm_drain(merchant, now=now)
    return chosen


def retry_postings(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Send again, now, everything that waits or was refused; answers how many documents."""
    with transaction.atomic(durable=True):
        refused = Posting.objects.filter(merchant=merchant, state="rejected").order_by("pk")
        for posting in refused:
            posting.move_to("pending", now=now, by=by, reason="retry", error="")
            if posting.kind == Kind.CREDIT_NOTE and posting.payment is not None:
                posting.payment.credit_note.move_to("pending", now=now, by=by, reason="retry")
        Connection.objects.filter(merchant=merchant).update(blocked_until=None)
        arm_drain(merchant, now=now)
        return waiting_postings(merchant).count()


def waiting_postings(merchant: Merchant) -> models.QuerySet[Posting]:
    """Documents that are not in the books yet, oldest first."""
    waiting = Posting.objects.filter(merchant=merchant).exclude(state="posted")
    return waiting.select_related("company", "payment").order_by("pk")


def import_lists(merchant: Merchant, *, accounts: list[LedgerAccount], tax_codes: list[LedgerTaxCode]) -> None:
    """Replace what was read before of the chart of accounts and the tax codes."""
    with transaction.atomic(durable=True):
        LedgerAccount.objects.filter(merchant=merchant).delete()
        LedgerTaxCode.objects.filter(merchant=merchant).delete()
        LedgerAccount.objects.bulk_create(accounts)
        LedgerTaxCode.objects.bulk_create(tax_codes)
