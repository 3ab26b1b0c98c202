"""Follow PayNow Links: prove which invoice somebody has, read it again from the books, and begin its payment."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q, QuerySet
from django.db.models.functions import Upper
from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction

from accounting.invoices.balances import get_balances, is_in_linked_organisation, list_former_organisation_invoices
from accounting.invoices.services import (
    InvoiceAmount,
    NotPayable,
    PaymentSource,
    create_invoice_payment,
    lock_invoices,
)
from accounting.mirror.services import refresh_invoices
from accounting.models import LedgerContact, LedgerInvoice
from accounting.posting.services import PF_INVOICE_PATTERN
from connections.availability import get_connection
from connections.models import Tier
from merchants.models import PayNowLink
from merchants.paynow_links import LinkUnknown, SignedLink, get_signed_link
from payers.companies import CompanyTaken, Contact, get_or_create_company
from payers.models import PayerCompany
from payments.attempts.services import register_charge_policy, register_charge_reader
from payments.errors import AmountChanged, MerchantNotReady, TooManyAttempts
from payments.models import Payment
from payments.states import LIVE_STATES
from wisepay.budgets import Budget, spend
from wisepay.clock import get_local_date
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import User
from wisepay.money import InvalidAmount, Money
from wisepay.outbox import Retry

READ_LATELY = timedelta(seconds=20)  # what was read since need not be read again
READING_LIFETIME = timedelta(minutes=2)  # how long a reading may be charged; the attempt follows within seconds
SHOWN_STATUSES = (
    LedgerInvoice.InvoiceStatus.OPEN,
    LedgerInvoice.InvoiceStatus.PAID,
    LedgerInvoice.InvoiceStatus.VOIDED,
)
MAX_SAME_NUMBER = 5
AROUND_DIGITS = re.compile(r"^[^\d.,-]+|[^\d.,]+$")


class NumberReader(Protocol):
    """Answers which invoices another program calls by this number, where the books call them otherwise."""

    def __call__(self, merchant_id: int, number: str) -> Iterable[int]: ...


NUMBER_READERS: dict[str, NumberReader] = {}
OF_CONNECTWISE = (PayNowLink.Kind.CONNECTWISE_INVOICE, PayNowLink.Kind.CONNECTWISE_PORTAL)


def register_number_reader[R: NumberReader](reader: R) -> R:
    """Register who knows the numbers that ConnectWise puts into its links."""
    NUMBER_READERS.update(dict.fromkeys(OF_CONNECTWISE, reader))
    return reader


def build_number_filter(link: PayNowLink, number: str) -> Q:
    """Of an invoice with its `folded` number: whether the program behind a link calls it by this one."""
    reader, typed = NUMBER_READERS.get(link.kind), number.strip()
    same = Q(folded=typed.upper())
    return same | Q(pk__in=list(reader(link.merchant_id, typed))) if reader is not None else same


class LinkClosed(Exception):
    """A link that was good opens nothing now; whoever has it may know why, which `reason` says in a word."""

    def __init__(self, link: PayNowLink, reason: str) -> None:
        super().__init__(reason)
        self.link = link
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FollowedLink:
    """A link that leads to an invoice of its merchant, or else to a payment that a mail was about."""

    link: PayNowLink
    invoice: LedgerInvoice | None = None
    payment: Payment | None = None


def check_link(link: PayNowLink) -> None:
    """Raise LinkClosed for a link that was replaced or switched off, or whose person is gone."""
    if not link.is_active:
        raise LinkClosed(link, "replaced")
    if not link.is_usable:
        raise LinkClosed(link, "off")


def follow_link(token: str, *, now: datetime) -> FollowedLink:
    """Follow a signed link. Raises LinkUnknown, which tells nothing, or LinkClosed."""
    signed, link = get_signed_link(token)
    check_link(link)
    if signed.is_expired(link, now=now):
        raise LinkClosed(link, "expired")
    if signed.subject == "p":
        followed = follow_payment(link, signed.reference, now=now)
    else:
        rows = list_invoices_by_key().filter(merchant=link.merchant_id)
        followed = FollowedLink(link, invoice=rows.filter(reference=signed.reference).first())
    if followed.invoice is None and followed.payment is None:
        raise LinkUnknown
    return followed


def follow_payment(link: PayNowLink, reference: str, *, now: datetime) -> FollowedLink:
    """Where a mail about a payment leads: to its page, or to its invoice where that is to be paid anew."""
    rows = Payment.objects.filter(merchant=link.merchant_id, reference=reference)
    payment = rows.prefetch_related("allocations", "attempts").first()
    if payment is None:
        return FollowedLink(link)
    invoices = [allocation.invoice_id for allocation in payment.allocations.all()]
    is_over = payment.state == "succeeded" or any(attempt.is_live for attempt in payment.attempts.all())
    is_payable = payment.state in ("open", "reversed") and not payment.is_expired(now)
    is_automatic = payment.origin == Payment.Origin.AUTOMATIC
    if len(invoices) != 1 or is_over or (is_automatic and is_payable):
        return FollowedLink(link, payment=payment)
    return FollowedLink(link, invoice=list_invoices_by_key().filter(pk=invoices[0]).first())


def list_shown_invoices(link: PayNowLink) -> QuerySet[LedgerInvoice]:
    """The invoices that can be found by number: of the link's merchant, sent to a client, and none of our own."""
    return (
        list_invoices_by_key()
        .filter(merchant=link.merchant_id, status__in=SHOWN_STATUSES)
        .exclude(number__regex=PF_INVOICE_PATTERN)
    )


def find_invoice(link: PayNowLink, *, number: str, amount: str, currency: str = "") -> LedgerInvoice | None:
    """The invoice of this number that has, or once had, this amount; None for none and for several.

    One statement, whether there is such a number or not, so that the time tells nothing.
    """
    rows = list_shown_invoices(link).filter(is_in_linked_organisation())
    rows = rows.alias(folded=Upper("number")).filter(build_number_filter(link, number))
    rows = rows.annotate(parts=ArrayAgg("applications__amount", order_by=["applications__on", "applications__pk"]))
    found = [
        invoice
        for invoice in rows[:MAX_SAME_NUMBER]
        if (not currency or invoice.currency == currency.upper()) and is_amount_of(invoice, amount)
    ]
    payable = [invoice for invoice in found if invoice.is_payable]
    candidates = payable or found
    return candidates[0] if len(candidates) == 1 else None


def is_amount_of(invoice: LedgerInvoice, text: str) -> bool:
    """Whether the amount, as somebody typed it, is or once was what the invoice is for, or what is due of it."""
    try:
        typed = Money.parse_typed(AROUND_DIGITS.sub("", text.strip()), invoice.currency)
    except InvalidAmount:
        return False
    amounts, remainder = {invoice.total, invoice.due, *invoice.former_totals}, invoice.total
    for part in getattr(invoice, "parts", None) or []:
        remainder -= part or 0
        amounts.add(remainder)
    return typed.amount > 0 and typed.amount in amounts


def prove_invoice(
    link: PayNowLink, *, number: str, amount: str, currency: str = "", now: datetime
) -> LedgerInvoice | None:
    """The invoice that whoever knows its number and amount may see; None for every kind of no.

    Raises LinkClosed, also for an invoice that was issued longer ago than the link's setting allows.
    """
    check_link(link)
    wanted = {"number": number, "amount": amount, "currency": currency}
    invoice = find_invoice(link, **wanted)
    if invoice is None and refresh_number(link, number, now=now):
        invoice = find_invoice(link, **wanted)
    if invoice is None:
        return None
    if link.expires_days is not None and invoice.issued_on is not None:
        today = get_local_date(now, link.merchant.zone)
        if today > invoice.issued_on + timedelta(days=link.expires_days):
            raise LinkClosed(link, "expired")
    return invoice


def refresh_number(link: PayNowLink, number: str, *, now: datetime) -> bool:
    """Read the invoice of a number again, since other programs know its amount before the mirror does; whether it was.

    Never for a Quick Link, which anybody may find: the time that it takes would tell which numbers exist.
    """
    if link.kind == PayNowLink.Kind.QUICK_LINK:
        return False
    rows = list_invoices_by_key().filter(is_in_linked_organisation(), merchant=link.merchant_id)
    found = list(rows.alias(folded=Upper("number")).filter(build_number_filter(link, number))[:2])
    if len(found) != 1 or found[0].read_at > now - READ_LATELY:
        return False
    with suppress(Unavailable, TooManyAttempts):
        refresh_invoice(found[0], now=now)
        return True
    return False


def build_invoice_path(link: PayNowLink, invoice: LedgerInvoice, *, now: datetime) -> str:
    """The path of the page of an invoice that was proved to be somebody's."""
    signed = SignedLink(link.pk, link.kind, "i", invoice.reference, now)
    return reverse("paynow_links:invoice", args=[signed.token])


def refresh_invoice(invoice: LedgerInvoice, *, now: datetime) -> LedgerInvoice:
    """Read the invoice again from the books for somebody who waits, unless it was read a moment ago.

    Answers it as it is then. Raises Unavailable, after which nothing may be charged, or TooManyAttempts.
    """
    if invoice.read_at > now - READ_LATELY:
        return invoice
    if wait := spend(Budget.READINGS_OF_INVOICE, invoice.pk, now=now):
        raise TooManyAttempts(_("Too many attempts. Wait a while, then try again"), wait=wait)
    try:
        connection = get_connection(invoice.merchant, tier=Tier.WISE_PAY)
        found = refresh_invoices(connection, [invoice], priority="interactive", now=now)
    except (Disconnected, Rejected, Retry) as error:
        raise Unavailable(str(error), maybe_done=False) from error
    if not found and not list_former_organisation_invoices([invoice]):
        raise Unavailable(f"The books say nothing of invoice {invoice}.", maybe_done=False)
    return list_invoices_by_key().get(pk=invoice.pk)


def list_invoices_by_key() -> QuerySet[LedgerInvoice]:
    """Invoices with what their page needs."""
    return LedgerInvoice.objects.select_related("company__merchant", "merchant")


@dataclass(frozen=True, slots=True)
class LinkOrder:
    """What somebody asks to pay of an invoice, in minor units: `payable` is due now, `shown` is what they were told."""

    amount: int
    payable: int
    shown: int
    confirmed: bool


def start_invoice_payment(
    followed: FollowedLink, invoice: LedgerInvoice, order: LinkOrder, *, path: str, by: User | None, now: datetime
) -> Payment:
    """Create the payment that an order asks for. `path` is where its payer goes back to.

    Raises what `create_invoice_payment` does, AmountChanged where another amount was shown; NotPayable also while the
    client's contact was not read yet.
    """
    if order.shown != order.payable:
        raise AmountChanged(build_changed_text(invoice, payable=order.payable))
    company = invoice.company or create_company(invoice)
    notes = {"paynow_link": followed.link.pk, "is_full": order.amount == order.payable}
    return create_invoice_payment(
        company,
        [InvoiceAmount(invoice, order.amount)],
        by=by,
        origin=Payment.Origin.INVOICES,
        source=PaymentSource(path, notes),
        confirmed=order.confirmed,
        now=now,
    )


def create_company(invoice: LedgerInvoice) -> PayerCompany:
    """The payer company of an invoice whose client nobody has invited: the one of its contact. Raises NotPayable."""
    ids = {"merchant": invoice.merchant_id, "organisation_id": invoice.organisation_id}
    contact = LedgerContact.objects.filter(**ids, contact_id=invoice.contact_id).first()
    if contact is None:
        words = _(
            "Invoice %(invoice)s was read a moment ago, and cannot be paid yet. Please try again in a few minutes."
        )
        raise NotPayable(words % {"invoice": invoice}, invoice_id=invoice.pk)
    named = Contact(invoice.organisation_id, invoice.contact_id, contact.currency)
    with transaction():
        try:
            company = get_or_create_company(invoice.merchant, name=contact.name, contact=named)
        except CompanyTaken:  # another contact has the same name
            other = f"{contact.name} ({contact.contact_id[:8]})"
            company = get_or_create_company(invoice.merchant, name=other, contact=named)
        LedgerInvoice.objects.filter(pk=invoice.pk, company=None, contact_id=invoice.contact_id).update(company=company)
    invoice.company = company
    return company


def find_link_of_payment(payment: Payment) -> PayNowLink | None:
    """The PayNow Link that a payment began with, if it did."""
    link_id = payment.details.get("paynow_link")
    return PayNowLink.objects.select_related("merchant", "acts_as").filter(pk=link_id).first() if link_id else None


@register_charge_reader
def read_linked_invoice(payment: Payment, *, now: datetime) -> None:
    """Read the invoice of a payment that began with a PayNow Link once more, before it is charged: one call.

    Raises TooManyAttempts or Unavailable; what it says then is judged by `check_linked_invoice`.
    """
    if not payment.is_from_link or payment.attempts.filter(state__in=LIVE_STATES).exists():
        return
    invoice = list_invoices_by_key().filter(allocations__payment=payment).first()
    if invoice is not None and payment.state in ("open", "reversed"):
        refresh_invoice(invoice, now=now)


@register_charge_policy
def check_linked_invoice(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Check that a payment that began with a PayNow Link pays what its page showed, and that the link still stands.

    Raises MerchantNotReady, or AmountChanged where the payer has to look again; of other payments it says nothing.
    """
    if not payment.is_from_link:
        return
    link = find_link_of_payment(payment)
    if link is None or not link.is_usable:
        words = _("The link to this invoice is not used any more. Nothing was charged. Please ask %(merchant)s for it.")
        raise MerchantNotReady(words % {"merchant": payment.merchant.name})
    keys = list(payment.allocations.values_list("invoice", flat=True))
    invoices = lock_invoices(keys) if locks else LedgerInvoice.objects.in_bulk(keys)
    balances = get_balances(invoices.values(), apart_from=payment)
    payable = sum(balance.payable for balance in balances.values())
    is_stale = locks and any(invoice.read_at < now - READING_LIFETIME for invoice in invoices.values())
    if is_stale or (payment.details.get("is_full") and payable != amount):
        raise AmountChanged(build_changed_text(*invoices.values(), payable=payable))


def build_changed_text(invoice: LedgerInvoice, *, payable: int) -> str:
    """What is due now, in a sentence for somebody who was shown something else."""
    words = _(
        "Invoice %(invoice)s was changed: %(amount)s can be paid now. Nothing was charged. Please look at it again."
    )
    return words % {"invoice": invoice, "amount": Money(payable, invoice.currency)}
