"""A quote that came by link is read once more before it is charged: whoever pays pays what CPQ has, or nothing."""

from datetime import datetime, timedelta

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django_subatomic.db import transaction

from payments.attempts.services import register_charge_policy, register_charge_reader
from payments.errors import MerchantNotReady, TooManyAttempts
from payments.models import Payment
from payments.states import LIVE_STATES
from quotes.cpq_connections import get_merchant_words, open_client, record_unknown_word
from quotes.links import hash_passcode, receive_pulled, record_link_refusal
from quotes.models import CpqConnection, Quote
from quotes.providers.cpq import CpqQuote
from quotes.pulling import pull_quote, round_amount
from quotes.refusals import QuoteChanged, QuoteNotPayable, QuoteRefused, describe_to_payer
from wisepay.budgets import Budget, spend
from wisepay.errors import Disconnected, NotThere, Rejected, Unavailable

READING_LIFETIME = timedelta(minutes=2)  # how long what was read may be charged; the attempt follows within seconds


@register_charge_reader
def read_linked_quote(payment: Payment, *, now: datetime) -> None:
    """Read the newest version of a quote that came by link: one call.

    Raises QuoteChanged where it is not what is stored (then it is stored anew, and shown), QuoteNotPayable, or
    Unavailable.
    """
    quote = find_linked_quote(payment)
    if quote is None or not is_worth_reading(quote):
        return
    connection = find_enabled_connection(quote)
    if wait := spend(Budget.READINGS_OF_QUOTE, quote.pk, now=now):
        raise TooManyAttempts(_("Too many attempts. Wait a while, then try again"), wait=wait)
    try:
        latest = open_client(connection).get_latest_version(quote.number)
        refusal = describe_difference(quote, latest)
    except NotThere:
        refusal = QuoteRefused("dead", "It is no longer in CPQ.", number=quote.number)
    except Disconnected as error:
        CpqConnection.objects.filter(pk=connection.pk).update(last_error=str(error)[:200])
        raise Unavailable(str(error), maybe_done=False) from None
    except Rejected as error:
        raise Unavailable(str(error), maybe_done=False) from None
    if refusal is None:
        refusal = follow_change(connection, quote, latest, now=now)
    if refusal is not None:
        hold_quote(connection, quote, refusal, now=now)


def find_linked_quote(payment: Payment) -> Quote | None:
    """The quote of a payment, if it came by link."""
    if not payment.is_quote:
        return None
    quote = Quote.objects.select_related("payment").filter(payment=payment.pk, source=Quote.Source.LINK).first()
    if quote is not None:
        quote.merchant = payment.merchant  # what is known of the merchant is not read again
    return quote


def is_worth_reading(quote: Quote) -> bool:
    """Whether an attempt could start at all: what is over, or on its way, is refused without a call.

    What the bank took back is owed as it was paid, whatever became of the quote since.
    """
    is_live = quote.payment.attempts.filter(state__in=LIVE_STATES).exists()
    return quote.payment.state == "open" and quote.state == "open" and not is_live


def find_enabled_connection(quote: Quote) -> CpqConnection:
    """The merchant's connection. Raises MerchantNotReady where it was switched off."""
    connection = CpqConnection.objects.select_related("merchant").filter(merchant=quote.merchant_id).first()
    if connection is None or not connection.is_enabled:
        words = _("%(merchant)s takes no payments for this quote at the moment. Nothing was charged.")
        raise MerchantNotReady(words % {"merchant": quote.merchant.name})
    return connection


def describe_difference(quote: Quote, latest: CpqQuote) -> QuoteRefused | None:
    """Why the newest version can't be paid by this checkout any more; None where it may be the same."""
    if latest.version != quote.version or latest.id != quote.cpq_id:
        message = f"Version {latest.version} is the newest."
        return QuoteRefused("superseded", message, number=quote.number)
    if not constant_time_compare(hash_passcode(latest.passcode), quote.link_digest):
        return QuoteRefused("link_replaced", "Its passcode was changed in CPQ.", number=quote.number)
    return None


def follow_change(connection: CpqConnection, quote: Quote, latest: CpqQuote, *, now: datetime) -> QuoteRefused | None:
    """Note that nothing changed, or store what did; answers why it can't be paid any more.

    Raises QuoteChanged where the payer has to look at it again.
    """
    if is_same(quote, latest):
        Quote.objects.filter(pk=quote.pk).update(read_at=now)
        return None
    client, merchant = open_client(connection), connection.merchant
    try:
        pulled = pull_quote(client, latest, words=get_merchant_words(merchant), zone=merchant.zone, now=now)
        receive_pulled(connection, pulled, now=now)
    except QuoteRefused as refusal:
        return refusal
    except Rejected as error:
        raise Unavailable(str(error), maybe_done=False) from None
    raise QuoteChanged(
        _("This quote was changed a moment ago. Nothing was charged. Please look at it again before you pay.")
    )


def is_same(quote: Quote, latest: CpqQuote) -> bool:
    """Whether CPQ has the quote as it is stored here, and nothing holds it."""
    is_open = latest.is_approved and not latest.is_dead and not quote.hold
    try:
        total = round_amount(latest, "quoteTotal", latest.amounts["quoteTotal"], quote.currency)
    except QuoteRefused:
        return False
    return is_open and latest.modified == quote.cpq_modified and total == quote.total


def hold_quote(connection: CpqConnection, quote: Quote, refusal: QuoteRefused, *, now: datetime) -> None:
    """Hold the quote for what CPQ says of it, tell the merchant, and refuse. Raises QuoteNotPayable."""
    with transaction():
        Quote.objects.filter(pk=quote.pk).update(hold=refusal.code, read_at=now)
    record_unknown_word(connection.merchant, refusal, now=now)
    record_link_refusal(connection, refusal, ip=None, now=now)
    raise QuoteNotPayable(describe_to_payer(refusal.code, quote.merchant))


@register_charge_policy
def check_linked_quote(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Check that a quote that came by link may be charged as it is stored. Raises QuoteNotPayable or QuoteChanged."""
    # A page asks for every payment that it shows: the payment itself says whether there is anything to ask.
    quote = find_linked_quote(payment) if locks or payment.details.get("source") == Quote.Source.LINK else None
    if quote is None:
        return
    if locks:
        quote = Quote.objects.select_for_update(of=("self",)).select_related("merchant", "payment").get(pk=quote.pk)
    trial = not CpqConnection.objects.filter(merchant=quote.merchant_id, confirmed_at__isnull=False).exists()
    if quote.hold or trial:
        raise QuoteNotPayable(describe_to_payer(quote.hold or "trial", quote.merchant))
    if locks and is_worth_reading(quote) and (quote.read_at is None or now - quote.read_at > READING_LIFETIME):
        raise QuoteChanged(_("Please look at this quote again before you pay. Nothing was charged."))
