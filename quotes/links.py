"""Open a checkout by a link: who holds a quote's passcode may pay it, for the amounts that CPQ says, once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.crypto import salted_hmac
from django_subatomic.db import transaction

from quotes.cpq_connections import (
    LinkQuery,
    LinkUnknown,
    check_template_amount,
    find_quote,
    get_merchant_words,
    open_client,
    record_agreement,
    record_unknown_word,
)
from quotes.intake import receive_checkout
from quotes.models import CpqConnection, Quote
from quotes.problems import ProblemError, describe_problem
from quotes.providers.cpq import CpqQuote
from quotes.pulling import PulledQuote, pull_quote
from quotes.refusals import QuoteRefused, record_quote_refusal
from quotes.services import get_integration
from wisepay.budgets import Budget, spend, spend_for_network, uncounted_calls
from wisepay.errors import Disconnected, Rejected, Unavailable

LINK_SALT = "quotes.links.passcode"
# What the page of the checkout itself says better.
SHOWN_ON_PAGE = ("already_paid", "attempt_in_progress")


class TooManyLinks(Exception):
    """Too many links were followed; `wait` seconds until the next one may be."""

    def __init__(self, wait: int) -> None:
        super().__init__(wait)
        self.wait = wait


def open_link(merchant_ref: str, query: LinkQuery, *, ip: str, now: datetime) -> Quote:
    """Open the checkout of the quote that a link names, or bring it up to date, and answer it.

    Raises LinkUnknown for every kind of no, CPQ's silence too; QuoteRefused with a reason for whoever holds the
    passcode; TooManyLinks.
    """
    if not query.is_readable:
        raise LinkUnknown
    check_limit(spend_for_network(Budget.LINKS_OF_NETWORK, ip, now=now))
    rows = CpqConnection.objects.select_related("merchant").filter(is_enabled=True)
    connection = rows.filter(merchant__reference=merchant_ref).first()
    if connection is None:
        raise LinkUnknown
    check_limit(spend(Budget.LINKS_OF_MERCHANT, connection.merchant_id, now=now))
    try:
        with uncounted_calls():  # following links is limited itself
            return pull_checkout(connection, query, now=now)
    except QuoteRefused as refusal:
        record_unknown_word(connection.merchant, refusal, now=now)
        record_link_refusal(connection, refusal, ip=ip, now=now)
        raise
    except Disconnected as error:
        CpqConnection.objects.filter(pk=connection.pk).update(last_error=str(error)[:200])
        raise LinkUnknown from None
    except (Rejected, Unavailable):
        raise LinkUnknown from None


def check_limit(wait: int) -> None:
    """Raise TooManyLinks when there is something to wait for."""
    if wait:
        raise TooManyLinks(wait)


def pull_checkout(connection: CpqConnection, query: LinkQuery, *, now: datetime) -> Quote:
    """Read the quote and open its checkout. Raises LinkUnknown or QuoteRefused, or as the client."""
    client = open_client(connection)
    newest = find_quote(client, query, is_numbered=connection.is_numbered)
    if connection.last_error:
        CpqConnection.objects.filter(pk=connection.pk).update(last_error="", tested_at=now)
    if sent := find_known_quote(connection, newest, source=Quote.Source.CONTRACT):
        return sent
    words, zone = get_merchant_words(connection.merchant), connection.merchant.zone
    pulled = pull_quote(client, newest, words=words, zone=zone, now=now)
    if check_template_amount(pulled, query.amount):
        record_agreement(connection, pulled.number, now=now)
        connection.refresh_from_db(fields=["confirmed_at"])
    return get_trial_quote(connection, pulled) if connection.is_trial else receive_pulled(connection, pulled, now=now)


def get_trial_quote(connection: CpqConnection, pulled: PulledQuote) -> Quote:
    """The checkout of a quote that is over already: nothing is stored of an amount that nobody confirmed.

    Raises QuoteRefused, whose message shows staff what would be due.
    """
    known = find_known_quote(connection, pulled.quote)
    if known is not None and known.payment.state != "open":
        return known
    message = f"{pulled.due} would be due. Links are on trial: test one under ConnectWise CPQ, and confirm its amount."
    raise QuoteRefused("trial", message, number=pulled.number)


def find_known_quote(connection: CpqConnection, quote: CpqQuote, **fields: str) -> Quote | None:
    """The checkout of this version, if it has these `fields`."""
    of_version = {"cpq_id": quote.id, "version": quote.version, **fields}
    return Quote.objects.filter(merchant=connection.merchant, **of_version).first()


def receive_pulled(
    connection: CpqConnection,
    pulled: PulledQuote,
    *,
    when_new: Callable[[Quote], None] | None = None,
    now: datetime,
) -> Quote:
    """Store what was read as a checkout, unless our contract sent it meanwhile. Raises QuoteRefused.

    `when_new` is called in the same transaction with a checkout that was not there before.
    """
    integration = get_integration(connection.merchant)
    try:
        with transaction():
            columns = build_pulled_columns(pulled, now=now)
            quote, is_new = receive_checkout(integration, pulled.checkout, pulled=columns, now=now)
            if is_new and when_new is not None:
                when_new(quote)
            return quote
    except ProblemError as problem:
        known = find_known_quote(connection, pulled.quote)
        if known is not None and problem.code in SHOWN_ON_PAGE:
            return known
        code = "superseded" if problem.code == "superseded" else "unmapped"
        raise QuoteRefused(code, describe_problem(problem), number=pulled.number) from None


def build_pulled_columns(pulled: PulledQuote, *, now: datetime) -> dict[str, Any]:
    """The columns of a quote that only one has that we read ourselves."""
    return {
        "source": Quote.Source.LINK,
        "cpq_modified": pulled.quote.modified,
        "link_digest": hash_passcode(pulled.quote.passcode),
        "read_at": now,
        "acceptance": dict(pulled.quote.evidence),
    }


def hash_passcode(passcode: str) -> str:
    """By what a changed passcode is noticed: keyed, so that the digest opens nothing."""
    return salted_hmac(LINK_SALT, passcode, algorithm="sha256").hexdigest()


def record_link_refusal(connection: CpqConnection, refusal: QuoteRefused, *, ip: str | None, now: datetime) -> None:
    """Tell the merchant which quote was refused, and why."""
    subject = f"Quote {refusal.number}" if refusal.number else "A quote that was opened by link"
    record_quote_refusal(
        connection.merchant_id, key=f"link-{connection.pk}", subject=subject, detail=str(refusal), ip=ip, now=now
    )
