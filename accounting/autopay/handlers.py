"""Outbox handlers of automatic payments, and the listener to changes of the mirror."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from django_subatomic.db import transaction_required

from accounting.autopay import notices, retries
from accounting.autopay.charging import charge_scheduled_payment
from accounting.autopay.mapping_emails import send_mapping_news
from accounting.autopay.mappings import create_mapping_from_payment, follow_confirmation
from accounting.autopay.notifications import send_failure_email
from accounting.autopay.planning import PlanningInProgress, plan_merchant_payments
from accounting.autopay.terms import import_ledger_terms
from accounting.mirror.store import mirror_listener
from accounting.models import AutoPayMapping, AutoPaySettings, ScheduledPayment
from merchants.models import Merchant
from payers.models import Registration
from payments.models import Attempt, Payment
from wisepay import outbox
from wisepay.outbox import Retry, handler

INVOICES_PER_MESSAGE = 1000


@mirror_listener
@transaction_required
def plan_changed_invoices(
    merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int] = (), now: datetime
) -> None:
    """Enqueue planning of these invoices, if the merchant ever set automatic payments up."""
    if not invoice_ids or not AutoPaySettings.objects.filter(merchant=merchant).exists():
        return
    ids = sorted(set(invoice_ids))
    for begin in range(0, len(ids), INVOICES_PER_MESSAGE):
        joined = ",".join(map(str, ids[begin : begin + INVOICES_PER_MESSAGE]))
        digest = hashlib.sha256(joined.encode()).hexdigest()[:16]  # the same invoices again are one message
        key = f"autopay:{merchant.pk}:{digest}"
        outbox.schedule(key, "accounting.plan_invoices", now=now, merchant_id=merchant.pk, invoice_ids=joined)


@handler("accounting.plan_autopay")
def plan_autopay(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Plan all invoices of a merchant."""
    plan_merchant_or_retry(merchant_id, None, now=now)


@handler("accounting.plan_invoices")
def plan_invoices(*, merchant_id: int, invoice_ids: str, now: datetime, **_: object) -> None:
    """Plan the invoices that changed in the ledger."""
    plan_merchant_or_retry(merchant_id, [int(one) for one in invoice_ids.split(",")], now=now)


def plan_merchant_or_retry(merchant_id: int, ids: Sequence[int] | None, *, now: datetime) -> None:
    """Plan one merchant. Raises Retry while another worker does."""
    try:
        plan_merchant_payments(Merchant.objects.get(pk=merchant_id), ids=ids, now=now)
    except PlanningInProgress:
        raise Retry("another worker is planning for this merchant", after=2) from None


@handler("accounting.run_scheduled")
def run_scheduled(*, scheduled_id: int, now: datetime, **_: object) -> None:
    """Charge one scheduled payment that is due."""
    charge_scheduled_payment(scheduled_id, now=now)


@handler("accounting.follow_charge")
def follow_charge(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Bring a scheduled payment up to date with an attempt to charge it that ended."""
    retries.apply_charge_result(Attempt.objects.select_related("payment").get(pk=attempt_id), now=now)


@handler("accounting.email_autopay")
def email_autopay(*, scheduled_id: int, attempt_id: int, now: datetime, **_: object) -> None:
    """Email the payer why their automatic payment failed."""
    rows = ScheduledPayment.objects.select_related("merchant", "company", "invoice", "method")
    attempt = Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=attempt_id)
    send_failure_email(rows.get(pk=scheduled_id), attempt, now=now)


@handler("accounting.email_mapping_news")
def email_mapping_news(*, mapping_id: int, news: str, recipient_id: int, others: str = "", **_: object) -> None:
    """Tell one of a company's people what became of an Auto-Pay mapping; `others` are ids that are told of with it."""
    rows = AutoPayMapping.objects.select_related(
        "company__merchant", "merchant", "term", "primary_method", "secondary_method"
    )
    along = list(rows.filter(pk__in=[int(one) for one in others.split(",") if one]).order_by("pk"))
    send_mapping_news(rows.get(pk=mapping_id), news=news, recipient_id=recipient_id, others=along)


@handler("accounting.follow_registration")
def follow_registration(*, registration_id: int, now: datetime, **_: object) -> None:
    """Go on with what quotes proposed, once the owner of the address said that the method is theirs."""
    follow_confirmation(Registration.objects.get(pk=registration_id), now=now)


@handler("accounting.send_notice")
def send_notice(*, scheduled_id: int, now: datetime, **_: object) -> None:
    """Tell the payer of an automatic payment before it is made."""
    notices.send_notice(scheduled_id, now=now)


@handler("accounting.email_scheduled")
def email_scheduled(*, company_id: int, news: str, at: str, **_: object) -> None:
    """Email the payers of a company what was scheduled or cancelled."""
    notices.email_announcement(company_id, news=news, at=datetime.fromisoformat(at))


@handler("accounting.map_from_payment")
def map_from_payment(*, payment_id: int, now: datetime, **_: object) -> None:
    """Propose or create the mapping of a quote whose recurring part has a saved method."""
    rows = Payment.objects.select_related("merchant", "company", "saved_method")
    create_mapping_from_payment(rows.get(pk=payment_id), now=now)


@handler("accounting.read_terms")
def read_terms(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the ledger's branding themes or payment terms."""
    import_ledger_terms(Merchant.objects.get(pk=merchant_id), now=now)
