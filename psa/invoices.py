"""Find the down-payment invoice that a quote's money belongs on, from the opportunity down."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction

from payers.company_ids import learn_id
from psa.models import PsaPayment
from psa.protocol import Psa, RemoteInvoice, RemoteOpportunity, RemotePayment
from quotes.models import Quote
from wisepay.errors import NotThere

EQUAL_WITHIN = timedelta(days=3)  # a payment of the same amount this close is taken for the same money
NO_INVOICE = (
    "There is no down-payment invoice for the order of opportunity {opportunity} in ConnectWise PSA yet. Make one "
    "there and tie it to the sales order: it is found automatically."
)
NO_OPPORTUNITY = (
    "The quote names no opportunity of ConnectWise PSA, so its invoice can't be found. Name the invoice by its number."
)
OPPORTUNITY_GONE = (
    "Opportunity {opportunity} is not in ConnectWise PSA. If it was merged or deleted, name the invoice by its number."
)
SEVERAL = "The order has {count} open down-payment invoices. Choose the one that was paid."


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: the invoice and the payments on it, one that is the same money, or why there is nothing.

    `is_paid`: nothing is owed on the one invoice that it could be.
    """

    invoice: RemoteInvoice | None = None
    payments: tuple[RemotePayment, ...] = ()
    equal: RemotePayment | None = None
    reason: str = ""
    candidates: tuple[RemoteInvoice, ...] = ()
    is_waiting: bool = False
    is_paid: bool = False


def find_invoice(psa: Psa, row: PsaPayment) -> Found:
    """Find the one invoice to write on. Raises what the PSA's verbs raise."""
    if row.is_chosen and row.invoice_id is not None:
        try:
            return examine_invoice(psa, row, psa.get_invoice(row.invoice_id, currency=row.currency))
        except NotThere:
            return Found(reason=f"Invoice {row.invoice_number} is no longer in ConnectWise PSA. Choose another one.")
    opportunity_id = read_opportunity_id(row)
    if opportunity_id is None:
        return Found(reason=NO_OPPORTUNITY)
    try:
        opportunity = psa.get_opportunity(opportunity_id)
    except NotThere:
        return Found(reason=OPPORTUNITY_GONE.format(opportunity=opportunity_id))
    row.opportunity_id, row.psa_company = opportunity_id, opportunity.company_name
    learn_company(row, opportunity)
    orders = psa.list_orders(opportunity_id)
    invoices = psa.list_down_payment_invoices(orders, currency=row.currency)
    return choose_invoice(psa, row, invoices, opportunity_id=opportunity_id)


def learn_company(row: PsaPayment, opportunity: RemoteOpportunity) -> None:
    """Remember which company of PSA the payer is, so that its next quote finds it whatever it is called then.

    A contradiction is asked on Quotes; the payment goes on, since its invoice is found by the opportunity.
    """
    if row.payment is not None and opportunity.company_id:
        one, company = ("psa", str(opportunity.company_id)), row.payment.company
        with transaction():
            learn_id(company, one, name=opportunity.company_name or company.name, subject=row.payment.purpose)


def read_opportunity_id(row: PsaPayment) -> int | None:
    """The record id of the opportunity that the quote names; None for anything else."""
    text = Quote.objects.filter(payment=row.payment_id).values_list("opportunity_id", flat=True).first() or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else None


def choose_invoice(psa: Psa, row: PsaPayment, invoices: Sequence[RemoteInvoice], *, opportunity_id: int) -> Found:
    """The only open one; closed ones count where another tool has paid and closed it already."""
    if not invoices:
        return Found(is_waiting=True, reason=NO_INVOICE.format(opportunity=opportunity_id))
    still_open = [invoice for invoice in invoices if not invoice.is_closed]
    if len(still_open) > 1:
        return Found(reason=SEVERAL.format(count=len(still_open)), candidates=tuple(invoices))
    for invoice in invoices:
        if invoice not in still_open:
            found = examine_invoice(psa, row, invoice)
            if found.equal is not None or not still_open:
                return found
    return examine_invoice(psa, row, still_open[0])


def examine_invoice(psa: Psa, row: PsaPayment, invoice: RemoteInvoice) -> Found:
    """Read an invoice's payments, and say whether ours can go on it."""
    payments = tuple(psa.list_payments(invoice.id, currency=row.currency))
    equal = find_equal_payment(row, invoice, payments)
    reason = "" if equal else find_obstacle(row, invoice)
    return Found(None if reason else invoice, payments, equal, reason, candidates=(invoice,) if reason else ())


def find_obstacle(row: PsaPayment, invoice: RemoteInvoice) -> str:
    """Why the payment can't go on an invoice, and what to do; empty when it can."""
    name = f"Invoice {invoice.number}"
    if invoice.is_closed:
        return f"{name} is closed in ConnectWise PSA. Open it again there, or choose another one."
    if invoice.currency != row.currency:
        return f"{name} is in {invoice.currency}, and {row.money} was paid. Choose an invoice in {row.currency}."
    if invoice.balance is None:
        return f"The balance of {name} can't be read. Choose an invoice, or settle it by hand."
    if invoice.balance.amount < row.amount:
        return f"{name} has a balance of {invoice.balance}, and {row.money} was paid. Correct it there, then try again."
    return ""


def find_equal_payment(
    row: PsaPayment, invoice: RemoteInvoice, payments: Sequence[RemotePayment]
) -> RemotePayment | None:
    """A payment of that amount and about that day which none of our other rows wrote."""
    known = list_known_ids(row, invoice.id)
    for payment in payments:
        is_near = payment.paid_on is None or abs(payment.paid_on - row.paid_on) <= EQUAL_WITHIN
        if payment.amount == row.money and is_near and payment.id not in known:
            return payment
    return None


def list_rows_on_invoice(row: PsaPayment, invoice_id: int) -> QuerySet[PsaPayment]:
    """The other rows on an invoice of the PSA that is connected now; ids of one before mean nothing there."""
    ours = Q(organisation_id__in=["", row.connection.organisation_id])
    rows = PsaPayment.objects.filter(ours, connection=row.connection_id, invoice_id=invoice_id)
    return rows.exclude(pk=row.pk)


def list_known_ids(row: PsaPayment, invoice_id: int) -> set[int]:
    """The payments on an invoice that stand for other money of ours: written by us, or found there for it."""
    rows = list_rows_on_invoice(row, invoice_id)
    found = {key for key in rows.values_list("psa_payment_id", flat=True) if key is not None}
    present = rows.filter(state="present").values_list("answer", flat=True)
    return found | {answer["id"] for answer in present if isinstance(answer.get("id"), int)}


def describe_candidates(invoices: Sequence[RemoteInvoice]) -> list[dict[str, Any]]:
    """What a person chooses from, as it is stored."""
    return [
        {
            "id": one.id,
            "number": one.number,
            "company": one.company_name,
            "balance": str(one.balance) if one.balance else "",
            "is_closed": one.is_closed,
        }
        for one in invoices
    ]


def describe_payments(payments: Sequence[RemotePayment]) -> list[dict[str, Any]]:
    """Payments on an invoice that a person chooses from."""
    return [
        {**{n: v for n, v in asdict(one).items() if n in ("id", "applied_by")}, "paid_on": str(one.paid_on or "")}
        for one in payments
    ]
