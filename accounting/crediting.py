"""The credit that applies itself: credits of paid quotes are matched with the invoices that they were paid for.

A review looks at one company: first what the books show counts, then what can still meet is judged, and what is sure
enough is promised to the books at once. People confirm, dismiss and undo; what they said is not asked again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.urls import reverse

from accounting.crediting_reading import (
    Invoices,
    Notes,
    is_read_since,
    left_of,
    notes_of,
    open_credits,
    open_invoices,
    room_between,
    shown_in_books,
)
from accounting.crediting_scores import Judgement, judge
from accounting.crediting_steps import UNHEARD, arm_matching, live_posting, withdraw
from accounting.models import CreditMatch, CreditNote, CreditSettings, LedgerInvoice, Posting
from accounting.numbers import allocation_number
from accounting.paying import locked_invoices
from accounting.promises import cancel, promise, standing_allocation, take_off
from accounting.services import arm_drain
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.models import PayerCompany
from payments.models import Attempt
from wisepay.models import User

Kind = Posting.Kind
LOCK = 0xC4  # the class of the advisory locks under which one company is reviewed by one worker
RULE, BOOKS = "rule", "books"
BY_HAND = "Somebody applied it in the accounting package."
SETTLED = ("wanted", "applied", "undoing", "dismissed", "undone")


class NotPossible(Exception):
    """It cannot be done to this match now; the message says why."""


def threshold_of(merchant: Merchant) -> int | None:
    """From which confidence on the merchant's credits apply themselves; None: never."""
    found = CreditSettings.objects.filter(merchant=merchant).first()
    return (found or CreditSettings(merchant=merchant)).threshold


def save_threshold(merchant: Merchant, *, threshold: int | None, now: datetime) -> None:
    """Apply from that confidence on, also what waits for a person now."""
    with transaction.atomic(durable=True):
        CreditSettings.objects.update_or_create(merchant=merchant, defaults={"threshold": threshold})
        waiting = CreditMatch.objects.filter(merchant=merchant, state="proposed")
        for company_id in sorted(set(waiting.values_list("note__payment__company", flat=True))):
            arm_matching(company_id, now=now)


def review_company(company: PayerCompany, *, now: datetime) -> None:
    """Bring the company's matches to what the books show, and propose or apply what is new. The same is nothing."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s::int)", [LOCK, company.pk])
        settle_with_books(company, now=now)
        notes, unused = open_credits(company)
        invoices, due = open_invoices(company, (credit.left.currency for credit in unused))
        judged = judge(unused, due)
        propose(company, notes, invoices, judged, now=now)
        apply_the_sure(company, judged, now=now)


# ---- what people say ---------------------------------------------------------------------------------


def apply_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """Put the credit to the invoice, as much of it as fits. Raises NotPossible."""
    with transaction.atomic(durable=True):
        want(match, by=by, now=now)


def dismiss_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """The credit does not belong to the invoice, and nobody is asked again. Raises NotPossible."""
    with transaction.atomic(durable=True):
        posting = live_posting(match, Kind.ALLOCATION)
        current = match.lock()
        is_heard = posting is not None and posting.state not in UNHEARD
        if not current.may_become("dismissed") or (current.state == "wanted" and is_heard):
            raise NotPossible("It is on its way to the accounting package, or there already. Undo it afterwards.")
        if posting is not None and not is_heard:
            cancel(posting, now=now, reason="dismissed", by=by.email)
        current.advance("dismissed", now=now, by=by.email, decided_by=by)
        arm_matching(company_of(match), now=now)


def undo_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """Take the credit off the invoice again; it is not proposed for it any more. Raises NotPossible."""
    with transaction.atomic(durable=True):
        made = standing_allocation(match)
        current = match.lock()
        if current.state != "applied":
            raise NotPossible(f"It is {current.state}.")
        if made is None or made.state != "posted":
            raise NotPossible("Somebody applied it in the accounting package. Take it off there.")
        take_off(current, made, attempt_of(match.note), now=now, by=by.email)
        CreditMatch.objects.filter(pk=match.pk).update(decided_by=by)
        arm_drain(match.merchant, now=now)


# ---- steps of an open transaction --------------------------------------------------------------------


def want(match: CreditMatch, *, by: User | None, now: datetime) -> CreditMatch:
    """Promise it to the books, over what both sides have left now. Raises NotPossible."""
    invoice = locked_invoices([match.invoice_id])[match.invoice_id]
    note = match.note.lock()
    current = match.lock()
    if not current.may_become("wanted"):
        raise NotPossible(f"It is {current.state} already.")
    amount = room_between(note, invoice, apart_from=current)
    if amount <= 0:
        raise NotPossible("Nothing of the credit is left for it, or the invoice is not open any more.")
    by_name = by.email if by else RULE
    current.advance("wanted", now=now, by=by_name, amount=amount, decided_by=by, synced_at=None)
    nth = Posting.objects.filter(match=match, kind=Kind.ALLOCATION).count() + 1
    attempt = attempt_of(note)
    number = allocation_number(current, nth=nth)
    promise(Kind.ALLOCATION, number, attempt, now=now, on=now, match=current, amount=amount)
    arm_drain(attempt.payment.merchant, now=now)
    return current


def settle_with_books(company: PayerCompany, *, now: datetime) -> None:
    """What the mirror shows is so, whatever was proposed, wanted or done before."""
    notes = {note.pk: note for note in notes_of(company)}
    shown = shown_in_books(list(notes.values())) if notes else {}
    known = set()
    for match in CreditMatch.objects.filter(note__in=notes).select_related("invoice").order_by("pk"):
        match.note = notes[match.note_id]
        known.add((match.note_id, match.invoice_id))
        amount, read_at = shown.get((match.note_id, match.invoice_id), (0, now))
        if amount:
            take_as_applied(match, amount, read_at=read_at, now=now)
        else:
            take_as_absent(match, now=now)
    for (note_id, invoice_id), (amount, _) in sorted(shown.items()):
        if (note_id, invoice_id) not in known:
            adopt(notes[note_id], invoice_id, amount, now=now)


def take_as_applied(match: CreditMatch, amount: int, *, read_at: datetime, now: datetime) -> None:
    """The books show the credit on the invoice: ours that arrived, or a person's."""
    if match.state == "undoing" or (match.state == "undone" and read_at <= match.state_at):
        return
    if match.state == "applied":
        CreditMatch.objects.filter(pk=match.pk, synced_at=None).update(synced_at=now)
        return
    posting = standing_allocation(match)
    if posting is not None and posting.state in UNHEARD:
        cancel(posting, now=now, reason="applied in the books")
    elif posting is not None and match.state == "wanted":
        return
    by_hand = {"amount": amount, "confidence": 100, "reasons": [BY_HAND], "decided_by": None, "synced_at": now}
    match.move_to("applied", now=now, by=BOOKS, reason=BY_HAND, **by_hand)


def take_as_absent(match: CreditMatch, *, now: datetime) -> None:
    """The books do not show the credit on the invoice."""
    if match.state in ("applied", "undoing"):
        if match.synced_at is not None or is_read_since(match, match.invoice):
            removal = live_posting(match, Kind.ALLOCATION_REMOVAL)
            if removal is not None and removal.state in UNHEARD:
                cancel(removal, now=now, reason="taken off in the books")
            if removal is None or removal.state != "sent":
                match.move_to("undone", now=now, by=BOOKS, reason="Taken off in the accounting package.")
    elif match.state == "wanted":
        withdraw_wanted(match, now=now)
    elif match.state == "proposed" and not (match.invoice.is_payable and match.note.state == "approved"):
        withdraw(match, now=now, reason="the credit or the invoice is not open any more")


def withdraw_wanted(match: CreditMatch, *, now: datetime) -> None:
    """Let what nobody heard of, or what the books refused, not be, where it does not fit any more."""
    posting = live_posting(match, Kind.ALLOCATION)
    if posting is None:
        match.move_to("dismissed", now=now, by=BOOKS, reason="A person says that it is settled.")
    elif posting.state in UNHEARD and match.amount > room_between(match.note, match.invoice, apart_from=match):
        cancel(posting, now=now, reason="it does not fit any more")
        withdraw(match, now=now, reason="It does not fit any more.")


def adopt(note: CreditNote, invoice_id: int, amount: int, *, now: datetime) -> None:
    """A person put the credit to an invoice that it was not proposed for."""
    CreditMatch.objects.create(
        merchant=note.merchant,
        note=note,
        invoice_id=invoice_id,
        amount=amount,
        confidence=100,
        reasons=[BY_HAND],
        synced_at=now,
        state="applied",
        state_at=now,
        created_at=now,
    )


def propose(
    company: PayerCompany, notes: Notes, invoices: Invoices, judged: Sequence[Judgement], *, now: datetime
) -> None:
    """Keep what was judged where nobody has decided, and withdraw what does not stand any more."""
    rows = CreditMatch.objects.filter(note__payment__company=company).select_related("note", "invoice")
    held = {(match.note_id, match.invoice_id): match for match in rows}
    for one in judged:
        match = held.pop((one.credit, one.invoice), None)
        if match is None:
            make_match(notes[one.credit], invoices[one.invoice], one, now=now)
        elif match.state not in SETTLED:
            refresh(match, notes[one.credit], invoices[one.invoice], one, now=now)
    for match in held.values():
        if match.state == "proposed":
            withdraw(match, now=now, reason="Another one is likelier, or the rest is too small.")


def columns(note: CreditNote, invoice: LedgerInvoice, one: Judgement) -> dict[str, Any]:
    """A judgement as columns; the amount is made exact when it is wanted."""
    amount = max(min(left_of(note), invoice.due), 1)
    return {"amount": amount, "confidence": one.confidence, "reasons": list(one.reasons)}


def make_match(note: CreditNote, invoice: LedgerInvoice, one: Judgement, *, now: datetime) -> None:
    """A new proposal; the merchant's people are told of one that waits for them."""
    at = {"state": "proposed", "state_at": now, "created_at": now}
    match = CreditMatch.objects.create(
        merchant=note.merchant, note=note, invoice=invoice, **at, **columns(note, invoice, one)
    )
    least = threshold_of(note.merchant)
    if least is None or one.confidence < least:
        tell_proposed(match, now=now)


def refresh(match: CreditMatch, note: CreditNote, invoice: LedgerInvoice, one: Judgement, *, now: datetime) -> None:
    """A proposal as it is judged now."""
    changes = columns(note, invoice, one)
    if match.state == "withdrawn":
        match.move_to("proposed", now=now, by=RULE, **changes)
    elif any(getattr(match, name) != value for name, value in changes.items()):
        CreditMatch.objects.filter(pk=match.pk).update(**changes)


def tell_proposed(match: CreditMatch, *, now: datetime) -> None:
    """Notify the merchant's people that a credit waits for their word."""
    notify_merchant(
        match.merchant,
        event=EventNotification.Event.BOOKS_TASK,
        key=f"credit:{match.pk}",
        title=f"Does credit {match.note} belong to invoice {match.invoice}?",
        body=f"{match.note.payment.purpose}: {match.money}. {' '.join(match.reasons)}",
        path=reverse("accounting:credits", args=[match.merchant.reference]),
        now=now,
    )


def apply_the_sure(company: PayerCompany, judged: Iterable[Judgement], *, now: datetime) -> None:
    """Promise what is sure enough for the merchant, the surest first; what has no room left is left alone."""
    least = threshold_of(company.merchant)
    sure = {(one.credit, one.invoice) for one in judged if least is not None and one.confidence >= least}
    rows = CreditMatch.objects.filter(note__payment__company=company, state="proposed")
    for match in rows.select_related("note", "invoice", "merchant").order_by("-confidence", "note", "invoice"):
        if (match.note_id, match.invoice_id) in sure:
            try:
                want(match, by=None, now=now)
            except NotPossible:
                continue


def attempt_of(note: CreditNote) -> Attempt:
    """The attempt that left the credit, with its payment, merchant and company."""
    return Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=note.attempt_id)


def company_of(match: CreditMatch) -> int:
    """The payer company's key."""
    return match.note.payment.company_id
