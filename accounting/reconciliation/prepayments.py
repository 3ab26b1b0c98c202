"""The prepayments account, line by line, and the credits that are not applied yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Case, Exists, F, Max, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from accounting.models import CreditNote, Posting
from accounting.models.posting_kinds import CREDITING_KINDS, PF_INVOICE_KINDS, Kind
from accounting.reconciliation.clearing import AccountEntry, AccountStatement, BalanceReason
from accounting.reconciliation.periods import Period
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay.money import Money

MAX_PAYMENTS = 50
STATE_REASONS = {
    "pending": "its PF_CR credit waits to be posted",
    "draft": "its PF_CR credit is a draft",
    "rejected": "its PF_CR credit was refused by the books",
    "voided": "the money came back and its PF_CR credit is out of the books: void the PF invoice",
    "removed": "the money came back and its PF_CR draft is out of the books: void the PF invoice",
}


def build_prepayments_statements(merchant: Merchant, period: Period) -> list[AccountStatement]:
    """Return the account in each currency that it was used in. Credits to it count above zero."""
    rows = get_documents(merchant).filter(on__lte=period.last).order_by()
    currencies = rows.values_list("payment__currency", flat=True).distinct()
    return [build_prepayments_statement(merchant, period, currency) for currency in sorted(currencies)]


def build_prepayments_statement(merchant: Merchant, period: Period, currency: str) -> AccountStatement:
    """Return the account in one currency."""
    documents = get_documents(merchant).filter(payment__currency=currency)
    opening = sum_documents(documents.filter(on__lt=period.first))
    entries = list(list_entries(documents.filter(on__gte=period.first, on__lte=period.last), currency))
    reasons = list(list_reasons(documents.filter(on__lte=period.last), currency))
    return AccountStatement(currency, Money(opening, currency), entries, reasons)


def get_documents(merchant: Merchant) -> Any:
    """Return what was posted to the account; what went to a former organisation's books is not in it."""
    kinds = (*PF_INVOICE_KINDS, *CREDITING_KINDS, Kind.VOID)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    is_here = Q(sent_to="") | Q(sent_to__in=connection.values("organisation_id")) | ~Exists(connection)
    return Posting.objects.filter(is_here, merchant=merchant, kind__in=kinds, state="posted")


def sum_documents(rows: Any) -> int:
    """Return the sum of documents; of a payment's PF invoice only its latest amount counts."""
    latest = rows.filter(kind__in=PF_INVOICE_KINDS).order_by("payment", "-pk").distinct("payment")
    invoiced = Posting.objects.filter(pk__in=latest.values("pk")).aggregate(total=Coalesce(Sum("amount"), 0))
    sums = rows.aggregate(
        credited=Coalesce(Sum("amount", filter=Q(kind__in=CREDITING_KINDS)), 0),
        voided=Coalesce(Sum("amount", filter=Q(kind=Kind.VOID)), 0),
    )
    total: int = invoiced["total"] - sums["credited"] + sums["voided"]
    return total


def list_entries(rows: Any, currency: str) -> Iterable[AccountEntry]:
    """Return an entry for every document, oldest first; a change of a PF invoice counts by what it changed."""
    before = Posting.objects.filter(
        payment=OuterRef("payment"), kind__in=PF_INVOICE_KINDS, state="posted", pk__lt=OuterRef("pk")
    ).order_by("-pk")
    entries = rows.annotate(
        before=Coalesce(Subquery(before.values("amount")[:1]), 0, output_field=BigIntegerField()),
        value=Case(
            When(kind__in=PF_INVOICE_KINDS, then=F("amount") - F("before")),
            When(kind__in=CREDITING_KINDS, then=-F("amount")),
            default=F("amount"),
            output_field=BigIntegerField(),
        ),
    )
    fields = ("on", "kind", "number", "value", "payment__reference")
    for on, kind, number, value, reference in entries.order_by("on", "pk").values_list(*fields):
        yield AccountEntry(on, Posting.Kind(kind).label, number, Money(value, currency), reference)


def list_reasons(rows: Any, currency: str) -> Iterable[BalanceReason]:
    """Return the payments whose documents do not cancel out, each with its reason; the rest as one sum."""
    latest = rows.filter(kind__in=PF_INVOICE_KINDS, payment=OuterRef("payment")).order_by("-pk")
    credited = Case(
        When(kind__in=CREDITING_KINDS, then=F("amount")),
        When(kind=Kind.VOID, then=-F("amount")),
        default=Value(0),
        output_field=BigIntegerField(),
    )
    open_payments = (
        rows.order_by()
        .values("payment")
        .annotate(
            number=Coalesce(Subquery(latest.values("number")[:1]), Max("number")),
            invoiced=Coalesce(Subquery(latest.values("amount")[:1]), 0, output_field=BigIntegerField()),
            credited=Sum(credited),
        )
        .annotate(balance=F("invoiced") - F("credited"))
        .exclude(balance=0)
        .order_by("-payment")
    )
    found = list(open_payments.values_list("payment", "number", "balance"))
    shown = found[:MAX_PAYMENTS]
    states = dict(
        CreditNote.objects.filter(payment__in=[pk for pk, _, _ in shown])
        .order_by("payment", "pk")
        .values_list("payment", "state")
    )
    for pk, number, balance in shown:
        reason = STATE_REASONS.get(states.get(pk, ""), "its documents are not over the same amount")
        yield BalanceReason(f"{number}: {reason}", Money(balance, currency))
    rest = sum(balance for _, _, balance in found[MAX_PAYMENTS:])
    if rest:
        yield BalanceReason(f"{len(found) - MAX_PAYMENTS} more payments", Money(rest, currency))


@dataclass(frozen=True, slots=True)
class OpenCredits:
    """PF_CR credits that are not used up: the latest, how many there are, and their sum by currency."""

    notes: list[CreditNote]
    count: int
    totals: list[Money]


def get_open_credits(merchant: Merchant) -> OpenCredits:
    """Return the credits of payers that are not used up, as they were last read."""
    rows = CreditNote.objects.filter(merchant=merchant, state="approved").filter(Q(remaining=None) | Q(remaining__gt=0))
    sums = rows.order_by().values("currency").annotate(total=Sum(Coalesce("remaining", "amount")))
    notes = list(rows.select_related("payment__company").order_by("-pk")[:MAX_PAYMENTS])
    return OpenCredits(notes, rows.count(), [Money(row["total"], row["currency"]) for row in sums.order_by("currency")])
