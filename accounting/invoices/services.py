"""Invoice payments: create a payment of one or several invoices, and check its allocations when it is charged."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from accounting.invoices.balances import InvoiceBalance, get_balances, list_former_organisation_invoices
from accounting.invoices.duplicates import DuplicateWarning, find_duplicate_warnings, list_warning_messages
from accounting.models import LedgerInvoice, PaymentAllocation
from accounting.posting.services import PF_INVOICE_PATTERN
from accounting.refetch_requests import schedule_refetch
from payers.models import PayerCompany
from payments.attempts.services import register_charge_policy
from payments.errors import AmountChanged, AttemptInProgress, CannotPay
from payments.gateways import find_amount_problem, get_charge_limits
from payments.models import Payment
from payments.saved_methods.choices import BANK_DEBIT, CARD
from wisepay.models import User
from wisepay.money import Money

PAYMENT_LIFETIME = timedelta(hours=24)  # how long a choice of invoices can be paid before it has to be made again
FORMER_ORGANISATION_TEXT = "is in books that are not used any more. Please ask for a new invoice."
RECENTLY = timedelta(minutes=2)  # an invoice that was read before that may have been paid in the ledger since
MAX_NAMED_INVOICES = 3  # invoice numbers that fit into a purpose


class NotPayable(CannotPay):
    """An invoice cannot be paid like this; `invoice_id` names it, if it is one."""

    code = "not_payable"

    def __init__(self, message: str, *, invoice_id: int | None = None) -> None:
        super().__init__(message)
        self.invoice_id = invoice_id


class MayBePaidAlready(CannotPay):
    """Something else may pay the invoices already; a person may confirm to pay anyway."""

    code = "may_be_paid_already"

    def __init__(self, warnings: Sequence[DuplicateWarning]) -> None:
        self.warnings = list(warnings)
        self.messages = list_warning_messages(warnings)
        super().__init__(" ".join(self.messages))


@dataclass(frozen=True, slots=True)
class InvoiceAmount:
    """Minor units that are for one invoice."""

    invoice: LedgerInvoice
    amount: int


@dataclass(frozen=True, slots=True)
class PaymentSource:
    """Where a payer began who did not come from the portal: the page that they go back to, and what is noted of it."""

    path: str
    notes: Mapping[str, object]


def create_invoice_payment(
    company: PayerCompany,
    amounts: Sequence[InvoiceAmount],
    *,
    by: User | None,
    origin: str,
    now: datetime,
    confirmed: bool = False,
    source: PaymentSource | None = None,
) -> Payment:
    """Create a payment of these parts of the company's invoices; nothing is charged by it.

    The same choice again answers the same payment while nobody has tried to pay it. `confirmed`: `by` has read the
    warnings and pays anyway, which is recorded. An automatic payment's own schedule is no warning to it.
    Raises NotPayable, AmountChanged, AttemptInProgress or MayBePaidAlready; then nothing is stored.
    """
    with transaction():
        invoices = lock_invoices([part.invoice.pk for part in amounts])
        check_batch(company, invoices, amounts)
        balances = get_balances(invoices.values())
        for part in amounts:
            check_invoice_amount(invoices[part.invoice.pk], part.amount, balances[part.invoice.pk])
        check_total(amounts, invoices)
        warnings = find_relevant_warnings(list(invoices.values()), origin=origin, now=now)
        if warnings and not confirmed:
            raise MayBePaidAlready(warnings)
        payment = find_same_payment(company, amounts, origin=origin, source=source, now=now)
        if payment is None:
            payment = create_payment_with_allocations(company, invoices, amounts, origin=origin, source=source, now=now)
            schedule_refetch_if_stale(invoices.values(), now=now)
        record_confirmation(payment, warnings, by=by, now=now)
    return payment


def schedule_refetch_if_stale(invoices: Iterable[LedgerInvoice], *, now: datetime) -> None:
    """Let the mirror read invoices again that were not read lately, before the payer has entered a card."""
    stale = [invoice for invoice in invoices if invoice.read_at < now - RECENTLY]
    if stale:
        documents = ((invoice.organisation_id, "invoices", invoice.ledger_id) for invoice in stale)
        schedule_refetch(stale[0].merchant_id, documents, now=now)


@transaction_required
def lock_invoices(keys: Sequence[int]) -> dict[int, LedgerInvoice]:
    """Lock the invoices in the order of their keys; answers them as they are now."""
    rows = LedgerInvoice.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys)
    return {invoice.pk: invoice for invoice in rows.order_by("pk")}


def check_batch(company: PayerCompany, invoices: dict[int, LedgerInvoice], amounts: Sequence[InvoiceAmount]) -> None:
    """Check that these can be one payment. Raises NotPayable."""
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
    """Check that all invoices are in the organisation that payments are posted to. Raises NotPayable."""
    for invoice in list_former_organisation_invoices(invoices):
        raise NotPayable(f"Invoice {invoice} {FORMER_ORGANISATION_TEXT}", invoice_id=invoice.pk)


def check_invoice_amount(invoice: LedgerInvoice, amount: int, balance: InvoiceBalance) -> None:
    """Check that so many minor units of the invoice can be paid.

    Raises NotPayable, AttemptInProgress or AmountChanged.
    """
    if re.match(PF_INVOICE_PATTERN, invoice.number) or not invoice.is_payable:
        raise NotPayable(get_not_payable_reason(invoice), invoice_id=invoice.pk)
    if not balance.is_readable:
        raise NotPayable(build_unreadable_text(invoice), invoice_id=invoice.pk)
    if amount < 1:
        raise NotPayable("Pay at least the smallest coin of the currency.", invoice_id=invoice.pk)
    if amount <= balance.payable:
        check_remainder(invoice, balance.payable - amount, payable=balance.payable)
        return
    if balance.payable == 0 and balance.in_flight:
        raise AttemptInProgress(f"A payment for invoice {invoice} is being processed. Please wait for its result.")
    if balance.payable == 0:
        raise NotPayable(f"Invoice {invoice} is paid; the books will show it soon.", invoice_id=invoice.pk)
    payable, asked = Money(balance.payable, invoice.currency), Money(amount, invoice.currency)
    raise AmountChanged(f"Of invoice {invoice} {payable} can be paid now, which is less than {asked}.")


def check_remainder(invoice: LedgerInvoice, remainder: int, *, payable: int) -> None:
    """Check that what is left of the invoice could be paid later. Raises NotPayable."""
    least = get_charge_limits(invoice.currency)[0]
    if not 0 < remainder < least.amount:
        return
    rest = Money(remainder, invoice.currency)
    most = Money(max(payable - least.amount, 0), invoice.currency)
    raise NotPayable(
        f"{rest} of invoice {invoice} would be left, which is too little to be paid later. "
        + (f"Pay all of it, or at most {most}." if most.amount >= least.amount else "Pay all of it."),
        invoice_id=invoice.pk,
    )


def check_total(amounts: Sequence[InvoiceAmount], invoices: dict[int, LedgerInvoice]) -> None:
    """Check that the gateway can charge the sum of the parts. Raises NotPayable."""
    currency = next(iter(invoices.values())).currency
    problem = find_amount_problem(Money(sum(part.amount for part in amounts), currency))
    if problem:
        raise NotPayable(problem, invoice_id=amounts[0].invoice.pk if len(amounts) == 1 else None)


def build_unreadable_text(invoice: LedgerInvoice) -> str:
    """Why an invoice cannot be paid that has changed to something which we cannot read, for its payer."""
    text = _(
        "Invoice %(invoice)s was changed in the books of %(merchant)s, and we cannot read the change yet, so we do not "
        "know what is due. We look again automatically. To pay sooner, please ask %(merchant)s for the amount."
    )
    return text % {"invoice": invoice, "merchant": invoice.merchant}


def get_closed_reason(invoice: LedgerInvoice, balance: InvoiceBalance) -> str:
    """Why the invoice cannot be paid, as a sentence for its payer; empty while it can."""
    if list_former_organisation_invoices([invoice]):
        return f"Invoice {invoice} {FORMER_ORGANISATION_TEXT}"
    if not invoice.is_payable:
        return get_not_payable_reason(invoice)
    return "" if balance.is_readable else build_unreadable_text(invoice)


def get_not_payable_reason(invoice: LedgerInvoice) -> str:
    """Why the invoice cannot be paid, as a sentence for its payer."""
    if re.match(PF_INVOICE_PATTERN, invoice.number):
        return f"{invoice} belongs to a quote, which is paid as a quote."
    status = invoice.InvoiceStatus
    reasons = {
        status.DRAFT: "is a draft and not sent yet.",
        status.VOIDED: "was voided, so nothing is due.",
        status.DELETED: "was deleted, so nothing is due.",
    }
    return f"Invoice {invoice} {reasons.get(status(invoice.status), 'is paid already.')}"


def find_relevant_warnings(
    invoices: Sequence[LedgerInvoice], *, origin: str, now: datetime, payment: Payment | None = None
) -> list[DuplicateWarning]:
    """The warnings that count for a payment of this origin; `payment` itself is none."""
    found = find_duplicate_warnings(invoices, now=now, apart_from=payment)
    is_automatic = origin == Payment.Origin.AUTOMATIC
    return [warning for warning in found if not (is_automatic and warning.kind == "scheduled")]


def find_same_payment(
    company: PayerCompany,
    amounts: Sequence[InvoiceAmount],
    *,
    origin: str,
    source: PaymentSource | None = None,
    now: datetime,
) -> Payment | None:
    """The payment that the same choice created before, if nobody has tried to pay it."""
    if origin == Payment.Origin.AUTOMATIC:
        return None
    chosen = {part.invoice.pk: part.amount for part in amounts}
    rows = Payment.objects.filter(
        company=company, origin=origin, state="open", amount=sum(chosen.values()), expires_at__gt=now, attempts=None
    ).filter(done_path=get_done_path(source))
    for payment in rows.prefetch_related("allocations").order_by("-pk"):
        if {allocation.invoice_id: allocation.amount for allocation in payment.allocations.all()} == chosen:
            return payment
    return None


@transaction_required
def create_payment_with_allocations(
    company: PayerCompany,
    invoices: dict[int, LedgerInvoice],
    amounts: Sequence[InvoiceAmount],
    *,
    origin: str,
    source: PaymentSource | None = None,
    now: datetime,
) -> Payment:
    """Create the payment with an allocation for each part."""
    ordered = [InvoiceAmount(invoices[part.invoice.pk], part.amount) for part in amounts]
    currency = ordered[0].invoice.currency
    payment = Payment.objects.create(
        merchant=company.merchant,
        company=company,
        currency=currency,
        amount=sum(part.amount for part in ordered),
        origin=origin,
        purpose=build_purpose([str(part.invoice) for part in ordered]),
        details=build_details(company, ordered) | build_source_details(source),
        methods=[CARD, BANK_DEBIT],
        done_path=get_done_path(source),
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


def get_done_path(source: PaymentSource | None) -> str:
    """Where a payer goes when it is over."""
    return source.path if source is not None else reverse("payments:portal")


def build_source_details(source: PaymentSource | None) -> dict[str, object]:
    """What is noted of a payer who did not come from the portal; nothing of the company is filled in for them."""
    if source is None:
        return {}
    return {**source.notes, "restart_path": source.path, "billing": {"name": "", "email": "", "phone": ""}}


def build_purpose(numbers: Sequence[str]) -> str:
    """The purpose that the payer and the gateway read."""
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
    """Record on each allocation which warnings `by` has read and pays anyway."""
    for allocation in PaymentAllocation.objects.filter(payment=payment):
        messages = list_warning_messages([w for w in warnings if w.invoice_id == allocation.invoice_id])
        text = " ".join(messages)[:300]
        if text != allocation.warning or (text and allocation.confirmed_by_id != (by.pk if by else None)):
            PaymentAllocation.objects.filter(pk=allocation.pk).update(
                warning=text, confirmed_by=by if text else None, confirmed_at=now if text else None
            )


@register_charge_policy
def check_payment_allocations(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Check that a payment's invoices can still be paid by it. Payments of quotes have no allocations and pass.

    With the invoices locked, no other payment that is charged at the same time is missed. Raises what
    `create_invoice_payment` raises; warnings that nobody has confirmed count, also those that are new.
    """
    allocations = list(payment.allocations.order_by("invoice")) if not payment.is_quote else []
    if not allocations:
        return
    keys = [allocation.invoice_id for allocation in allocations]
    invoices = lock_invoices(keys) if locks else LedgerInvoice.objects.in_bulk(keys)
    check_organisation(list(invoices.values()))
    balances = get_balances(invoices.values(), apart_from=payment)
    for allocation in allocations:
        check_invoice_amount(invoices[allocation.invoice_id], allocation.amount, balances[allocation.invoice_id])
    unconfirmed = [invoices[allocation.invoice_id] for allocation in allocations if allocation.confirmed_at is None]
    warnings = find_relevant_warnings(unconfirmed, origin=payment.origin, now=now, payment=payment)
    if warnings:
        raise MayBePaidAlready(warnings)
