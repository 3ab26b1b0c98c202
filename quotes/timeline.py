"""The timeline of a quote: accepted, paid, credit, invoice, applied, synced, with what is stuck and why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Q
from django.urls import reverse

from accounting.models import CreditMatch, CreditNote, Posting
from accounting.models.posting_kinds import CREDITING_KINDS
from accounting.posting.manual_tasks import list_open_tasks
from accounting.posting.services import get_waiting_reason
from merchants.models import Merchant
from payments.errors import get_operation_failure
from payments.models import Attempt, Payment, Refund
from quotes.models import CpqNote, Quote
from quotes.parts import describe_acceptance
from quotes.pay_link_mails import describe_mail
from quotes.refusals import describe_hold
from quotes.services import get_last_attempt
from wisepay.clock import format_instant
from wisepay.events import add_once
from wisepay.money import Money

StepState = Literal["done", "waiting", "moving", "stuck", "later"]
MATCH_STATES = ("applied", "undoing", "wanted", "proposed", "undone", "dismissed")
CLOSED_QUOTE_TEXTS = {
    "expired": "The quote expired unpaid.",
    "withdrawn": "A newer version of the quote took its place.",
}


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step. `moving` continues automatically within moments; `waiting` takes longer; `stuck` needs a person."""

    name: str
    state: StepState
    words: str = ""
    at: datetime | None = None
    url: str = ""
    link: str = ""

    @property
    def label(self) -> str:
        """The step's name for people."""
        return self.name[:1].upper() + self.name[1:]


StepLister = Callable[[Quote], list[TimelineStep]]
STEP_LISTERS: list[StepLister] = []


def register_timeline_steps(function: StepLister) -> StepLister:
    """Register a function of a floor above, whose steps stand at the end of a quote's timeline."""
    return add_once(STEP_LISTERS, function)


def get_timeline(quote: Quote, *, now: datetime) -> list[TimelineStep]:
    """The steps up to the money, four of the ledger's, and those of the floors above.

    After one that is not done, steps are `later` unless they are done already.
    """
    merchant, payment = quote.merchant, quote.payment
    note = CreditNote.objects.filter(payment=payment).order_by("-pk").first()
    match = find_leading_match(note)
    zone = merchant.zone
    opened = quote.created_at.astimezone(zone)
    return [
        TimelineStep("accepted", "done", describe_origin(quote), opened),
        *list_money_steps(quote, now=now),
        *get_ledger_steps(merchant, payment, note, match, now=now),
        *list_note_steps(quote),
        *(step for list_steps in STEP_LISTERS for step in list_steps(quote)),
    ]


def list_note_steps(quote: Quote) -> list[TimelineStep]:
    """What became of the note about the payment in CPQ, where the merchant wants one."""
    note = CpqNote.objects.filter(quote=quote).first()
    if note is None:
        return []
    if note.state == CpqNote.State.WAITING:
        return [TimelineStep("note in CPQ", "moving", f"“{note.words}” is being written.", note.state_at)]
    if note.state == CpqNote.State.WRITTEN:
        return [TimelineStep("note in CPQ", "done", f"“{note.words}”.", note.state_at)]
    words = f"“{note.words}” could not be written. {note.reason} The payment is not concerned."
    return [
        TimelineStep("note in CPQ", "stuck" if note.state == CpqNote.State.REFUSED else "done", words, note.state_at)
    ]


def describe_origin(quote: Quote) -> str:
    """Whose quote it is, and which way it came."""
    way = ", by its link" if quote.source == Quote.Source.LINK else ""
    accepted = describe_acceptance(quote.acceptance, zone=quote.merchant.time_zone)
    opened = f"{quote} of {quote.customer.get('account_name', '')}{way}"
    mailed, at = describe_mail(quote)
    when = f" ({format_instant(at, quote.merchant.time_zone)})" if at else ""
    more = [f"{accepted}." if accepted else "", f"{mailed}{when}" if mailed else ""]
    return ". ".join([opened, " ".join(filter(None, more))]) if any(more) else opened


def find_leading_match(note: CreditNote | None) -> CreditMatch | None:
    """The match that shows how far the credit is: by state, then by confidence."""
    if note is None:
        return None
    rows = CreditMatch.objects.filter(note=note, state__in=MATCH_STATES).select_related("invoice", "note", "decided_by")
    found = sorted(rows, key=lambda match: (MATCH_STATES.index(match.state), -match.confidence, match.pk))
    return found[0] if found else None


def list_money_steps(quote: Quote, *, now: datetime) -> list[TimelineStep]:
    """Everything that happened to the money: debits given to a bank, paid, returned, refunded; last where it is now."""
    payment, newest = quote.payment, get_last_attempt(quote.payment)
    steps: list[TimelineStep] = []
    is_relevant = Q(state="reversed") | Q(submitted_at__isnull=False)
    for attempt in payment.attempts.filter(is_relevant).order_by("pk"):
        steps += list_past_steps(attempt)
    if newest is not None and newest.state == "reversed":
        more = "It can no longer be paid." if payment.is_expired(now) else "The quote can be paid again."
        words = f"The bank took the money back. {more}"
        return [*steps[:-1], TimelineStep("returned", "stuck", words, newest.state_at)]
    return [*steps, get_paid_step(quote, newest, now=now), *(list_refund_steps(newest) if newest else [])]


def list_past_steps(attempt: Attempt) -> list[TimelineStep]:
    """What an attempt has behind it: given to the payer's bank, and, where that is over as well, paid and returned."""
    steps = []
    if attempt.submitted_at and not attempt.is_settling:
        words = f"A bank debit of {attempt.money} was given to the payer's bank."
        steps.append(TimelineStep("submitted", "done", words, attempt.submitted_at))
    if attempt.state == "reversed":
        paid = attempt.list_state_changes().filter(to_state="succeeded").values_list("at", flat=True).first()
        steps.append(TimelineStep("paid", "done", describe_paid(attempt.money, attempt), paid))
        steps += list_refund_steps(attempt)
        steps.append(TimelineStep("returned", "done", "The bank took the money back.", attempt.state_at))
    return steps


def list_refund_steps(attempt: Attempt) -> list[TimelineStep]:
    """What went back of an attempt, by refunds and by disputes that were lost in part."""
    refunds = Refund.objects.filter(attempt=attempt, state="succeeded").select_related("payment").order_by("pk")
    return [TimelineStep("refunded", "done", f"{one.money} went back.", one.state_at) for one in refunds]


def describe_paid(money: Money | None, attempt: Attempt | None) -> str:
    """How much was paid, and by what."""
    return f"{money}, {attempt.method}" if attempt and attempt.method else str(money)


def get_paid_step(quote: Quote, attempt: Attempt | None, *, now: datetime) -> TimelineStep:
    """Whether the money arrived, as far as its last attempt goes."""
    payment = quote.payment
    if payment.state == "succeeded":
        return TimelineStep("paid", "done", describe_paid(payment.paid, attempt), payment.paid_at)
    if payment.state == "saved":
        return TimelineStep("paid", "done", "Nothing was due now; a method was saved.", payment.state_at)
    if attempt is not None and attempt.is_settling:
        return TimelineStep("paid", "waiting", "A bank debit is on its way. It takes some days.", attempt.submitted_at)
    if attempt is not None and attempt.is_live:
        return TimelineStep("paid", "moving", "Waiting for the payer or their bank.", attempt.created_at)
    if problem := find_unpaid_problem(quote, attempt, now=now):
        return problem
    return TimelineStep("paid", "waiting", f"{payment.due} is due. Nobody has tried to pay it yet.")


def find_unpaid_problem(quote: Quote, attempt: Attempt | None, *, now: datetime) -> TimelineStep | None:
    """What keeps a quote from being paid, if anything does: its end, what CPQ has of it now, or the last attempt."""
    if quote.state in CLOSED_QUOTE_TEXTS or quote.payment.is_expired(now):
        words = CLOSED_QUOTE_TEXTS.get(quote.state, CLOSED_QUOTE_TEXTS["expired"])
        return TimelineStep("paid", "stuck", words, quote.state_at)
    if quote.hold and quote.payment.state == "open":
        words = f"It can't be paid as CPQ has it now: {describe_hold(quote.hold)}."
        return TimelineStep("paid", "stuck", words, quote.read_at)
    if attempt is not None:
        words = get_operation_failure(attempt) or "The last attempt failed."
        return TimelineStep("paid", "stuck", words, attempt.state_at)
    return None


def get_ledger_steps(
    merchant: Merchant, payment: Payment, note: CreditNote | None, match: CreditMatch | None, *, now: datetime
) -> list[TimelineStep]:
    """Credit, invoice, applied and synced."""
    if payment.state == "saved":
        return [TimelineStep("credit", "later", "Nothing was paid, so there is no credit.")]
    if note is None or note.state in ("pending", "draft", "rejected", "removed", "voided"):
        first = get_pending_credit_step(merchant, payment, note, now=now)
        return [first, *(TimelineStep(name, "later") for name in ("invoice", "applied", "synced"))]
    booked = (
        Posting.objects.filter(attempt=note.attempt_id, kind__in=CREDITING_KINDS, state="posted")
        .order_by("-pk")
        .first()
    )
    credit = TimelineStep(
        "credit", "done", f"{note.money}, {note.number}", booked.state_at if booked else note.state_at
    )
    return [credit, *get_invoice_steps(merchant, note, match, now=now)]


def get_pending_credit_step(
    merchant: Merchant, payment: Payment, note: CreditNote | None, *, now: datetime
) -> TimelineStep:
    """Why there is no credit yet, or no longer."""
    if note is None:
        return TimelineStep("credit", "moving" if payment.state == "succeeded" else "later")
    if note.state in ("removed", "voided"):
        return TimelineStep("credit", "later", f"{note.number} is {note.state}.", note.state_at)
    task = list_open_tasks(merchant).filter(payment=payment).first()
    refused = Posting.objects.filter(payment=payment, state="rejected").order_by("pk").first()
    postings_link: dict[str, Any] = {
        "url": reverse("accounting:postings", args=[merchant.reference]),
        "link": "Accounting postings",
    }
    if task is not None:
        return TimelineStep("credit", "stuck", f"{task.title}.", task.created_at, **postings_link)
    if refused is not None:
        words = f"{refused.get_kind_display()} was refused: {refused.error}"
        return TimelineStep("credit", "stuck", words, refused.state_at, **postings_link)
    if note.state == "draft" and payment.state != "succeeded":
        return TimelineStep(
            "credit", "waiting", f"{note.number} is a draft until the bank debit has settled.", note.state_at
        )
    reason = get_waiting_reason(merchant, now=now)
    return TimelineStep(
        "credit", "stuck" if reason else "moving", reason or "Being posted.", **(postings_link if reason else {})
    )


def get_invoice_steps(
    merchant: Merchant, note: CreditNote, match: CreditMatch | None, *, now: datetime
) -> list[TimelineStep]:
    """The steps of a credit that is posted."""
    page: dict[str, Any] = {"url": reverse("accounting:credits", args=[merchant.reference]), "link": "Credits to apply"}
    if match is None or match.state in ("undone", "dismissed"):
        if note.state == "applied":
            used = TimelineStep(
                "invoice",
                "done",
                "Nothing of the credit is left: it was paid out or used otherwise.",
                note.state_at,
            )
            return [used, TimelineStep("applied", "later"), TimelineStep("synced", "later")]
        aside = f"Invoice {match.invoice} was {match.state}. " if match else ""
        waited = format_age(now - note.state_at)
        words = f"{aside}No invoice that it could belong to{waited}. Once there is one, it is applied automatically."
        return [
            TimelineStep("invoice", "waiting", words, note.state_at, **page),
            TimelineStep("applied", "later"),
            TimelineStep("synced", "later"),
        ]
    shown = TimelineStep("invoice", "done", f"{match.invoice} over {match.invoice.money}", match.created_at)
    return [shown, get_applied_step(match, page), get_synced_step(match)]


def format_age(age: timedelta) -> str:
    """For how long, when it is worth saying."""
    days = age.days
    return f" for {days} {'day' if days == 1 else 'days'}" if days else " yet"


def get_applied_step(match: CreditMatch, page: dict[str, Any]) -> TimelineStep:
    """Whether the credit is on the invoice."""
    if match.state == "applied":
        who = f", by {match.decided_by}" if match.decided_by else ""
        rest = (
            f" {match.note.remaining_money} of the credit is left."
            if match.note.remaining_money and match.note.remaining_money.amount
            else ""
        )
        return TimelineStep("applied", "done", f"{match.money} went to the invoice{who}.{rest}", match.state_at)
    if match.state == "proposed":
        words = f"{match.confidence} % sure that it belongs to invoice {match.invoice}: waits for a person."
        return TimelineStep("applied", "stuck", words, match.created_at, **page)
    posting = Posting.objects.filter(match=match).exclude(state="cancelled").order_by("-pk").first()
    if posting is not None and posting.state == "rejected":
        return TimelineStep(
            "applied", "stuck", f"The accounting package refused it: {posting.error}", match.state_at, **page
        )
    words = "Being applied." if match.state == "wanted" else "Being taken off again."
    return TimelineStep("applied", "moving", words, match.state_at, **page)


def get_synced_step(match: CreditMatch) -> TimelineStep:
    """Whether the mirror shows the allocation."""
    if match.state != "applied":
        return TimelineStep("synced", "later")
    if match.synced_at is None:
        return TimelineStep("synced", "moving", "Applied there, and not read back yet.", match.state_at)
    return TimelineStep("synced", "done", "Read back from the accounting package.", match.synced_at)
