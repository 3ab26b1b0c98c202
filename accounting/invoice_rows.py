"""The rows of Outstanding Payments: quotes and invoices in one list, what is due first on top."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import BigIntegerField, F, FilteredRelation, Q, QuerySet, Value
from django.http import Http404

from accounting.invoice_room import Room, payable_invoices, rooms_of
from accounting.models import LIVE_SCHEDULED, LedgerInvoice, ScheduledPayment
from payers.access import PayerRequest
from payers.models import PayerAccess, PayerCompany
from payments.models import Attempt, Payment
from payments.portal_access import WHOLE, with_companies
from payments.portal_rows import (
    PAGE,
    Outstanding,
    Slice,
    Standing,
    day_of,
    latest_attempts,
    outstanding_rows,
    owed_quotes,
    under_way,
)
from payments.sentences import failure_of
from wisepay.models import User
from wisepay.money import Money

LATER = date.max


@dataclass(frozen=True, slots=True)
class OwedInvoice:
    """An invoice that is owed: `amount` is what it is over, `total` what is still owed of it.

    `scheduled` says in words when it will be taken by itself; `is_automatic` whether a rule decided that.
    """

    invoice: LedgerInvoice
    company: PayerCompany
    room: Room
    standing: Standing
    scheduled: str = ""
    is_automatic: bool = False

    @property
    def amount(self) -> Money:
        """What the invoice is over."""
        return self.invoice.money

    @property
    def total(self) -> Money:
        """What is owed of it, once the books know of everything that was paid."""
        return Money(self.room.outstanding, self.invoice.currency)

    @property
    def payable(self) -> Money:
        """What can be paid of it now."""
        return Money(self.room.left, self.invoice.currency)

    @property
    def due_on(self) -> date | None:
        """When it is due."""
        return self.invoice.due_on


Row = Outstanding | OwedInvoice


def whole_companies(accesses: Sequence[PayerAccess]) -> dict[int, PayerCompany]:
    """The companies whose invoices these accesses open: those that are open as a whole."""
    return {access.company_id: access.company for access in accesses if access.scope == WHOLE}


def outstanding(accesses: Sequence[PayerAccess], person: User, *, now: datetime, page: int) -> Slice[Row]:
    """One page of what is owed or on its way. Four queries at any number of rows.

    The first rows of both lists are read up to the page's end and merged.
    """
    start, stop = (page - 1) * PAGE, page * PAGE + 1
    companies = whole_companies(accesses)
    quotes = list(owed_quotes(accesses, person, now=now)[:stop])
    invoices = list(with_schedule(payable_invoices(list(companies)))[:stop]) if companies else []
    due = [(payment.expires_at.date(), 0, payment.pk) for payment in quotes]
    due += [(invoice.due_on or LATER, 1, invoice.pk) for invoice in invoices]
    keys = sorted(due)[start:stop]
    shown = {(kind, pk) for _, kind, pk in keys[:PAGE]}
    quotes = with_companies([quote for quote in quotes if (0, quote.pk) in shown], accesses)
    invoices = [invoice for invoice in invoices if (1, invoice.pk) in shown]
    of_quotes, of_invoices = newest_attempts(quotes, invoices)
    rows: dict[tuple[int, int], Row] = {
        (0, row.payment.pk): row for row in outstanding_rows(quotes, of_quotes, now=now)
    }
    owed = invoice_rows(invoices, companies, talks=of_invoices, now=now)
    rows |= {(1, row.invoice.pk): row for row in owed}
    return Slice([rows[kind, pk] for _, kind, pk in keys[:PAGE]], page, has_next=len(keys) > PAGE)


def invoice_rows(
    invoices: Sequence[LedgerInvoice],
    companies: dict[int, PayerCompany],
    *,
    talks: Mapping[int, Attempt],
    now: datetime,
) -> list[OwedInvoice]:
    """How these of `with_schedule` stand whose newest attempts these are. One query, none for none."""
    rooms = rooms_of(invoices) if invoices else {}
    made = []
    for invoice in invoices:
        company, room = companies[invoice.company_id or 0], rooms[invoice.pk]
        schedule = schedule_of(invoice)
        made.append(
            OwedInvoice(
                invoice=invoice,
                company=company,
                room=room,
                standing=standing_of(invoice, room, talks.get(invoice.pk), company=company, now=now),
                scheduled=scheduled_words(schedule, company) if schedule else "",
                is_automatic=schedule is not None and schedule.mapping_id is not None,
            )
        )
    return made


def newest_attempts(
    quotes: Sequence[Payment], invoices: Sequence[LedgerInvoice]
) -> tuple[dict[int, Attempt], dict[int, Attempt]]:
    """The newest attempt to pay each quote, and each invoice. One query."""
    keys = [invoice.pk for invoice in invoices]
    talks = Attempt.objects.filter(payment__shares__invoice__in=keys).annotate(invoice_id=F("payment__shares__invoice"))
    talks = talks.order_by("invoice_id", "-pk").distinct("invoice_id")
    asked = latest_attempts(quotes).annotate(invoice_id=Value(None, BigIntegerField()))
    found = list(asked.union(talks, all=True))
    of_quotes: dict[int, Attempt] = {attempt.payment_id: attempt for attempt in found if attempt.invoice_id is None}
    return of_quotes, {attempt.invoice_id: attempt for attempt in found if attempt.invoice_id is not None}


def with_schedule(invoices: QuerySet[LedgerInvoice]) -> QuerySet[LedgerInvoice]:
    """The same with the automatic payment that is to come of each; the database keeps one live one an invoice."""
    live = FilteredRelation("scheduled_payments", condition=Q(scheduled_payments__state__in=LIVE_SCHEDULED))
    return invoices.annotate(to_come=live).select_related("to_come__method")  # type: ignore[misc]


def schedule_of(invoice: LedgerInvoice) -> ScheduledPayment | None:
    """What `with_schedule` read along."""
    found: ScheduledPayment | None = getattr(invoice, "to_come", None)
    if found is not None:
        found.invoice = invoice
    return found


def scheduled_words(schedule: ScheduledPayment, company: PayerCompany) -> str:
    """When how much will be taken, and from where."""
    day = schedule.run_at.astimezone(company.merchant.zone)
    method = f" from {schedule.method}" if schedule.method else ""
    held = " It is on hold." if schedule.state == "held" else ""
    return f"{schedule.money} on {day.day} {day:%b %Y}{method}.{held}"


def standing_of(
    invoice: LedgerInvoice, room: Room, talk: Attempt | None, *, company: PayerCompany, now: datetime
) -> Standing:
    """How an invoice stands, in words for its payer."""
    can_pay = room.left > 0
    if room.in_flight and talk is not None and talk.is_live:
        return flying(talk, room, company, invoice.currency)
    if room.in_flight:
        return Standing("processing", "Processing: we are waiting for the bank's answer.", can_pay=can_pay)
    if room.waiting:
        paid = Money(room.waiting, invoice.currency)
        return Standing("processing", f"{paid} paid, waiting for the books", can_pay=can_pay)
    failure = failure_of(talk)
    if talk is not None and failure:
        return Standing(talk.state, failure, can_pay=can_pay)
    today = now.astimezone(company.merchant.zone).date()
    return Standing("overdue" if invoice.days_past_due(today) else "open", can_pay=can_pay)


def flying(talk: Attempt, room: Room, company: PayerCompany, currency: str) -> Standing:
    """How it stands while a payment has not been decided."""
    can_pay = room.left > 0
    if not talk.is_settling or talk.submitted_at is None:
        asked = under_way(talk.state)
        return Standing("processing", asked.words, can_pay=can_pay)
    sent = day_of(company.merchant, talk.submitted_at)
    part = f" of {Money(room.in_flight, currency)}" if can_pay else ""
    return Standing("processing", f"Processing: bank debit{part} sent {sent}", can_pay=can_pay)


def invoice_for(request: PayerRequest, reference: str) -> LedgerInvoice:
    """An invoice that this view may show, with its company and merchant. Raises Http404 for every other."""
    companies = whole_companies(request.accesses)
    shown = [s for s in LedgerInvoice.Status if s not in (LedgerInvoice.Status.DRAFT, LedgerInvoice.Status.DELETED)]
    rows = LedgerInvoice.objects.filter(company__in=companies, reference=reference, status__in=shown)
    invoice = with_schedule(rows).first()
    if invoice is None:
        raise Http404
    return with_company(invoice, companies)


def with_company(invoice: LedgerInvoice, companies: dict[int, PayerCompany]) -> LedgerInvoice:
    """The invoice with the company that was read before."""
    company = companies[invoice.company_id or 0]
    invoice.company, invoice.merchant = company, company.merchant
    return invoice


def row_of(invoice: LedgerInvoice, *, now: datetime) -> OwedInvoice:
    """The row of one invoice whose company was read."""
    company = company_of(invoice)
    _, talks = newest_attempts([], [invoice])
    return invoice_rows([invoice], {company.pk: company}, talks=talks, now=now)[0]


def company_of(invoice: LedgerInvoice) -> PayerCompany:
    """The payer company of an invoice that has one."""
    if invoice.company is None:
        raise ValueError(f"{invoice} has no company")
    return invoice.company
