"""Invoice balances: how much of an invoice can still be paid, less what is on its way to the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value

from accounting.models import (
    CreditMatch,
    LedgerApplication,
    LedgerInvoice,
    PaymentAllocation,
    Posting,
    UnreadableRecord,
)
from accounting.posting.services import PF_INVOICE_PATTERN
from connections.models import LinkedOrganisation
from payments.models import Attempt, Payment, Refund
from payments.states import LIVE_STATES

Kind = Posting.Kind
READ_MARGIN = timedelta(minutes=5)  # a reading that began before a payment was posted does not show it


@dataclass(frozen=True, slots=True)
class InvoiceBalance:
    """The balance of one invoice in minor units.

    `due` is what the ledger asks for; `in_flight` is being paid by attempts that are not decided; `unconfirmed` is
    paid, or covered by an applied credit, but not shown by the mirror yet. Unless it `is_readable`, the invoice has
    changed in the ledger to something that we do not understand, and `due` is what it was before.
    """

    due: int
    in_flight: int = 0
    unconfirmed: int = 0
    is_readable: bool = True

    @property
    def payable(self) -> int:
        """What can be paid now without paying anything twice; nothing of what is not known."""
        if not self.is_readable:
            return 0
        return max(self.due - self.in_flight - self.unconfirmed, 0)

    @property
    def outstanding(self) -> int:
        """What is owed once the ledger shows everything that was paid."""
        return max(self.due - self.unconfirmed, 0)


def get_balances(invoices: Iterable[LedgerInvoice], *, apart_from: Payment | None = None) -> dict[int, InvoiceBalance]:
    """The balance of each invoice by its key, without what `apart_from` pays. One query at any number of rows.

    Exact only for invoices that the caller has locked, since an attempt is committed under the same locks.
    """
    balances = {invoice.pk: InvoiceBalance(get_payable_due(invoice)) for invoice in invoices}
    allocations = list_unconfirmed_allocations(balances)
    if apart_from is not None:
        allocations = allocations.exclude(payment=apart_from)
    rows = allocations.values_list("invoice", "amount", has_live_attempt(), Value(True))
    more = (list_unconfirmed_credits(balances), list_unreadable_invoices(balances))
    for pk, amount, is_live, is_readable in rows.union(*more, all=True):
        balance = balances[pk]
        if not is_readable:
            balances[pk] = replace(balance, is_readable=False)
        elif is_live:
            balances[pk] = replace(balance, in_flight=balance.in_flight + amount)
        else:
            balances[pk] = replace(balance, unconfirmed=balance.unconfirmed + amount)
    return balances


def list_unconfirmed_credits(invoices: Iterable[int]) -> "QuerySet[CreditMatch, tuple[int, int, bool, bool]]":
    """(invoice, minor units, False, True) of the credits that we applied to these invoices since they were read."""
    rows = CreditMatch.objects.filter(invoice__in=list(invoices), state="applied", synced_at=None)
    rows = rows.filter(invoice__read_at__lte=F("state_at") + READ_MARGIN)
    return rows.values_list("invoice", "amount", Value(False), Value(True))


def list_unreadable_invoices(invoices: Iterable[int]) -> "QuerySet[LedgerInvoice, tuple[int, int, bool, bool]]":
    """(invoice, 0, False, False) of those that the ledger has changed to something which could not be read."""
    rows = LedgerInvoice.objects.filter(has_unreadable_record(), pk__in=list(invoices))
    return rows.values_list("pk", Value(0, BigIntegerField()), Value(False), Value(False))


def is_unreadable(invoice: LedgerInvoice) -> bool:
    """Whether the ledger has changed the invoice to something that could not be read."""
    return list_unreadable_invoices([invoice.pk]).exists()


def has_unreadable_record() -> Exists:
    """Of an invoice: whether it, or since it was read a record of its number that tells no id, could not be read."""
    nameless = Q(ledger_id="", name=OuterRef("number"), read_at__gt=OuterRef("read_at"))
    same = Q(ledger_id=OuterRef("ledger_id")) | nameless
    return Exists(
        UnreadableRecord.objects.filter(
            same, merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id"), kind="invoices"
        )
    )


def get_payable_due(invoice: LedgerInvoice) -> int:
    """Minor units that the ledger asks for; 0 for an invoice that is not open."""
    return invoice.due if invoice.is_payable else 0


def list_unconfirmed_allocations(invoices: Iterable[int]) -> QuerySet[PaymentAllocation]:
    """The allocations to these invoices that the mirror does not show yet, with `is_live` and their payment."""
    rows = PaymentAllocation.objects.filter(invoice__in=list(invoices), outcome=PaymentAllocation.Outcome.INVOICE)
    rows = rows.alias(is_seen=Exists(list_confirmed_postings()), back=build_refunded_amount()).annotate(
        is_live=has_live_attempt()
    )
    is_paid = Q(payment__state="succeeded", is_seen=False) & (Q(back=None) | Q(back__lt=F("payment__paid_amount")))
    return rows.filter(Q(is_live=True) | is_paid).select_related("payment")


def has_live_attempt() -> Exists:
    """Of an allocation: whether an attempt to pay it is not decided."""
    return Exists(Attempt.objects.filter(payment=OuterRef("payment"), state__in=LIVE_STATES))


def list_confirmed_postings() -> QuerySet[Posting]:
    """Of the outer allocation: its posted payment, if the mirror has read the invoice with it."""
    application = LedgerApplication.objects.filter(
        Q(source_id=OuterRef("ledger_id")) | Q(ledger_id=OuterRef("ledger_id")),
        invoice=OuterRef("payment_allocation__invoice"),
        kind=LedgerApplication.ApplicationKind.PAYMENT,
    )
    removal = Posting.objects.filter(
        payment_allocation=OuterRef("payment_allocation"), number=OuterRef("number"), kind=Kind.INVOICE_PAYMENT_REMOVAL
    ).exclude(state="cancelled")
    rows = Posting.objects.filter(payment_allocation=OuterRef("pk"), kind=Kind.INVOICE_PAYMENT, state="posted")
    read_since = Q(payment_allocation__invoice__read_at__gt=F("state_at") + READ_MARGIN)
    return rows.filter(Exists(application) | read_since).exclude(Exists(removal))


def build_refunded_amount() -> Subquery:
    """Of the outer allocation: minor units of its payment that were refunded."""
    rows = Refund.objects.filter(payment=OuterRef("payment"), state="succeeded", attempt__state="succeeded").values(
        "payment"
    )
    return Subquery(rows.annotate(total=Sum("amount")).values("total"))


def list_payable_invoices(companies: Sequence[int]) -> QuerySet[LedgerInvoice]:
    """The invoices of these companies that can be paid, the first due on top; never our PF invoices."""
    rows = LedgerInvoice.objects.filter(
        is_in_linked_organisation(), company__in=companies, status=LedgerInvoice.InvoiceStatus.OPEN, due__gt=0
    )
    return rows.exclude(number__regex=PF_INVOICE_PATTERN).order_by("due_on", "pk")


def is_in_linked_organisation() -> Exists:
    """Of a mirrored document: whether it is in the organisation that its merchant is, or was last, connected to."""
    linked = LinkedOrganisation.objects.filter(
        merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id")
    )
    return Exists(linked)


def list_former_organisation_invoices(invoices: Sequence[LedgerInvoice]) -> list[LedgerInvoice]:
    """Those of the invoices that are in an organisation which their merchant has left. One query."""
    rows = LedgerInvoice.objects.filter(is_in_linked_organisation(), pk__in=[invoice.pk for invoice in invoices])
    present = set(rows.values_list("pk", flat=True))
    return [invoice for invoice in invoices if invoice.pk not in present]
