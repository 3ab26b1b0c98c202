"""Orders to pay invoices: promise a payment for one or several of them, and stand guard when it is charged."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.invoices.balances import InvoiceBalance, get_balances, list_former_organisation_invoices
from accounting.invoices.duplicates import DuplicateWarning, find_duplicate_warnings, list_warning_messages
from accounting.models import LedgerInvoice, PaymentAllocation
from accounting.posting.numbers import PF_INVOICE_PATTERN
from accounting.refetch_requests import schedule_refetch
from payers.models import PayerCompany
from payments.attempts.charge_policies import register_charge_policy
from payments.errors import AmountChanged, AttemptInProgress, CannotPay
from payments.method_choices import BANK_DEBIT, CARD
from payments.models import Payment
from wisepay.models import User
from wisepay.money import Money

PAYMENT_LIFETIME = timedelta(hours=24)  # how long what was chosen can be paid before it has to be chosen again
FORMER_ORGANISATION_TEXT = "is in books that are not used any more. Please ask for a new invoice."
RECENTLY = timedelta(minutes=2)  # what was read before that may have been paid in the books since
MAX_NAMED_INVOICES = 3  # numbers that fit into a purpose


class NotPayable(CannotPay):
    """An invoice cannot be paid like this; `invoice_id` says which one, where it is one."""

    code = "not_payable"

    def __init__(self, message: str, *, invoice_id: int | None = None) -> None:
        super().__init__(message)
        self.invoice_id = invoice_id


class MayBePaidAlready(CannotPay):
    """Something else may pay it; a person may say that it is to be paid anyway."""

    code = "may_be_paid_already"

    def __init__(self, warnings: Sequence[DuplicateWarning]) -> None:
        self.warnings = list(warnings)
        self.messages = list_warning_messages(warnings)
        super().__init__(" ".join(self.messages))


@dataclass(frozen=True, slots=True)
class InvoiceAmount:
    """How many minor units are for one invoice."""

    invoice: LedgerInvoice
    amount: int


def create_invoice_payment(
    company: PayerCompany,
    amounts: Sequence[InvoiceAmount],
    *,
    by: User | None,
    origin: str,
    now: datetime,
    confirmed: bool = False,
) -> Payment:
    """A payment of these parts of the company's invoices, ready to be charged; nothing is charged by it.

    The same choice again is the same payment while nobody has tried to pay it. `confirmed`: `by` was told of the
    doubts and wants to pay anyway, which is kept. An automatic payment's own schedule is no doubt to it.
    Raises NotPayable, AmountChanged, AttemptInProgress or MayBePaidAlready; then nothing is stored.
    """
    with transaction():
        invoices = lock_invoices([part.invoice.pk for part in amounts])
        check_batch(company, invoices, amounts)
        rooms = get_balances(invoices.values())
        for part in amounts:
            check_invoice_amount(invoices[part.invoice.pk], part.amount, rooms[part.invoice.pk])
        doubts = find_relevant_warnings(list(invoices.values()), origin=origin, now=now)
        if doubts and not confirmed:
            raise MayBePaidAlready(doubts)
        payment = find_same_payment(company, amounts, origin=origin, now=now)
        if payment is None:
            payment = create_payment_with_allocations(company, invoices, amounts, origin=origin, now=now)
            schedule_refetch_if_stale(invoices.values(), now=now)
        record_confirmation(payment, doubts, by=by, now=now)
    return payment


def schedule_refetch_if_stale(invoices: Iterable[LedgerInvoice], *, now: datetime) -> None:
    """Let the mirror read what it did not read lately, while the payer types: what was paid there is refused then."""
    old = [invoice for invoice in invoices if invoice.read_at < now - RECENTLY]
    if old:
        named = ((invoice.organisation_id, "invoices", invoice.ledger_id) for invoice in old)
        schedule_refetch(old[0].merchant_id, named, now=now)


@transaction_required
def lock_invoices(keys: Sequence[int]) -> dict[int, LedgerInvoice]:
    """The invoices as they are now, locked in the order of their keys."""
    rows = LedgerInvoice.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys)
    return {invoice.pk: invoice for invoice in rows.order_by("pk")}


def check_batch(company: PayerCompany, invoices: dict[int, LedgerInvoice], amounts: Sequence[InvoiceAmount]) -> None:
    """Whether these can be one payment. Raises NotPayable."""
    if not amounts:
        raise NotPayable("Choose at least one invoice.")
    if len(invoices) != len(amounts):
        raise NotPayable("An invoice can be chosen once only.")
    if any(invoice.company_id != company.pk for invoice in invoices.values()):
        raise NotPayable("All invoices of a batch have to be of the same company.")
    if len({invoice.currency for invoice in invoices.values()}) > 1:
        raise NotPayable("All invoices of a batch have to be in the same currency.")
    check_organisation(list(invoices.values()))


def check_organisation(invoices: Sequence[LedgerInvoice]) -> None:
    """Whether all of these are in the books that take the money. Raises NotPayable."""
    for invoice in list_former_organisation_invoices(invoices):
        raise NotPayable(f"Invoice {invoice} {FORMER_ORGANISATION_TEXT}", invoice_id=invoice.pk)


def check_invoice_amount(invoice: LedgerInvoice, amount: int, balance: InvoiceBalance) -> None:
    """Whether so much of the invoice can be paid. Raises NotPayable, AttemptInProgress or AmountChanged."""
    if re.match(PF_INVOICE_PATTERN, invoice.number) or not invoice.is_payable:
        raise NotPayable(get_not_payable_reason(invoice), invoice_id=invoice.pk)
    if amount < 1:
        raise NotPayable("Pay at least the smallest coin of the currency.", invoice_id=invoice.pk)
    if amount <= balance.payable:
        return
    if balance.payable == 0 and balance.in_flight:
        raise AttemptInProgress(f"A payment for invoice {invoice} is being processed. Please wait for its result.")
    if balance.payable == 0:
        raise NotPayable(f"Invoice {invoice} is paid; the books will show it soon.", invoice_id=invoice.pk)
    left, asked = Money(balance.payable, invoice.currency), Money(amount, invoice.currency)
    raise AmountChanged(f"Of invoice {invoice} {left} can be paid now, which is less than {asked}.")


def get_not_payable_reason(invoice: LedgerInvoice) -> str:
    """Why an invoice takes no money, in words for its payer."""
    if re.match(PF_INVOICE_PATTERN, invoice.number):
        return f"{invoice} belongs to a quote, which is paid as a quote."
    status = invoice.InvoiceStatus
    words = {
        status.DRAFT: "is a draft and not sent yet.",
        status.VOIDED: "was voided, so nothing is due.",
        status.DELETED: "was deleted, so nothing is due.",
    }
    return f"Invoice {invoice} {words.get(status(invoice.status), 'is paid already.')}"


def find_relevant_warnings(
    invoices: Sequence[LedgerInvoice], *, origin: str, now: datetime, payment: Payment | None = None
) -> list[DuplicateWarning]:
    """The doubts that count for a payment of this origin."""
    found = find_duplicate_warnings(invoices, now=now, apart_from=payment)
    is_automatic = origin == Payment.Origin.AUTOMATIC
    return [doubt for doubt in found if not (is_automatic and doubt.kind == "scheduled")]


def find_same_payment(
    company: PayerCompany, amounts: Sequence[InvoiceAmount], *, origin: str, now: datetime
) -> Payment | None:
    """The payment that this choice made before, if nobody tried to pay it."""
    if origin == Payment.Origin.AUTOMATIC:
        return None
    wanted = {part.invoice.pk: part.amount for part in amounts}
    rows = Payment.objects.filter(
        company=company, origin=origin, state="open", amount=sum(wanted.values()), expires_at__gt=now, attempts=None
    )
    for payment in rows.prefetch_related("allocations").order_by("-pk"):
        if {allocation.invoice_id: allocation.amount for allocation in payment.allocations.all()} == wanted:
            return payment
    return None


@transaction_required
def create_payment_with_allocations(
    company: PayerCompany,
    invoices: dict[int, LedgerInvoice],
    amounts: Sequence[InvoiceAmount],
    *,
    origin: str,
    now: datetime,
) -> Payment:
    """The payment with a allocation for each part."""
    ordered = [InvoiceAmount(invoices[part.invoice.pk], part.amount) for part in amounts]
    currency = ordered[0].invoice.currency
    payment = Payment.objects.create(
        merchant=company.merchant,
        company=company,
        currency=currency,
        amount=sum(part.amount for part in ordered),
        origin=origin,
        purpose=build_purpose([str(part.invoice) for part in ordered]),
        details=build_details(company, ordered),
        methods=[CARD, BANK_DEBIT],
        done_path=reverse("payments:portal"),
        expires_at=now + PAYMENT_LIFETIME,
        state="open",
        state_at=now,
        created_at=now,
    )
    PaymentAllocation.objects.bulk_create(
        [
            PaymentAllocation(payment=payment, invoice=part.invoice, amount=part.amount, created_at=now)
            for part in sorted(ordered, key=lambda part: part.invoice.pk)
        ]
    )
    return payment


def build_purpose(numbers: Sequence[str]) -> str:
    """What the payer and the gateway see as the thing that is paid."""
    if len(numbers) == 1:
        return f"Invoice {numbers[0]}"[:120]
    more = f" and {len(numbers) - MAX_NAMED_INVOICES} more" if len(numbers) > MAX_NAMED_INVOICES else ""
    return f"{len(numbers)} invoices: {', '.join(number[:24] for number in numbers[:MAX_NAMED_INVOICES])}{more}"[:120]


def build_details(company: PayerCompany, amounts: Sequence[InvoiceAmount]) -> dict[str, object]:
    """Invoice Details as the payer sees them."""
    is_one = len(amounts) == 1
    first = amounts[0].invoice
    again = (
        reverse("payer_books:pay_invoice", args=[first.reference])
        if is_one
        else f"{reverse('payer_books:batch')}?company={company.reference}&currency={first.currency}"
    )
    return {
        "reference": str(first) if is_one else f"{len(amounts)} invoices",
        "title": f"Invoice {first}" if is_one else f"{len(amounts)} invoices",
        "name": "",
        "company": company.name,
        "count": len(amounts),
        "rows": [[f"Invoice {part.invoice}", str(Money(part.amount, part.invoice.currency))] for part in amounts],
        "restart_path": again,
    }


@transaction_required
def record_confirmation(
    payment: Payment, warnings: Sequence[DuplicateWarning], *, by: User | None, now: datetime
) -> None:
    """Keep on each allocation who was told what and paid anyway."""
    for allocation in PaymentAllocation.objects.filter(payment=payment):
        told = list_warning_messages([doubt for doubt in warnings if doubt.invoice_id == allocation.invoice_id])
        words = " ".join(told)[:300]
        if words != allocation.warning or (words and allocation.confirmed_by_id != (by.pk if by else None)):
            PaymentAllocation.objects.filter(pk=allocation.pk).update(
                warning=words, confirmed_by=by if words else None, confirmed_at=now if words else None
            )


@register_charge_policy
def check_payment_allocations(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Whether a payment's invoices still take what it is for. Payments of quotes have no allocations and pass.

    Under the invoices' locks nothing else that is charged at the same time can be missed. Raises as
    `promise_invoice_payment` does; a doubt that came up after the payer was asked is one that nobody confirmed.
    """
    allocations = list(payment.allocations.order_by("invoice")) if not payment.is_quote else []
    if not allocations:
        return
    keys = [allocation.invoice_id for allocation in allocations]
    invoices = lock_invoices(keys) if locks else LedgerInvoice.objects.in_bulk(keys)
    check_organisation(list(invoices.values()))
    rooms = get_balances(invoices.values(), apart_from=payment)
    for allocation in allocations:
        check_invoice_amount(invoices[allocation.invoice_id], allocation.amount, rooms[allocation.invoice_id])
    unasked = [invoices[allocation.invoice_id] for allocation in allocations if allocation.confirmed_at is None]
    doubts = find_relevant_warnings(unasked, origin=payment.origin, now=now, payment=payment)
    if doubts:
        raise MayBePaidAlready(doubts)
