"""Write into ConnectWise CPQ how a quote's payment stands, in fields that the merchant names: a note, and no more.

Whatever CPQ answers, no payment fails by it. The same note again is the same, so a lost answer is harmless.
"""

import re
from datetime import date, datetime, timedelta

from payments.models import Payment, Refund
from payments.standings import attach_standings
from quotes.cpq_connections import open_client
from quotes.models import CpqConnection, CpqNote, Quote
from wisepay import outbox
from wisepay.clock import get_local_date
from wisepay.errors import Disconnected, NotThere, Rejected, Unavailable
from wisepay.leases import hold_lease
from wisepay.outbox import handler

State = CpqNote.State
OLD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
GIVE_UP_AFTER = timedelta(days=1)
WORDS = {
    "settling": "Bank debit on its way",
    "succeeded": "Paid",
    "saved": "Payment method saved",
    "returned": "Bank debit returned",
    "reversed": "Payment taken back by the bank",
    "disputed": "Paid, disputed",
    "inquiry": "Paid, disputed",
    "part_lost": "Paid, dispute lost in part",
    "part_refunded": "Paid, refunded in part",
    "refunded": "Refunded",
}
OLD_VERSION = "CPQ takes no changes of quotes whose id is of the old kind."
NO_ANSWER = "ConnectWise CPQ did not answer for a day. {error}"
SWITCHED_OFF = "ConnectWise CPQ is not connected, or notes are switched off."
GONE = "The quote is not in ConnectWise CPQ any more."
NO_FIELD = "{error} Look whether the fields exist, and whether the keys' user may change quotes."


@handler("quotes.follow_cpq_note")
def follow(*, payment_id: int = 0, refund_id: int = 0, now: datetime, **_: object) -> None:
    """Have CPQ told how a quote's payment stands now, where the merchant wants that."""
    key = payment_id or Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    for quote in Quote.objects.filter(payment=key):
        if find_connection(quote) is not None:
            outbox.schedule(f"cpq-note:{quote.pk}", "quotes.write_cpq_note", now=now, quote_id=quote.pk)


def find_connection(quote: Quote) -> CpqConnection | None:
    """The merchant's CPQ, if it is told."""
    found = CpqConnection.objects.select_related("merchant").filter(merchant=quote.merchant_id).first()
    return found if found is not None and found.writes_back else None


@handler("quotes.write_cpq_note")
def write_note(*, quote_id: int, now: datetime, **_: object) -> None:
    """Write what is not written yet, in one call. Raises Retry or Unavailable; a refusal is kept for the timeline."""
    quote = Quote.objects.select_related("payment", "merchant").get(pk=quote_id)
    connection, words = find_connection(quote), describe_payment(quote.payment, now=now)
    if connection is None:
        CpqNote.objects.filter(quote=quote, state=State.WAITING).update(state=State.LEFT_OUT, reason=SWITCHED_OFF)
        return
    if not words:
        return
    CpqNote.objects.get_or_create(quote=quote, defaults={"state_at": now})
    # Only one worker at a time, so that no older words are written last.
    rows = CpqNote.objects.filter(quote=quote)
    with hold_lease(rows, now=now, busy="another worker writes this note", after=5):
        note = rows.get()
        if note.words != words:
            note.words, note.wanted_at, note.noted_on = words, now, find_day(quote, now=now)
            save_note(note, state=State.WAITING, reason="", now=now)
        if note.state == State.WAITING:
            send_note(connection, note, quote.cpq_id, now=now)


def describe_payment(payment: Payment, *, now: datetime) -> str:
    """How a payment stands, in CPQ's field; empty for what is not worth a note."""
    [found] = attach_standings([payment], now=now)
    return WORDS.get(found.standing, "")


def find_day(quote: Quote, *, now: datetime) -> date:
    """The merchant's day of it: when it was paid, else today."""
    paid_at = quote.payment.paid_at if quote.payment.state == "succeeded" else None
    return get_local_date(paid_at or now, quote.merchant.zone)


def send_note(connection: CpqConnection, note: CpqNote, cpq_id: str, *, now: datetime) -> None:
    """Call CPQ, and keep what it said."""
    if OLD_ID.fullmatch(cpq_id):
        save_note(note, state=State.LEFT_OUT, reason=OLD_VERSION, now=now)
        return
    fields = {connection.status_field: note.words, connection.date_field: f"{note.noted_on}T00:00:00"}
    try:
        open_client(connection, priority="company").update_quote(cpq_id, {k: v for k, v in fields.items() if k})
    except Unavailable as error:
        if note.wanted_at is None or now - note.wanted_at < GIVE_UP_AFTER:
            raise
        save_note(note, state=State.REFUSED, reason=NO_ANSWER.format(error=error), now=now)
    except NotThere:
        save_note(note, state=State.REFUSED, reason=GONE, now=now)
    except (Disconnected, Rejected) as error:
        save_note(note, state=State.REFUSED, reason=NO_FIELD.format(error=error), now=now)
    else:
        save_note(note, state=State.WRITTEN, reason="", now=now)


def save_note(note: CpqNote, *, state: str, reason: str, now: datetime) -> None:
    """Save what became of it, and leave the lease alone."""
    note.state, note.reason, note.state_at = state, reason[:300], now
    note.save(update_fields=["state", "reason", "state_at", "words", "noted_on", "wanted_at"])
