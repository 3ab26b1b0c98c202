"""The rows of Outstanding Payments: quotes and invoices in one list, what is due first on top."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import BigIntegerField, F, FilteredRelation, Q, QuerySet, Value
from django.http import Http404

from accounting.invoices.balances import InvoiceBalance, get_balances, list_payable_invoices
from accounting.models import LIVE_SCHEDULED, LedgerInvoice, ScheduledPayment
from payers.access import PayerRequest
from payers.models import PayerAccess, PayerCompany
from payments.failure_messages import get_operation_failure
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
from wisepay.dates import format_date, get_local_date
from wisepay.models import User
from wisepay.money import Money

NO_DUE_DATE = date.max


@dataclass(frozen=True, slots=True)
class OutstandingInvoice:
    """An invoice that is owed: `amount` is what it is over, `total` what is still owed of it.

    `scheduled` says in words when it will be taken by itself; `is_automatic` whether a rule decided that.
    """

    invoice: LedgerInvoice
    company: PayerCompany
    balance: InvoiceBalance
    standing: PaymentStanding
    scheduled: str = ""
    is_automatic: bool = False

    @property
    def amount(self) -> Money:
        """What the invoice is over."""
        return self.invoice.money

    @property
    def total(self) -> Money:
        """What is owed of it, once the books know of everything that was paid."""
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
    """The companies whose invoices these accesses open: those that are open as a whole."""
    return {access.company_id: access.company for access in accesses if access.scope == WHOLE_COMPANY}


def list_outstanding(
    accesses: Sequence[PayerAccess], person: User, *, now: datetime, page: int
) -> RowPage[OutstandingRow]:
    """One page of what is owed or on its way. Four queries at any number of rows.

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
    owed = list_outstanding_invoices(invoices, companies, attempts=of_invoices, now=now)
    rows |= {(1, row.invoice.pk): row for row in owed}
    return RowPage([rows[kind, pk] for _, kind, pk in keys[:PAGE_SIZE]], page, has_next=len(keys) > PAGE_SIZE)


def list_outstanding_invoices(
    invoices: Sequence[LedgerInvoice],
    companies: dict[int, PayerCompany],
    *,
    attempts: Mapping[int, Attempt],
    now: datetime,
) -> list[OutstandingInvoice]:
    """How these of `with_schedule` stand whose newest attempts these are. One query, none for none."""
    rooms = get_balances(invoices) if invoices else {}
    made = []
    for invoice in invoices:
        company, room = companies[invoice.company_id or 0], rooms[invoice.pk]
        schedule = get_scheduled_payment(invoice)
        made.append(
            OutstandingInvoice(
                invoice=invoice,
                company=company,
                balance=room,
                standing=get_invoice_standing(invoice, room, attempts.get(invoice.pk), company=company, now=now),
                scheduled=build_schedule_text(schedule, company) if schedule else "",
                is_automatic=schedule is not None and schedule.mapping_id is not None,
            )
        )
    return made


def get_attempts_by_quote_and_invoice(
    quotes: Sequence[Payment], invoices: Sequence[LedgerInvoice]
) -> tuple[dict[int, Attempt], dict[int, Attempt]]:
    """The newest attempt to pay each quote, and each invoice. One query."""
    keys = [invoice.pk for invoice in invoices]
    talks = Attempt.objects.filter(payment__allocations__invoice__in=keys).annotate(
        invoice_id=F("payment__allocations__invoice")
    )
    talks = talks.order_by("invoice_id", "-pk").distinct("invoice_id")
    asked = list_latest_attempts(quotes).annotate(invoice_id=Value(None, BigIntegerField()))
    found = list(asked.union(talks, all=True))
    of_quotes: dict[int, Attempt] = {attempt.payment_id: attempt for attempt in found if attempt.invoice_id is None}
    return of_quotes, {attempt.invoice_id: attempt for attempt in found if attempt.invoice_id is not None}


def annotate_scheduled_payment(invoices: QuerySet[LedgerInvoice]) -> QuerySet[LedgerInvoice]:
    """The same with the automatic payment that is to come of each; the database keeps one live one an invoice."""
    live = FilteredRelation("scheduled_payments", condition=Q(scheduled_payments__state__in=LIVE_SCHEDULED))
    return invoices.annotate(to_come=live).select_related("to_come__method")  # type: ignore[misc]


def get_scheduled_payment(invoice: LedgerInvoice) -> ScheduledPayment | None:
    """What `with_schedule` read along."""
    found: ScheduledPayment | None = getattr(invoice, "to_come", None)
    if found is not None:
        found.invoice = invoice
    return found


def build_schedule_text(schedule: ScheduledPayment, company: PayerCompany) -> str:
    """When how much will be taken, and from where."""
    day = format_date(get_local_date(schedule.run_at, company.merchant.zone))
    method = f" from {schedule.method}" if schedule.method else ""
    held = " It is on hold." if schedule.state == "held" else ""
    return f"{schedule.money} on {day}{method}.{held}"


def get_invoice_standing(
    invoice: LedgerInvoice, balance: InvoiceBalance, attempt: Attempt | None, *, company: PayerCompany, now: datetime
) -> PaymentStanding:
    """How an invoice stands, in words for its payer."""
    can_pay = balance.payable > 0
    if balance.in_flight and attempt is not None and attempt.is_live:
        return get_processing_standing(attempt, balance, company, invoice.currency)
    if balance.in_flight:
        return PaymentStanding("processing", "Processing: we are waiting for the bank's answer.", can_pay=can_pay)
    if balance.unconfirmed:
        paid = Money(balance.unconfirmed, invoice.currency)
        return PaymentStanding("processing", f"{paid} paid, waiting for the books", can_pay=can_pay)
    failure = get_operation_failure(attempt)
    if attempt is not None and failure:
        return PaymentStanding(attempt.state, failure, can_pay=can_pay)
    today = get_local_date(now, company.merchant.zone)
    return PaymentStanding("overdue" if invoice.days_past_due(today) else "open", can_pay=can_pay)


def get_processing_standing(
    attempt: Attempt, balance: InvoiceBalance, company: PayerCompany, currency: str
) -> PaymentStanding:
    """How it stands while a payment has not been decided."""
    can_pay = balance.payable > 0
    if not attempt.is_settling or attempt.submitted_at is None:
        asked = get_standing_in_progress(attempt.state)
        return PaymentStanding("processing", asked.words, can_pay=can_pay)
    sent = format_day(company.merchant, attempt.submitted_at)
    part = f" of {Money(balance.in_flight, currency)}" if can_pay else ""
    return PaymentStanding("processing", f"Processing: bank debit{part} sent {sent}", can_pay=can_pay)


def get_visible_invoice(request: PayerRequest, reference: str) -> LedgerInvoice:
    """An invoice that this view may show, with its company and merchant. Raises Http404 for every other."""
    companies = get_fully_visible_companies(request.accesses)
    shown = [
        s
        for s in LedgerInvoice.InvoiceStatus
        if s not in (LedgerInvoice.InvoiceStatus.DRAFT, LedgerInvoice.InvoiceStatus.DELETED)
    ]
    rows = LedgerInvoice.objects.filter(company__in=companies, reference=reference, status__in=shown)
    invoice = annotate_scheduled_payment(rows).first()
    if invoice is None:
        raise Http404
    return attach_company(invoice, companies)


def attach_company(invoice: LedgerInvoice, companies: dict[int, PayerCompany]) -> LedgerInvoice:
    """The invoice with the company that was read before."""
    company = companies[invoice.company_id or 0]
    invoice.company, invoice.merchant = company, company.merchant
    return invoice


def get_outstanding_invoice(invoice: LedgerInvoice, *, now: datetime) -> OutstandingInvoice:
    """The row of one invoice whose company was read."""
    company = get_company(invoice)
    _, talks = get_attempts_by_quote_and_invoice([], [invoice])
    return list_outstanding_invoices([invoice], {company.pk: company}, attempts=talks, now=now)[0]


def get_company(invoice: LedgerInvoice) -> PayerCompany:
    """The payer company of an invoice that has one."""
    if invoice.company is None:
        raise ValueError(f"{invoice} has no company")
    return invoice.company
