"""A merchant's connection to ConnectWise CPQ's API: its keys, its words, trying its link, and the end of the trial."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django_subatomic.db import transaction

from connections.rate_limiter.limiter import Priority
from merchants.models import Merchant
from merchants.services import warn_of_replaced_keys
from quotes.models import CpqConnection, CpqWord
from quotes.providers.cpq import PASSCODE, CpqClient, CpqKeys, CpqQuote, CpqUser
from quotes.pulling import PulledQuote, Words, pull_quote, round_amount
from quotes.refusals import QuoteRefused
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import User
from wisepay.money import InvalidAmount, Money

LINK_TEXT = "Pay this quote"
NUMBER = re.compile(r"[1-9][0-9]{0,9}")
PARTS = {
    "subtotal": "Subtotal",
    "tax": "Tax",
    "shippingSubtotal": "Shipping",
    "shippingTax": "Tax on shipping",
    "quoteTotal": "Total",
}


class LinkUnknown(Exception):
    """No quote is opened by this link; whoever followed it is not told which kind of no it is."""


@dataclass(frozen=True, slots=True)
class LinkQuery:
    """What a link names: the passcode, the second form's number and version, and the template's own amount."""

    passcode: str
    number: str = ""
    version: str = ""
    amount: str = ""

    @classmethod
    def from_query(cls, query: Any) -> "LinkQuery":
        """Read the parameters of an address."""
        return cls(query.get("k", ""), query.get("n", ""), query.get("v", ""), query.get("a", "")[:40])

    @property
    def is_readable(self) -> bool:
        """Whether it can be asked for: nothing else reaches a condition or a path."""
        numbers = [text for text in (self.number, self.version) if text]
        return bool(PASSCODE.fullmatch(self.passcode)) and all(NUMBER.fullmatch(text) for text in numbers)


def get_cpq_connection(merchant: Merchant) -> CpqConnection:
    """The merchant's connection; one that is not stored yet where there is none."""
    return CpqConnection.objects.filter(merchant=merchant).first() or CpqConnection(merchant=merchant)


def open_client(connection: CpqConnection, *, priority: Priority = "interactive") -> CpqClient:
    """A client with the connection's keys."""
    keys = (connection.access_key, connection.public_key, connection.private_key)
    return CpqClient(CpqKeys(*(str(key.decrypt()) for key in keys)), priority=priority)


def save_cpq_keys(connection: CpqConnection, *, keys: CpqKeys, by: User, now: datetime) -> CpqUser:
    """Prove the keys with one call, save them, and switch the connection on; the admins are told of replaced ones.

    Keys of another tenant begin a new trial. Raises Rejected, Disconnected or Unavailable, and then nothing is saved.
    """
    user = CpqClient(keys).get_user()
    with transaction():
        locked = lock_connection(connection)
        if locked.private_key:
            path = reverse("quotes:cpq", args=[locked.merchant.reference])
            warn_of_replaced_keys(locked.merchant, what="The keys of ConnectWise CPQ", by=by, path=path, now=now)
        if not locked.access_key or not constant_time_compare(locked.access_key.decrypt(), keys.access_key):
            begin_trial(locked)
        locked.access_key, locked.public_key, locked.private_key = keys.access_key, keys.public_key, keys.private_key
        locked.is_enabled, locked.tested_at, locked.last_error = True, now, ""
        locked.is_api_user, locked.can_access_all_quotes = user.is_api_user, user.can_access_all_quotes
        locked.save()
    return user


def lock_connection(connection: CpqConnection) -> CpqConnection:
    """The row, locked, and created if needed."""
    CpqConnection.objects.get_or_create(merchant=connection.merchant)
    rows = CpqConnection.objects.select_for_update(of=("self",)).select_related("merchant")
    return rows.get(merchant=connection.merchant)


def begin_trial(connection: CpqConnection) -> None:
    """Our arithmetic is to be confirmed anew; what is accepted meanwhile is mailed to nobody."""
    connection.mails_after = None
    connection.confirmed_at, connection.confirmed_by, connection.shown = None, None, None
    connection.agreed_quotes = []


def disconnect_cpq(connection: CpqConnection) -> None:
    """Delete the keys: links open nothing, and what is open already can't be charged. New keys begin a new trial."""
    with transaction():
        locked = lock_connection(connection)
        begin_trial(locked)
        locked.access_key = locked.public_key = locked.private_key = ""
        locked.is_enabled, locked.last_error, locked.tested_at = False, "", None
        locked.is_api_user = locked.can_access_all_quotes = None
        locked.save()


def save_cpq_settings(
    connection: CpqConnection,
    *,
    is_enabled: bool,
    is_polled: bool,
    mails_links: bool,
    link_form: str,
    order_porter_url: str,
    now: datetime,
    status_field: str = "",
    date_field: str = "",
) -> None:
    """Save the switches, the form of the link, where Order Porter's pages are, and where payments are noted.

    Mails with pay links count from when they, or what they need, were switched on.
    """
    with transaction():
        locked = lock_connection(connection)
        locked.is_enabled = is_enabled and bool(locked.private_key)
        was_mailing = locked.is_polled and locked.mails_since is not None
        if not was_mailing or not (locked.is_enabled and is_polled and mails_links):
            locked.mails_since, locked.mails_after = (now if is_polled and mails_links else None), None
        locked.is_polled = is_polled
        locked.link_form, locked.order_porter_url = link_form, order_porter_url
        locked.status_field, locked.date_field = status_field, date_field
        locked.save()


def check_cpq_connection(connection: CpqConnection, *, now: datetime) -> str:
    """Ask CPQ whether the keys still work, and store what it said; answers why they don't, or nothing."""
    try:
        user = open_client(connection).get_user()
    except (Disconnected, Rejected, Unavailable) as error:
        CpqConnection.objects.filter(pk=connection.pk).update(last_error=describe_failure(error)[:200])
        return describe_failure(error)
    fields = {"is_api_user": user.is_api_user, "can_access_all_quotes": user.can_access_all_quotes}
    CpqConnection.objects.filter(pk=connection.pk).update(tested_at=now, last_error="", **fields)
    return ""


def describe_failure(error: Exception) -> str:
    """What a failed call means; CPQ answers keys that it cannot read with a failure of its own."""
    if isinstance(error, Disconnected):
        return "ConnectWise CPQ does not accept these keys. Copy all three again; the private one is shown only once."
    if isinstance(error, Unavailable) and "500" in str(error):
        return "ConnectWise CPQ answered 500, as it does to keys that it can't read. Look at the keys, then try again."
    return f"{str(error).rstrip('.')}. Try again in a few minutes."


def get_merchant_words(merchant: Merchant) -> Words:
    """What the merchant said that words of their CPQ mean."""
    rows = CpqWord.objects.filter(merchant=merchant).exclude(meaning="")
    return {(row.kind, row.word): row.meaning for row in rows}


def record_unknown_word(merchant: Merchant, refusal: QuoteRefused, *, now: datetime) -> None:
    """Keep a word that refused a quote, so that the merchant can say what it means."""
    if refusal.word:
        kind, word = refusal.word
        seen = {"quote_number": refusal.number, "seen_at": now}
        CpqWord.objects.update_or_create(merchant=merchant, kind=kind, word=word, defaults=seen)


def save_meaning(word: CpqWord, *, meaning: str) -> None:
    """Save what a word means; empty takes the meaning back."""
    CpqWord.objects.filter(pk=word.pk).update(meaning=meaning)


def build_snippet(connection: CpqConnection) -> str:
    """What the merchant pastes into the Order Porter template; a macro stands last in its parameter."""
    address = connection.merchant.build_public_url(reverse("quotes:open_link", args=[connection.merchant.reference]))
    query = "k=#Quote.OrderPorterPasscode"
    if connection.is_numbered:
        query = f"n=#Quote.QuoteNumber&v=#Quote.Version&{query}"
    return f'#ApprovedBegin()<a href="{address}?{query}">{LINK_TEXT}</a>#ApprovedEnd()'


def parse_link(text: str) -> LinkQuery:
    """What somebody pasted: our link, the quote's own address, or the passcode alone."""
    parts = urlsplit(text.strip())
    query = dict(parse_qsl(parts.query))
    if not query:
        return LinkQuery(text.strip())
    return LinkQuery.from_query({"k": query.get("k") or query.get("passcode", ""), **query})


def find_quote(client: CpqClient, query: LinkQuery, *, is_numbered: bool) -> CpqQuote:
    """The newest version of the quote that a link names, in two calls.

    Raises LinkUnknown, QuoteRefused for a newer version with another passcode, or as the client.
    """
    if is_numbered:
        found = [client.get_version(int(query.number), int(query.version))] if query.number and query.version else []
    else:
        found = client.find_quotes(query.passcode)
    # CPQ compares texts without case, and an empty passcode would open what has none.
    found = [quote for quote in found if constant_time_compare(quote.passcode, query.passcode)]
    if len({quote.number for quote in found}) != 1:
        raise LinkUnknown
    newest = max(found, key=lambda quote: quote.version)
    latest = client.get_latest_version(newest.number)
    if latest.number != newest.number:
        raise Unavailable("ConnectWise CPQ answered with another quote")
    if not constant_time_compare(latest.passcode, query.passcode):
        message = f"Version {newest.version} was opened; version {latest.version} is the newest."
        raise QuoteRefused("superseded", message, number=newest.number)
    return latest


def read_quote(connection: CpqConnection, query: LinkQuery, *, now: datetime) -> PulledQuote:
    """Read everything about the quote that a link names: four calls, three when nothing recurs.

    Raises LinkUnknown or QuoteRefused, or as the client.
    """
    client, merchant = open_client(connection), connection.merchant
    quote = find_quote(client, query, is_numbered=connection.is_numbered)
    return pull_quote(client, quote, words=get_merchant_words(merchant), zone=merchant.zone, now=now)


def try_link(connection: CpqConnection, text: str, *, now: datetime) -> dict[str, Any]:
    """Read the quote of a pasted link as a payer's click would, and store what it says for the merchant to confirm.

    No checkout is opened. Raises LinkUnknown or QuoteRefused, or as the client.
    """
    query = parse_link(text)
    if not query.is_readable:
        raise LinkUnknown
    try:
        pulled = read_quote(connection, query, now=now)
    except QuoteRefused as refusal:
        record_unknown_word(connection.merchant, refusal, now=now)
        raise
    shown = describe_pulled(pulled) | {"at": now.isoformat()}
    CpqConnection.objects.filter(pk=connection.pk).update(shown=shown)
    return shown


def describe_pulled(pulled: PulledQuote) -> dict[str, Any]:
    """The quote with the parts of its sum, for the merchant to hold beside Order Porter's page."""
    amounts, currency = pulled.quote.amounts, pulled.total.currency
    return {
        "number": pulled.quote.number,
        "version": pulled.quote.version,
        "name": pulled.checkout.quote.name,
        "payer": pulled.checkout.customer.account_name,
        "currency": currency,
        "parts": [[label, describe_amount(pulled.quote, name, currency)] for name, label in PARTS.items()],
        "percent": f"{Decimal(str(amounts['orderPorterDownPaymentPercent'] or 0)).normalize():f}",
        "minimum": describe_amount(pulled.quote, "orderPorterDownPaymentMinimum", currency),
        "due": str(pulled.due),
        "recurring": pulled.recurring,
        "payment_mode": pulled.quote.payment_mode,
    }


def describe_amount(quote: CpqQuote, name: str, currency: str) -> str:
    """An amount of CPQ's as people write it. Raises QuoteRefused for what is none."""
    return str(Money(round_amount(quote, name, quote.amounts[name], currency), currency))


def confirm_arithmetic(connection: CpqConnection, *, number: int, due: str, by: User, now: datetime) -> bool:
    """End the trial: the merchant saw that Order Porter shows this amount. False unless it is what was shown last."""
    with transaction():
        locked = lock_connection(connection)
        shown = locked.shown or {}
        if (shown.get("number"), shown.get("due")) != (number, due):
            return False
        locked.confirmed_at, locked.confirmed_by = now, by
        locked.save()
    return True


def record_agreement(connection: CpqConnection, number: int, *, now: datetime) -> None:
    """Note that the template's own amount of a quote is ours; agreements about several quotes end the trial."""
    with transaction():
        locked = lock_connection(connection)
        if number in locked.agreed_quotes or not locked.is_trial:
            return
        locked.agreed_quotes = [*locked.agreed_quotes, number]
        if len(locked.agreed_quotes) >= CpqConnection.AGREEMENTS_NEEDED:
            locked.confirmed_at = now
        locked.save()


def check_template_amount(pulled: PulledQuote, text: str) -> bool:
    """Whether the template's own amount is ours; it stops a checkout and never changes what is charged.

    False where the template passes none. Raises QuoteRefused where it is another.
    """
    if not text:
        return False
    try:
        is_same = Money.parse_typed(text, pulled.due.currency) == pulled.due
    except InvalidAmount:
        is_same = False
    if not is_same:
        message = f"Its template says {text[:40]} and we calculate {pulled.due}. Look at its down payment in CPQ."
        raise QuoteRefused("unmapped", message, number=pulled.number)
    return True
