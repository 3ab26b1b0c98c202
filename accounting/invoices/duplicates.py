"""The duplicate guard: what else may pay an invoice already, said before anybody pays it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Exists, F, OuterRef, Q

from accounting.invoices.balances import is_in_linked_organisation, list_unconfirmed_allocations
from accounting.models import LIVE_SCHEDULED, CreditMatch, CreditNote, LedgerCredit, LedgerInvoice, ScheduledPayment
from payments.models import Payment
from wisepay.dates import format_date, get_local_date
from wisepay.money import Money

CREDIT_NOTE_PREFIX = "PF_CR"
UNUSED_STATES = ("pending", "draft", "approved")


@dataclass(frozen=True, slots=True)
class DuplicateWarning:
    """Something that may pay the invoice already, or was meant to: how much, and a sentence for whoever would pay.

    `scheduled` is the invoice's own automatic payment, which is no doubt to the one who runs that payment.
    """

    invoice_id: int
    kind: Literal["credit", "in_flight", "scheduled"]
    amount: Money
    message: str


def find_duplicate_warnings(
    invoices: Sequence[LedgerInvoice], *, now: datetime, apart_from: Payment | None = None
) -> list[DuplicateWarning]:
    """Every reason why paying one of these invoices may be paying twice, invoice by invoice. Five queries at most.

    An unapplied PF_CR credit of the invoice's company in its currency counts for each of the company's invoices,
    unless a person said that it does not belong to that one. What `apart_from` holds itself is no doubt.
    """
    found: dict[int, list[DuplicateWarning]] = {invoice.pk: [] for invoice in invoices}
    for doubt in [
        *list_credit_warnings(invoices),
        *list_in_flight_warnings(invoices, apart_from),
        *list_scheduled_warnings(invoices),
    ]:
        found[doubt.invoice_id].append(doubt)
    return [doubt for invoice in invoices for doubt in found[invoice.pk]]


def list_warning_messages(warnings: Sequence[DuplicateWarning]) -> list[str]:
    """What a person is told, each thing once."""
    return list(dict.fromkeys(doubt.message for doubt in warnings))


def list_credit_warnings(invoices: Sequence[LedgerInvoice]) -> list[DuplicateWarning]:
    """Credits of paid quotes that nothing has used."""
    companies = {invoice.company_id for invoice in invoices if invoice.company_id}
    unused = [*list_unused_notes(companies), *list_unknown_credits(companies)]
    if not unused:
        return []
    dismissed = CreditMatch.objects.filter(invoice__in=[i.pk for i in invoices], state="dismissed")
    refused = set(dismissed.values_list("note__number", "invoice"))
    return [
        DuplicateWarning(invoice.pk, "credit", left, sentence)
        for invoice in invoices
        for company, number, left, sentence in unused
        if company == invoice.company_id and left.currency == invoice.currency and (number, invoice.pk) not in refused
    ]


UnusedCredit = tuple[int | None, str, Money, str]


def list_unused_notes(companies: set[int]) -> list[UnusedCredit]:
    """Our credit notes of these companies with something left, as we know them or as the mirror does."""
    used = LedgerCredit.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number")).filter(
        ~Q(status__in=["draft", "open"]) | Q(remaining=0, status="open")
    )
    here = Q(organisation_id="") | Q(organisation_id=F("payment__company__organisation_id"))
    rows = CreditNote.objects.filter(here, payment__company__in=companies, state__in=UNUSED_STATES)
    rows = rows.filter(Q(remaining=None) | Q(remaining__gt=0)).exclude(Exists(used)).select_related("payment")
    return [
        (
            note.payment.company_id,
            note.number,
            left := note.remaining_money or note.money,
            build_credit_message(note, left),
        )
        for note in rows.order_by("pk")
    ]


def build_credit_message(note: CreditNote, left: Money) -> str:
    """What a payer reads of a credit that is theirs."""
    paid = f"{note.payment.purpose} was paid" if note.state == "approved" else f"{note.payment.purpose} is being paid"
    return f"{paid}, and its credit of {left} ({note.number}) is not used yet. It may be meant for this."


def list_unknown_credits(companies: set[int]) -> list[UnusedCredit]:
    """Credits with a number of ours in the books that we have no row of, for example from before a reconnection."""
    ours = CreditNote.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"))
    rows = LedgerCredit.objects.filter(
        is_in_linked_organisation(),
        company__in=companies,
        number__startswith=CREDIT_NOTE_PREFIX,
        status=LedgerCredit.CreditStatus.OPEN,
        remaining__gt=0,
    )
    return [
        (
            credit.company_id,
            credit.number,
            credit.remaining_money,
            f"A credit of {credit.remaining_money} ({credit.number}) is not used yet. It may be meant for this.",
        )
        for credit in rows.exclude(Exists(ours)).order_by("pk")
    ]


def list_in_flight_warnings(invoices: Sequence[LedgerInvoice], apart_from: Payment | None) -> list[DuplicateWarning]:
    """Payments of an invoice that have not been decided, or that its books do not show yet."""
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
    """Payments of an invoice that will be taken by themselves."""
    by_key = {invoice.pk: invoice for invoice in invoices}
    rows = ScheduledPayment.objects.filter(invoice__in=list(by_key), state__in=LIVE_SCHEDULED)
    doubts = []
    for row in rows.select_related("merchant").order_by("run_at", "pk"):
        row.invoice = by_key[row.invoice_id]
        day = format_date(get_local_date(row.run_at, row.merchant.zone))
        sentence = f"{row.money} for invoice {row.invoice} will be taken automatically on {day}."
        doubts.append(DuplicateWarning(row.invoice_id, "scheduled", row.money, sentence))
    return doubts
