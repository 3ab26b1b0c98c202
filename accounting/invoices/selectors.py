"""The rows of Outstanding Payments: quotes and invoices in one list, the first due on top."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import BigIntegerField, F, FilteredRelation, Q, QuerySet, Value
from django.http import Http404
from django.utils.translation import gettext as _

from accounting.invoices.balances import InvoiceBalance, get_balances, list_payable_invoices
from accounting.models import LIVE_SCHEDULED, LedgerInvoice, ScheduledPayment
from payers.access import PayerRequest
from payers.models import PayerAccess, PayerCompany
from payments.errors import get_operation_failure
from payments.models import Attempt, Payment
from payments.portal.access import WHOLE_COMPANY, attach_companies
from payments.portal.view_models import (
    OutstandingPayment,
    PaymentStanding,
    format_day,
    get_standing_in_progress,
    list_latest_attempts,
    list_outstanding_quotes,
    list_owed_quotes,
)
from payments.portal.widgets import PAGE_SIZE, RowPage
from wisepay.clock import format_date, get_local_date
from wisepay.models import User
from wisepay.money import Money

NO_DUE_DATE = date.max


@dataclass(frozen=True, slots=True)
class OutstandingInvoice:
    """An invoice that is owed: `amount` is its total, `total` the part of it that is still owed.

    `scheduled` is a sentence about its scheduled payment; `is_automatic`: an Auto-Pay mapping has scheduled it.
    """

    invoice: LedgerInvoice
    company: PayerCompany
    balance: InvoiceBalance
    standing: PaymentStanding
    scheduled: str = ""
    is_automatic: bool = False

    @property
    def amount(self) -> Money:
        """The invoice's total."""
        return self.invoice.money

    @property
    def total(self) -> Money:
        """What is owed once the ledger shows everything that was paid."""
        return Money(self.balance.outstanding, self.invoice.currency)

    @property
    def payable(self) -> Money:
        """What can be paid of it now."""
        return Money(self.balance.payable, self.invoice.currency)

    @property
    def due_on(self) -> date | None:
        """When it is due."""
        return self.invoice.due_on


OutstandingRow = OutstandingPayment | OutstandingInvoice


def get_fully_visible_companies(accesses: Sequence[PayerAccess]) -> dict[int, PayerCompany]:
    """The companies whose invoices these accesses show: those with the scope of the whole company."""
    return {access.company_id: access.company for access in accesses if access.scope == WHOLE_COMPANY}


def list_outstanding(
    accesses: Sequence[PayerAccess], person: User, *, now: datetime, page: int
) -> RowPage[OutstandingRow]:
    """One page of what is owed or being paid. Four queries at any number of rows.

    The first rows of both lists are read up to the page's end and merged.
    """
    start, stop = (page - 1) * PAGE_SIZE, page * PAGE_SIZE + 1
    companies = get_fully_visible_companies(accesses)
    quotes = list(list_owed_quotes(accesses, person, now=now)[:stop])
    invoices = list(annotate_scheduled_payment(list_payable_invoices(list(companies)))[:stop]) if companies else []
    due = [(payment.expires_at.date(), 0, payment.pk) for payment in quotes]
    due += [(invoice.due_on or NO_DUE_DATE, 1, invoice.pk) for invoice in invoices]
    keys = sorted(due)[start:stop]
    shown = {(kind, pk) for _, kind, pk in keys[:PAGE_SIZE]}
    quotes = attach_companies([quote for quote in quotes if (0, quote.pk) in shown], accesses)
    invoices = [invoice for invoice in invoices if (1, invoice.pk) in shown]
    of_quotes, of_invoices = get_attempts_by_quote_and_invoice(quotes, invoices)
    rows: dict[tuple[int, int], OutstandingRow] = {
        (0, row.payment.pk): row for row in list_outstanding_quotes(quotes, of_quotes, now=now)
    }
    outstanding = list_outstanding_invoices(invoices, companies, attempts=of_invoices, now=now)
    rows |= {(1, row.invoice.pk): row for row in outstanding}
    return RowPage([rows[kind, pk] for _, kind, pk in keys[:PAGE_SIZE]], page, has_next=len(keys) > PAGE_SIZE)


def list_outstanding_invoices(
    invoices: Sequence[LedgerInvoice],
    companies: dict[int, PayerCompany],
    *,
    attempts: Mapping[int, Attempt],
    now: datetime,
) -> list[OutstandingInvoice]:
    """The rows of these annotated invoices with their newest `attempts`. One query, none without invoices."""
    balances = get_balances(invoices) if invoices else {}
    rows = []
    for invoice in invoices:
        company, balance = companies[invoice.company_id or 0], balances[invoice.pk]
        schedule = get_scheduled_payment(invoice)
        rows.append(
            OutstandingInvoice(
                invoice=invoice,
                company=company,
                balance=balance,
                standing=get_invoice_standing(invoice, balance, attempts.get(invoice.pk), company=company, now=now),
                scheduled=build_schedule_text(schedule, company) if schedule else "",
                is_automatic=schedule is not None and schedule.mapping_id is not None,
            )
        )
    return rows


def get_attempts_by_quote_and_invoice(
    quotes: Sequence[Payment], invoices: Sequence[LedgerInvoice]
) -> tuple[dict[int, Attempt], dict[int, Attempt]]:
    """The newest attempt to pay each quote, and each invoice. One query."""
    keys = [invoice.pk for invoice in invoices]
    for_invoices = Attempt.objects.filter(payment__allocations__invoice__in=keys).annotate(
        invoice_id=F("payment__allocations__invoice")
    )
    for_invoices = for_invoices.order_by("invoice_id", "-pk").distinct("invoice_id")
    for_quotes = list_latest_attempts(quotes).annotate(invoice_id=Value(None, BigIntegerField()))
    attempts = list(for_quotes.union(for_invoices, all=True))
    by_quote: dict[int, Attempt] = {attempt.payment_id: attempt for attempt in attempts if attempt.invoice_id is None}
    return by_quote, {attempt.invoice_id: attempt for attempt in attempts if attempt.invoice_id is not None}


def annotate_scheduled_payment(invoices: QuerySet[LedgerInvoice]) -> QuerySet[LedgerInvoice]:
    """The invoices with their live scheduled payment, of which each has one at most, in the same query."""
    live = FilteredRelation("scheduled_payments", condition=Q(scheduled_payments__state__in=LIVE_SCHEDULED))
    return invoices.annotate(to_come=live).select_related("to_come__method")  # type: ignore[misc]


def get_scheduled_payment(invoice: LedgerInvoice) -> ScheduledPayment | None:
    """The scheduled payment that `annotate_scheduled_payment` has read with the invoice."""
    found: ScheduledPayment | None = getattr(invoice, "to_come", None)
    if found is not None:
        found.invoice = invoice
    return found


def build_schedule_text(schedule: ScheduledPayment, company: PayerCompany) -> str:
    """When how much will be charged to which method, as a sentence."""
    day = format_date(get_local_date(schedule.run_at, company.merchant.zone))
    method = f" from {schedule.method}" if schedule.method else ""
    on_hold = " It is on hold." if schedule.state == "held" else ""
    return f"{schedule.money} on {day}{method}.{on_hold}"


def get_invoice_standing(
    invoice: LedgerInvoice, balance: InvoiceBalance, attempt: Attempt | None, *, company: PayerCompany, now: datetime
) -> PaymentStanding:
    """The invoice's standing, with a phrase for its payer."""
    can_pay = balance.payable > 0
    if balance.in_flight and attempt is not None and attempt.is_live:
        return get_processing_standing(attempt, balance, company, invoice.currency)
    if balance.in_flight:
        return PaymentStanding("processing", "Processing: we are waiting for the bank's answer.", can_pay=can_pay)
    if balance.unconfirmed:
        paid = Money(balance.unconfirmed, invoice.currency)
        return PaymentStanding("processing", f"{paid} paid, waiting for the books", can_pay=can_pay)
    if not balance.is_readable:
        return PaymentStanding("processing", _("Changed in the books; we look again what is due."))
    failure = get_operation_failure(attempt)
    if attempt is not None and failure:
        return PaymentStanding(attempt.state, failure, can_pay=can_pay)
    today = get_local_date(now, company.merchant.zone)
    return PaymentStanding("overdue" if invoice.days_past_due(today) else "open", can_pay=can_pay)


def get_processing_standing(
    attempt: Attempt, balance: InvoiceBalance, company: PayerCompany, currency: str
) -> PaymentStanding:
    """The standing of an invoice while an attempt to pay it is not decided."""
    can_pay = balance.payable > 0
    if not attempt.is_settling or attempt.submitted_at is None:
        standing = get_standing_in_progress(attempt.state)
        return PaymentStanding("processing", standing.words, can_pay=can_pay)
    sent = format_day(company.merchant, attempt.submitted_at)
    part = f" of {Money(balance.in_flight, currency)}" if can_pay else ""
    return PaymentStanding("processing", f"Processing: bank debit{part} sent {sent}", can_pay=can_pay)


def get_visible_invoice(request: PayerRequest, reference: str) -> LedgerInvoice:
    """The invoice, with its company and merchant, if these accesses show it. Raises Http404."""
    companies = get_fully_visible_companies(request.accesses)
    status = LedgerInvoice.InvoiceStatus
    rows = LedgerInvoice.objects.filter(
        company__in=companies, reference=reference, status__in=[status.OPEN, status.PAID, status.VOIDED]
    )
    invoice = annotate_scheduled_payment(rows).first()
    if invoice is None:
        raise Http404
    return attach_company(invoice, companies)


def attach_company(invoice: LedgerInvoice, companies: dict[int, PayerCompany]) -> LedgerInvoice:
    """Set the invoice's company and merchant, which were read before."""
    company = companies[invoice.company_id or 0]
    invoice.company, invoice.merchant = company, company.merchant
    return invoice


def get_outstanding_invoice(invoice: LedgerInvoice, *, now: datetime) -> OutstandingInvoice:
    """The row of one invoice whose company is set."""
    company = get_company(invoice)
    _, attempts = get_attempts_by_quote_and_invoice([], [invoice])
    return list_outstanding_invoices([invoice], {company.pk: company}, attempts=attempts, now=now)[0]


def get_company(invoice: LedgerInvoice) -> PayerCompany:
    """The payer company of the invoice. Raises ValueError if it has none."""
    if invoice.company is None:
        raise ValueError(f"{invoice} has no company")
    return invoice.company
