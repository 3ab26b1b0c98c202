"""The payment of a scheduled payment: created when it is first charged, updated, or cancelled."""

from datetime import datetime, timedelta

from django_subatomic.db import transaction_required

from accounting.invoices.services import InvoiceAmount, build_details, create_payment_with_allocations
from accounting.models import LedgerInvoice, PaymentAllocation, ScheduledPayment
from payments.models import Payment
from payments.states import LIVE_STATES

PAYABLE_FOR = timedelta(days=30)  # how long the payer can pay one that failed through its own link


@transaction_required
def create_or_update_payment(
    scheduled: ScheduledPayment, invoice: LedgerInvoice, *, amount: int, now: datetime
) -> Payment:
    """Create or update the payment of `amount` minor units of the invoice; every try has the same one.

    The caller has locked the invoice.
    """
    company = scheduled.company
    payment = scheduled.payment.lock() if scheduled.payment is not None else None
    if payment is None:
        payment = create_payment_with_allocations(
            company, {invoice.pk: invoice}, [InvoiceAmount(invoice, amount)], origin=Payment.Origin.AUTOMATIC, now=now
        )
    payment.merchant, payment.company = company.merchant, company
    if payment.state == "cancelled":
        payment.move_locked_to("open", now=now, by="scheduler", reason="scheduled again")
    changes = {"amount": amount, "expires_at": now + PAYABLE_FOR}
    if payment.amount != amount:
        changes["details"] = build_details(company, [InvoiceAmount(invoice, amount)])
        PaymentAllocation.objects.filter(payment=payment, invoice=invoice).update(amount=amount)
    Payment.objects.filter(pk=payment.pk).update(**changes)
    for name, value in changes.items():
        setattr(payment, name, value)
    return payment


@transaction_required
def cancel_payment(payment_id: int, *, now: datetime) -> None:
    """Cancel an open payment that nobody is paying; any other stays as it is."""
    payment = Payment.objects.get(pk=payment_id).lock()
    if payment.state == "open" and not payment.attempts.filter(state__in=LIVE_STATES).exists():
        payment.move_locked_to("cancelled", now=now, by="scheduler", reason="not charged any more")
