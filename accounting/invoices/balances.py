"""How much of an invoice can still be paid: what the books ask for, less what is on its way there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value

from accounting.models import CreditMatch, LedgerApplication, LedgerInvoice, PaymentAllocation, Posting
from accounting.posting.numbers import PF_INVOICE_PATTERN
from connections.models import LinkedOrganisation
from payments.models import Attempt, Payment, Refund
from payments.states import LIVE_STATES
from wisepay.money import Money

Kind = Posting.Kind
READ_MARGIN = timedelta(minutes=5)  # a reading that began before the payment was posted does not show it


@dataclass(frozen=True, slots=True)
class InvoiceBalance:
    """Minor units of one invoice: `due` in the books, `in_flight` not decided yet, `waiting` paid but not seen there.

    A credit that was applied and is not seen there waits as well.
    """

    due: int
    in_flight: int = 0
    unconfirmed: int = 0

    @property
    def payable(self) -> int:
        """What can be paid now without paying anything twice."""
        return max(self.due - self.in_flight - self.unconfirmed, 0)

    @property
    def outstanding(self) -> int:
        """What is owed once the books know of everything that was paid."""
        return max(self.due - self.unconfirmed, 0)


def get_balances(invoices: Iterable[LedgerInvoice], *, apart_from: Payment | None = None) -> dict[int, InvoiceBalance]:
    """The room of each invoice by its key. One query at any number of rows.

    Exact only for invoices that the caller has locked, since an attempt is committed under the same locks.
    """
    wanted = {invoice.pk: invoice for invoice in invoices}
    rows = (
        list_unconfirmed_allocations(wanted).exclude(payment=apart_from)
        if apart_from
        else list_unconfirmed_allocations(wanted)
    )
    held = rows.values_list("invoice", "amount", has_live_attempt()).union(list_unconfirmed_credits(wanted), all=True)
    made = {pk: InvoiceBalance(get_payable_due(invoice)) for pk, invoice in wanted.items()}
    for pk, amount, is_live in held:
        room = made[pk]
        taken = {"in_flight": room.in_flight + amount} if is_live else {"unconfirmed": room.unconfirmed + amount}
        made[pk] = replace(room, **taken)
    return made


def list_unconfirmed_credits(invoices: Iterable[int]) -> "QuerySet[CreditMatch, tuple[int, int, bool]]":
    """(invoice, minor units, False) of what credits of ours took of these invoices since they were read."""
    rows = CreditMatch.objects.filter(invoice__in=list(invoices), state="applied", synced_at=None)
    rows = rows.filter(invoice__read_at__lte=F("state_at") + READ_MARGIN)
    return rows.values_list("invoice", "amount", Value(False))


def get_payable_due(invoice: LedgerInvoice) -> int:
    """What the books ask for; nothing for an invoice that is not open."""
    return invoice.due if invoice.is_payable else 0


def list_unconfirmed_allocations(invoices: Iterable[int]) -> QuerySet[PaymentAllocation]:
    """The allocations that take of these invoices what the books do not show yet, with `is_live` and their payment."""
    rows = PaymentAllocation.objects.filter(invoice__in=list(invoices), outcome=PaymentAllocation.Outcome.INVOICE)
    rows = rows.alias(is_seen=Exists(list_confirmed_postings()), back=build_refunded_amount()).annotate(
        is_live=has_live_attempt()
    )
    is_paid = Q(payment__state="succeeded", is_seen=False) & (Q(back=None) | Q(back__lt=F("payment__paid_amount")))
    return rows.filter(Q(is_live=True) | is_paid).select_related("payment")


def has_live_attempt() -> Exists:
    """Of a share: whether an attempt to pay it has not been decided."""
    return Exists(Attempt.objects.filter(payment=OuterRef("payment"), state__in=LIVE_STATES))


def list_confirmed_postings() -> QuerySet[Posting]:
    """Of the outer share: its payment in the books, where the mirror has read it."""
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
    """Of the outer share: what went back of its payment."""
    rows = Refund.objects.filter(payment=OuterRef("payment"), state="succeeded", attempt__state="succeeded").values(
        "payment"
    )
    return Subquery(rows.annotate(total=Sum("amount")).values("total"))


def list_payable_invoices(companies: Sequence[int]) -> QuerySet[LedgerInvoice]:
    """The invoices of these companies that money can be put to, what is due first on top; never our PF invoices."""
    rows = LedgerInvoice.objects.filter(
        is_in_linked_organisation(), company__in=companies, status=LedgerInvoice.InvoiceStatus.OPEN, due__gt=0
    )
    return rows.exclude(number__regex=PF_INVOICE_PATTERN).order_by("due_on", "pk")


def is_in_linked_organisation() -> Exists:
    """Of a document of the mirror: whether it is in the books that its merchant is connected to, or was last."""
    books = LinkedOrganisation.objects.filter(
        merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id")
    )
    return Exists(books)


def list_former_organisation_invoices(invoices: Sequence[LedgerInvoice]) -> list[LedgerInvoice]:
    """Those of books that their merchant does not use any more. One query."""
    used = LedgerInvoice.objects.filter(is_in_linked_organisation(), pk__in=[invoice.pk for invoice in invoices])
    kept = set(used.values_list("pk", flat=True))
    return [invoice for invoice in invoices if invoice.pk not in kept]


def get_payable_money(invoice: LedgerInvoice, balance: InvoiceBalance) -> Money:
    """The room as money."""
    return Money(balance.payable, invoice.currency)
