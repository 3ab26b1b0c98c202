"""Mail the pay link of a quote that a poll found to its customer: once a version, and never of what came before."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from payments.access import has_live_setup
from payments.attempts.services import check_charge_policies
from payments.consequences import build_mailed_pay_url
from payments.errors import CannotPay
from payments.models import Payment
from payments.states import LIVE_STATES
from quotes.models import CpqConnection, PayLinkMail, Quote
from quotes.providers.cpq import CpqQuote
from wisepay import outbox
from wisepay.mail import EmailRefused, send_email
from wisepay.outbox import handler

State = PayLinkMail.State
# A time of CPQ's names no zone: in the zone that is furthest behind it is as much later in UTC.
FURTHEST_BEHIND = timedelta(hours=12)
UNDATED = "CPQ does not say when it was accepted, so it may have been before mails were switched on."
SWITCHED_OFF = "Mailing pay links was switched off meanwhile."
TRIED = "An earlier try may have reached the customer all the same."
NOT_OPEN = "It was paid, withdrawn or expired meanwhile, or somebody is paying it."


def record_earlier_versions(connection: CpqConnection, quotes: Iterable[CpqQuote], *, now: datetime) -> None:
    """Note what was accepted before mails were wanted, by what the first poll since then lists: it is never mailed."""
    if connection.mails_since is None or connection.mails_after is not None:
        return
    rows = [
        PayLinkMail(
            merchant=connection.merchant, cpq_id=quote.id, version=quote.version, state=State.EARLIER, state_at=now
        )
        for quote in quotes
    ]
    with transaction():
        same = CpqConnection.objects.filter(pk=connection.pk, mails_since=connection.mails_since, mails_after=None)
        if same.update(mails_after=now):
            PayLinkMail.objects.bulk_create(rows, ignore_conflicts=True)
            connection.mails_after = now


@transaction_required
def plan_pay_link_mail(connection: CpqConnection, quote: Quote, found: CpqQuote, *, now: datetime) -> None:
    """Enqueue the mail with the pay link of a checkout that a poll has just opened, if it was accepted since.

    In the transaction that opens it. The same version again plans nothing.
    """
    wanted = CpqConnection.objects.filter(pk=connection.pk, is_enabled=True, mails_since=connection.mails_since)
    if connection.mails_since is None or connection.mails_after is None or not wanted.exists():
        return
    signed = parse_signed(found.evidence.get("signed_at", ""))
    if signed is not None and signed < connection.mails_since:
        return
    key = {"merchant": quote.merchant, "cpq_id": quote.cpq_id, "version": quote.version}
    fresh = {"quote": quote, "state_at": now}
    fresh |= {"state": State.WAITING} if signed else {"state": State.LEFT_OUT, "reason": UNDATED}
    row, is_new = PayLinkMail.objects.get_or_create(**key, defaults=fresh)
    if is_new and row.state == State.WAITING:
        outbox.enqueue(f"pay-link:{row.pk}", "quotes.mail_pay_link", mail_id=row.pk)


def parse_signed(text: str) -> datetime | None:
    """The latest instant that a time of acceptance can mean; None for what cannot be read."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC) + FURTHEST_BEHIND
    except (ValueError, OverflowError):
        return None


@handler("quotes.mail_pay_link")
def mail_pay_link(*, mail_id: int, now: datetime, **_kwargs: object) -> None:
    """Mail a quote's customer the link to pay it, unless it was paid or changed meanwhile. A refusal is kept."""
    row = PayLinkMail.objects.select_related("quote__payment__merchant", "quote__merchant").get(pk=mail_id)
    quote = row.quote
    if row.state != State.WAITING or quote is None:
        return
    if reason := find_reason_not_to_mail(quote, now=now):
        finish_mail(row, state=State.LEFT_OUT, reason=f"{reason} {row.reason}".strip(), now=now)
        return
    PayLinkMail.objects.filter(pk=row.pk).update(reason=TRIED)
    try:
        send_pay_link(quote, now=now)
    except EmailRefused as refusal:
        finish_mail(row, state=State.REFUSED, reason=str(refusal), now=now)
        return
    finish_mail(row, state=State.SENT, reason="", now=now)


def finish_mail(row: PayLinkMail, *, state: str, reason: str, now: datetime) -> None:
    """Write down what became of the mail."""
    PayLinkMail.objects.filter(pk=row.pk, state=State.WAITING).update(state=state, reason=reason[:300], state_at=now)


def find_reason_not_to_mail(quote: Quote, *, now: datetime) -> str:
    """Why the customer is not asked to pay this now; empty when they are."""
    rows = CpqConnection.objects.filter(merchant=quote.merchant_id, is_enabled=True, is_polled=True)
    if not rows.exclude(mails_since=None).exists():
        return SWITCHED_OFF
    payment = quote.payment
    if quote.state != "open" or payment.state != "open" or payment.is_expired(now) or is_being_paid(payment):
        return NOT_OPEN
    try:
        check_charge_policies(payment, amount=payment.amount, now=now)
    except CannotPay as error:
        return str(error)
    return ""


def is_being_paid(payment: Payment) -> bool:
    """Whether an attempt or a setup is under way."""
    return payment.attempts.filter(state__in=LIVE_STATES).exists() or has_live_setup(payment)


def send_pay_link(quote: Quote, *, now: datetime) -> None:
    """Send the mail. Raises Unavailable or EmailRefused."""
    merchant, payment = quote.merchant, quote.payment
    words = {"merchant": merchant.name, "number": quote.number}
    send_email(
        "pay_link",
        quote.customer["email"],
        {"quote": quote, "payment": payment, "pay_url": build_mailed_pay_url(payment, now=now)},
        subject=_("Quote %(number)s from %(merchant)s can be paid") % words,
        message_id=f"pay-link-{quote.reference}",
        sender=merchant,
    )


def describe_mail(quote: Quote) -> tuple[str, datetime | None]:
    """What became of the mail with the pay link, for the merchant, and when; nothing where none was planned."""
    row = PayLinkMail.objects.filter(quote=quote).first()
    if row is None:
        return "", None
    address = quote.customer.get("email", "")
    return {
        State.WAITING.value: f"The pay link is being mailed to {address}.",
        State.SENT.value: f"The pay link was mailed to {address}.",
        State.REFUSED.value: f"The pay link did not reach the customer. {row.reason}",
        State.LEFT_OUT.value: f"The pay link was not mailed. {row.reason}",
    }.get(row.state, ""), row.state_at
