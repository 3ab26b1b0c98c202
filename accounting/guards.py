"""The duplicate guard: what else may pay an invoice already, said before anybody pays it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Exists, F, OuterRef, Q

from accounting.invoice_room import holding_shares, in_use
from accounting.models import LIVE_SCHEDULED, CreditMatch, CreditNote, LedgerCredit, LedgerInvoice, ScheduledPayment
from payments.models import Payment
from wisepay.money import Money

OURS = "PF_CR"
UNUSED = ("pending", "draft", "approved")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that may pay the invoice already, or was meant to: how much, and a sentence for whoever would pay.

    `scheduled` is the invoice's own automatic payment, which is no doubt to the one who runs that payment.
    """

    invoice_id: int
    kind: Literal["credit", "in_flight", "scheduled"]
    amount: Money
    sentence: str


def possible_duplicates(
    invoices: Sequence[LedgerInvoice], *, now: datetime, apart_from: Payment | None = None
) -> list[Doubt]:
    """Every reason why paying one of these invoices may be paying twice, invoice by invoice. Five queries at most.

    An unapplied PF_CR credit of the invoice's company in its currency counts for each of the company's invoices,
    unless a person said that it does not belong to that one. What `apart_from` holds itself is no doubt.
    """
    found: dict[int, list[Doubt]] = {invoice.pk: [] for invoice in invoices}
    for doubt in [*credit_doubts(invoices), *flight_doubts(invoices, apart_from), *scheduled_doubts(invoices)]:
        found[doubt.invoice_id].append(doubt)
    return [doubt for invoice in invoices for doubt in found[invoice.pk]]


def sentences_of(doubts: Sequence[Doubt]) -> list[str]:
    """What a person is told, each thing once."""
    return list(dict.fromkeys(doubt.sentence for doubt in doubts))


def credit_doubts(invoices: Sequence[LedgerInvoice]) -> list[Doubt]:
    """Credits of paid quotes that nothing has used."""
    companies = {invoice.company_id for invoice in invoices if invoice.company_id}
    unused = [*open_notes(companies), *foreign_credits(companies)]
    if not unused:
        return []
    dismissed = CreditMatch.objects.filter(invoice__in=[i.pk for i in invoices], state="dismissed")
    refused = set(dismissed.values_list("note__number", "invoice"))
    return [
        Doubt(invoice.pk, "credit", left, sentence)
        for invoice in invoices
        for company, number, left, sentence in unused
        if company == invoice.company_id and left.currency == invoice.currency and (number, invoice.pk) not in refused
    ]


Credit = tuple[int | None, str, Money, str]


def open_notes(companies: set[int]) -> list[Credit]:
    """Our credit notes of these companies with something left, as we know them or as the mirror does."""
    used = LedgerCredit.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number")).filter(
        ~Q(status__in=["draft", "open"]) | Q(remaining=0, status="open")
    )
    here = Q(organisation_id="") | Q(organisation_id=F("payment__company__organisation_id"))
    rows = CreditNote.objects.filter(here, payment__company__in=companies, state__in=UNUSED)
    rows = rows.filter(Q(remaining=None) | Q(remaining__gt=0)).exclude(Exists(used)).select_related("payment")
    return [
        (note.payment.company_id, note.number, left := note.left or note.money, credit_sentence(note, left))
        for note in rows.order_by("pk")
    ]


def credit_sentence(note: CreditNote, left: Money) -> str:
    """What a payer reads of a credit that is theirs."""
    paid = f"{note.payment.purpose} was paid" if note.state == "approved" else f"{note.payment.purpose} is being paid"
    return f"{paid}, and its credit of {left} ({note.number}) is not used yet. It may be meant for this."


def foreign_credits(companies: set[int]) -> list[Credit]:
    """Credits with a number of ours in the books that we have no row of, for example from before a reconnection."""
    ours = CreditNote.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"))
    rows = LedgerCredit.objects.filter(
        in_use(), company__in=companies, number__startswith=OURS, status=LedgerCredit.Status.OPEN, remaining__gt=0
    )
    return [
        (
            credit.company_id,
            credit.number,
            credit.left,
            f"A credit of {credit.left} ({credit.number}) is not used yet. It may be meant for this.",
        )
        for credit in rows.exclude(Exists(ours)).order_by("pk")
    ]


def flight_doubts(invoices: Sequence[LedgerInvoice], apart_from: Payment | None) -> list[Doubt]:
    """Payments of an invoice that have not been decided, or that its books do not show yet."""
    by_key = {invoice.pk: invoice for invoice in invoices}
    return [
        Doubt(
            share.invoice_id,
            "in_flight",
            share.money,
            f"{share.money} for invoice {by_key[share.invoice_id]} "
            + ("is being processed already." if getattr(share, "is_live", False) else "was paid and is being booked."),
        )
        for share in holding_shares(by_key).order_by("pk")
        if apart_from is None or share.payment_id != apart_from.pk
    ]


def scheduled_doubts(invoices: Sequence[LedgerInvoice]) -> list[Doubt]:
    """Payments of an invoice that will be taken by themselves."""
    by_key = {invoice.pk: invoice for invoice in invoices}
    rows = ScheduledPayment.objects.filter(invoice__in=list(by_key), state__in=LIVE_SCHEDULED)
    doubts = []
    for row in rows.select_related("merchant").order_by("run_at", "pk"):
        row.invoice = by_key[row.invoice_id]
        day = row.run_at.astimezone(row.merchant.zone)
        sentence = f"{row.money} for invoice {row.invoice} will be taken by itself on {day.day} {day:%b %Y}."
        doubts.append(Doubt(row.invoice_id, "scheduled", row.money, sentence))
    return doubts
