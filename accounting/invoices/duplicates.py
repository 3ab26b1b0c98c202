"""Duplicate check: warnings about what else may pay an invoice already, before it is paid again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Exists, F, OuterRef, Q

from accounting.invoices.balances import is_in_linked_organisation, list_unconfirmed_allocations
from accounting.models import LIVE_SCHEDULED, CreditMatch, CreditNote, LedgerCredit, LedgerInvoice, ScheduledPayment
from accounting.models.posting_kinds import CREDIT_NOTE_PREFIX
from payments.models import Payment
from wisepay.clock import format_date, get_local_date
from wisepay.money import Money

UNUSED_STATES = ("pending", "draft", "approved")


@dataclass(frozen=True, slots=True)
class DuplicateWarning:
    """Something that may pay the invoice already: how much, and a sentence for the payer.

    The kind `scheduled` is the invoice's own automatic payment, which does not count when that payment runs.
    """

    invoice_id: int
    kind: Literal["credit", "in_flight", "scheduled"]
    amount: Money
    message: str


def find_duplicate_warnings(
    invoices: Sequence[LedgerInvoice], *, now: datetime, apart_from: Payment | None = None
) -> list[DuplicateWarning]:
    """Every warning that paying one of these invoices may be paying twice, invoice by invoice. Five queries at most.

    An unapplied PF_CR credit of the invoice's company in its currency counts for each of the company's invoices,
    unless a person dismissed that match. What `apart_from` pays itself does not count.
    """
    found: dict[int, list[DuplicateWarning]] = {invoice.pk: [] for invoice in invoices}
    for warning in [
        *list_credit_warnings(invoices),
        *list_in_flight_warnings(invoices, apart_from),
        *list_scheduled_warnings(invoices),
    ]:
        found[warning.invoice_id].append(warning)
    return [warning for invoice in invoices for warning in found[invoice.pk]]


def list_warning_messages(warnings: Sequence[DuplicateWarning]) -> list[str]:
    """The messages of the warnings, each once."""
    return list(dict.fromkeys(warning.message for warning in warnings))


def list_credit_warnings(invoices: Sequence[LedgerInvoice]) -> list[DuplicateWarning]:
    """Warnings about credits of paid quotes that are not used up."""
    companies = {invoice.company_id for invoice in invoices if invoice.company_id}
    unused = [*list_unused_notes(companies), *list_unknown_credits(companies)]
    if not unused:
        return []
    dismissed = CreditMatch.objects.filter(invoice__in=[i.pk for i in invoices], state="dismissed")
    dismissed_pairs = set(dismissed.values_list("note__number", "invoice"))
    return [
        DuplicateWarning(invoice.pk, "credit", credit.remaining, credit.message)
        for invoice in invoices
        for credit in unused
        if credit.company_id == invoice.company_id
        and credit.remaining.currency == invoice.currency
        and (credit.number, invoice.pk) not in dismissed_pairs
    ]


@dataclass(frozen=True, slots=True)
class UnusedCredit:
    """A credit that is not used up, and the message for a payer whose invoices it may be meant for."""

    company_id: int | None
    number: str
    remaining: Money
    message: str


def list_unused_notes(companies: set[int]) -> list[UnusedCredit]:
    """Our credit notes of these companies that are not used up, by our rows and by the mirror."""
    used = LedgerCredit.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number")).filter(
        ~Q(status__in=["draft", "open"]) | Q(remaining=0, status="open")
    )
    here = Q(organisation_id="") | Q(organisation_id=F("payment__company__organisation_id"))
    rows = CreditNote.objects.filter(here, payment__company__in=companies, state__in=UNUSED_STATES)
    rows = rows.filter(Q(remaining=None) | Q(remaining__gt=0)).exclude(Exists(used)).select_related("payment")
    return [
        UnusedCredit(
            note.payment.company_id,
            note.number,
            remaining := note.remaining_money or note.money,
            build_credit_message(note, remaining),
        )
        for note in rows.order_by("pk")
    ]


def build_credit_message(note: CreditNote, remaining: Money) -> str:
    """The sentences that a payer reads about their credit."""
    paid = f"{note.payment.purpose} was paid" if note.state == "approved" else f"{note.payment.purpose} is being paid"
    return f"{paid}, and its credit of {remaining} ({note.number}) is not used yet. It may be meant for this."


def list_unknown_credits(companies: set[int]) -> list[UnusedCredit]:
    """Credits in the ledger with a number of ours but without a row, for example from before a reconnection."""
    ours = CreditNote.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"))
    rows = LedgerCredit.objects.filter(
        is_in_linked_organisation(),
        company__in=companies,
        number__startswith=CREDIT_NOTE_PREFIX,
        status=LedgerCredit.CreditStatus.OPEN,
        remaining__gt=0,
    )
    return [
        UnusedCredit(
            credit.company_id,
            credit.number,
            credit.remaining_money,
            f"A credit of {credit.remaining_money} ({credit.number}) is not used yet. It may be meant for this.",
        )
        for credit in rows.exclude(Exists(ours)).order_by("pk")
    ]


def list_in_flight_warnings(invoices: Sequence[LedgerInvoice], apart_from: Payment | None) -> list[DuplicateWarning]:
    """Warnings about payments that are being processed, or that the mirror does not show yet."""
    by_key = {invoice.pk: invoice for invoice in invoices}
    return [
        DuplicateWarning(
            allocation.invoice_id,
            "in_flight",
            allocation.money,
            f"{allocation.money} for invoice {by_key[allocation.invoice_id]} "
            + (
                "is being processed already."
                if getattr(allocation, "is_live", False)
                else "was paid and is being booked."
            ),
        )
        for allocation in list_unconfirmed_allocations(by_key).order_by("pk")
        if apart_from is None or allocation.payment_id != apart_from.pk
    ]


def list_scheduled_warnings(invoices: Sequence[LedgerInvoice]) -> list[DuplicateWarning]:
    """Warnings about automatic payments that are scheduled."""
    by_key = {invoice.pk: invoice for invoice in invoices}
    rows = ScheduledPayment.objects.filter(invoice__in=list(by_key), state__in=LIVE_SCHEDULED)
    warnings = []
    for row in rows.select_related("merchant").order_by("run_at", "pk"):
        row.invoice = by_key[row.invoice_id]
        day = format_date(get_local_date(row.run_at, row.merchant.zone))
        message = f"{row.money} for invoice {row.invoice} will be taken automatically on {day}."
        warnings.append(DuplicateWarning(row.invoice_id, "scheduled", row.money, message))
    return warnings
