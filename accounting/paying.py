"""Orders to pay invoices: promise a payment for one or several of them, and stand guard when it is charged."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from accounting.guards import Doubt, possible_duplicates, sentences_of
from accounting.invoice_room import Room, out_of_use, rooms_of
from accounting.mirror_orders import read_soon
from accounting.models import LedgerInvoice, Share
from accounting.numbers import PF_INVOICE
from payers.models import PayerCompany
from payments.choices import BANK_DEBIT, CARD
from payments.errors import AmountChanged, AttemptInProgress, CannotPay
from payments.guards import payment_guard
from payments.models import Payment
from wisepay.models import User
from wisepay.money import Money

LIFE = timedelta(hours=24)  # how long what was chosen can be paid before it has to be chosen again
OUT_OF_USE = "is in books that are not used any more. Please ask for a new invoice."
LATELY = timedelta(minutes=2)  # what was read before that may have been paid in the books since
NAMED = 3  # numbers that fit into a purpose


class NotPayable(CannotPay):
    """An invoice cannot be paid like this; `invoice_id` says which one, where it is one."""

    code = "not_payable"

    def __init__(self, message: str, *, invoice_id: int | None = None) -> None:
        super().__init__(message)
        self.invoice_id = invoice_id


class MayBePaidAlready(CannotPay):
    """Something else may pay it; a person may say that it is to be paid anyway."""

    code = "may_be_paid_already"

    def __init__(self, doubts: Sequence[Doubt]) -> None:
        self.doubts = list(doubts)
        self.sentences = sentences_of(doubts)
        super().__init__(" ".join(self.sentences))


@dataclass(frozen=True, slots=True)
class Part:
    """How many minor units are for one invoice."""

    invoice: LedgerInvoice
    amount: int


def promise_invoice_payment(
    company: PayerCompany,
    parts: Sequence[Part],
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
    with transaction.atomic(durable=True):
        invoices = locked_invoices([part.invoice.pk for part in parts])
        check_together(company, invoices, parts)
        rooms = rooms_of(invoices.values())
        for part in parts:
            check_part(invoices[part.invoice.pk], part.amount, rooms[part.invoice.pk])
        doubts = doubts_about(list(invoices.values()), origin=origin, now=now)
        if doubts and not confirmed:
            raise MayBePaidAlready(doubts)
        payment = same_choice(company, parts, origin=origin, now=now)
        if payment is None:
            payment = new_payment(company, invoices, parts, origin=origin, now=now)
            look_again(invoices.values(), now=now)
        note_confirmation(payment, doubts, by=by, now=now)
    return payment


def look_again(invoices: Iterable[LedgerInvoice], *, now: datetime) -> None:
    """Let the mirror read what it did not read lately, while the payer types: what was paid there is refused then."""
    old = [invoice for invoice in invoices if invoice.read_at < now - LATELY]
    if old:
        named = ((invoice.organisation_id, "invoices", invoice.ledger_id) for invoice in old)
        read_soon(old[0].merchant_id, named, now=now)


def locked_invoices(keys: Sequence[int]) -> dict[int, LedgerInvoice]:
    """The invoices as they are now, locked in the order of their keys. A step of an open transaction."""
    rows = LedgerInvoice.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=keys)
    return {invoice.pk: invoice for invoice in rows.order_by("pk")}


def check_together(company: PayerCompany, invoices: dict[int, LedgerInvoice], parts: Sequence[Part]) -> None:
    """Whether these can be one payment. Raises NotPayable."""
    if not parts:
        raise NotPayable("Choose at least one invoice.")
    if len(invoices) != len(parts):
        raise NotPayable("An invoice can be chosen once only.")
    if any(invoice.company_id != company.pk for invoice in invoices.values()):
        raise NotPayable("All invoices of a batch have to be of the same company.")
    if len({invoice.currency for invoice in invoices.values()}) > 1:
        raise NotPayable("All invoices of a batch have to be in the same currency.")
    check_books(list(invoices.values()))


def check_books(invoices: Sequence[LedgerInvoice]) -> None:
    """Whether all of these are in the books that take the money. Raises NotPayable."""
    for invoice in out_of_use(invoices):
        raise NotPayable(f"Invoice {invoice} {OUT_OF_USE}", invoice_id=invoice.pk)


def check_part(invoice: LedgerInvoice, amount: int, room: Room) -> None:
    """Whether so much of the invoice can be paid. Raises NotPayable, AttemptInProgress or AmountChanged."""
    if re.match(PF_INVOICE, invoice.number) or not invoice.is_payable:
        raise NotPayable(why_not(invoice), invoice_id=invoice.pk)
    if amount < 1:
        raise NotPayable("Pay at least the smallest coin of the currency.", invoice_id=invoice.pk)
    if amount <= room.left:
        return
    if room.left == 0 and room.in_flight:
        raise AttemptInProgress(f"A payment for invoice {invoice} is being processed. Please wait for its result.")
    if room.left == 0:
        raise NotPayable(f"Invoice {invoice} is paid; the books will show it soon.", invoice_id=invoice.pk)
    left, asked = Money(room.left, invoice.currency), Money(amount, invoice.currency)
    raise AmountChanged(f"Of invoice {invoice} {left} can be paid now, which is less than {asked}.")


def why_not(invoice: LedgerInvoice) -> str:
    """Why an invoice takes no money, in words for its payer."""
    if re.match(PF_INVOICE, invoice.number):
        return f"{invoice} belongs to a quote, which is paid as a quote."
    status = invoice.Status
    words = {
        status.DRAFT: "is a draft and not sent yet.",
        status.VOIDED: "was voided, so nothing is due.",
        status.DELETED: "was deleted, so nothing is due.",
    }
    return f"Invoice {invoice} {words.get(status(invoice.status), 'is paid already.')}"


def doubts_about(
    invoices: Sequence[LedgerInvoice], *, origin: str, now: datetime, payment: Payment | None = None
) -> list[Doubt]:
    """The doubts that count for a payment of this origin."""
    found = possible_duplicates(invoices, now=now, apart_from=payment)
    is_automatic = origin == Payment.Origin.AUTOMATIC
    return [doubt for doubt in found if not (is_automatic and doubt.kind == "scheduled")]


def same_choice(company: PayerCompany, parts: Sequence[Part], *, origin: str, now: datetime) -> Payment | None:
    """The payment that this choice made before, if nobody tried to pay it."""
    if origin == Payment.Origin.AUTOMATIC:
        return None
    wanted = {part.invoice.pk: part.amount for part in parts}
    rows = Payment.objects.filter(
        company=company, origin=origin, state="open", amount=sum(wanted.values()), expires_at__gt=now, attempts=None
    )
    for payment in rows.prefetch_related("shares").order_by("-pk"):
        if {share.invoice_id: share.amount for share in payment.shares.all()} == wanted:
            return payment
    return None


def new_payment(
    company: PayerCompany, invoices: dict[int, LedgerInvoice], parts: Sequence[Part], *, origin: str, now: datetime
) -> Payment:
    """The payment with a share for each part. A step of an open transaction."""
    ordered = [Part(invoices[part.invoice.pk], part.amount) for part in parts]
    currency = ordered[0].invoice.currency
    payment = Payment.objects.create(
        merchant=company.merchant,
        company=company,
        currency=currency,
        amount=sum(part.amount for part in ordered),
        origin=origin,
        purpose=purpose_of([str(part.invoice) for part in ordered]),
        details=details_of(company, ordered),
        methods=[CARD, BANK_DEBIT],
        done_path=reverse("payments:portal"),
        expires_at=now + LIFE,
        state="open",
        state_at=now,
        created_at=now,
    )
    Share.objects.bulk_create(
        [
            Share(payment=payment, invoice=part.invoice, amount=part.amount, created_at=now)
            for part in sorted(ordered, key=lambda part: part.invoice.pk)
        ]
    )
    return payment


def purpose_of(numbers: Sequence[str]) -> str:
    """What the payer and the gateway see as the thing that is paid."""
    if len(numbers) == 1:
        return f"Invoice {numbers[0]}"[:120]
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{len(numbers)} invoices: {', '.join(number[:24] for number in numbers[:NAMED])}{more}"[:120]


def details_of(company: PayerCompany, parts: Sequence[Part]) -> dict[str, object]:
    """Invoice Details as the payer sees them."""
    is_one = len(parts) == 1
    first = parts[0].invoice
    again = (
        reverse("payer_books:pay_invoice", args=[first.reference])
        if is_one
        else f"{reverse('payer_books:batch')}?company={company.reference}&currency={first.currency}"
    )
    return {
        "reference": str(first) if is_one else f"{len(parts)} invoices",
        "title": f"Invoice {first}" if is_one else f"{len(parts)} invoices",
        "name": "",
        "company": company.name,
        "count": len(parts),
        "rows": [[f"Invoice {part.invoice}", str(Money(part.amount, part.invoice.currency))] for part in parts],
        "again_path": again,
    }


def note_confirmation(payment: Payment, doubts: Sequence[Doubt], *, by: User | None, now: datetime) -> None:
    """Keep on each share who was told what and paid anyway. A step of an open transaction."""
    for share in Share.objects.filter(payment=payment):
        told = sentences_of([doubt for doubt in doubts if doubt.invoice_id == share.invoice_id])
        words = " ".join(told)[:300]
        if words != share.warning or (words and share.confirmed_by_id != (by.pk if by else None)):
            Share.objects.filter(pk=share.pk).update(
                warning=words, confirmed_by=by if words else None, confirmed_at=now if words else None
            )


@payment_guard
def guard_shares(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Whether a payment's invoices still take what it is for. Payments of quotes have no shares and pass.

    Under the invoices' locks nothing else that is charged at the same time can be missed. Raises as
    `promise_invoice_payment` does; a doubt that came up after the payer was asked is one that nobody confirmed.
    """
    shares = list(payment.shares.order_by("invoice")) if not payment.is_quote else []
    if not shares:
        return
    keys = [share.invoice_id for share in shares]
    invoices = locked_invoices(keys) if locks else LedgerInvoice.objects.in_bulk(keys)
    check_books(list(invoices.values()))
    rooms = rooms_of(invoices.values(), apart_from=payment)
    for share in shares:
        check_part(invoices[share.invoice_id], share.amount, rooms[share.invoice_id])
    unasked = [invoices[share.invoice_id] for share in shares if share.confirmed_at is None]
    doubts = doubts_about(unasked, origin=payment.origin, now=now, payment=payment)
    if doubts:
        raise MayBePaidAlready(doubts)
