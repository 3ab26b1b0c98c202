"""A quote's way into the books: accepted, paid, credit, invoice, applied, synced, with what is stuck and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.urls import reverse

from accounting.hand_tasks import open_tasks
from accounting.models import CreditMatch, CreditNote, Posting
from accounting.views import why_waiting
from merchants.models import Merchant
from payments.models import Attempt, Payment
from payments.sentences import failure_of
from quotes.models import Quote
from quotes.status import last_attempt

Kind = Posting.Kind
State = Literal["done", "waiting", "moving", "stuck", "later"]
BOOKED = (Kind.CREDIT_NOTE, Kind.APPROVAL)
COUNTING = ("applied", "undoing", "wanted", "proposed", "undone", "dismissed")
OVER = {
    "expired": "The quote expired unpaid.",
    "withdrawn": "A newer version of the quote took its place.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `moving` goes on by itself within moments; `waiting` takes longer; `stuck` needs a person."""

    name: str
    state: State
    words: str = ""
    at: datetime | None = None
    url: str = ""
    link: str = ""

    @property
    def label(self) -> str:
        """The step's name for people."""
        return self.name.capitalize()


def timeline_of(quote: Quote, *, now: datetime) -> list[Step]:
    """The six steps. What comes after one that is not done is `later`, except what is so already."""
    merchant, payment = quote.merchant, quote.payment
    attempt = last_attempt(payment)
    note = CreditNote.objects.filter(payment=payment).order_by("-pk").first()
    match = leading_match(note)
    zone = merchant.zone
    opened = quote.created_at.astimezone(zone)
    return [
        Step("accepted", "done", f"{quote} of {quote.customer.get('account_name', '')}", opened),
        paid_step(quote, attempt, now=now),
        *book_steps(merchant, payment, note, match, now=now),
    ]


def leading_match(note: CreditNote | None) -> CreditMatch | None:
    """The match that says how far the credit is: the one furthest on, then the surest."""
    if note is None:
        return None
    rows = CreditMatch.objects.filter(note=note, state__in=COUNTING).select_related("invoice", "note", "decided_by")
    found = sorted(rows, key=lambda match: (COUNTING.index(match.state), -match.confidence, match.pk))
    return found[0] if found else None


def paid_step(quote: Quote, attempt: Attempt | None, *, now: datetime) -> Step:
    """Whether the money arrived."""
    payment = quote.payment
    if payment.state == "succeeded":
        how = f", {attempt.method}" if attempt and attempt.method else ""
        return Step("paid", "done", f"{payment.paid}{how}", payment.paid_at)
    if payment.state == "saved":
        return Step("paid", "done", "Nothing was due now; a method was saved.", payment.state_at)
    if payment.state == "reversed":
        return Step("paid", "stuck", "The bank took the money back. The quote can be paid again.", payment.state_at)
    if attempt is not None and attempt.is_settling:
        return Step("paid", "waiting", "A bank debit is on its way. It takes some days.", attempt.submitted_at)
    if attempt is not None and attempt.is_live:
        return Step("paid", "moving", "Waiting for the payer or their bank.", attempt.created_at)
    if quote.state in OVER or payment.is_over(now):
        return Step("paid", "stuck", OVER.get(quote.state, OVER["expired"]), quote.state_at)
    if attempt is not None:
        return Step("paid", "stuck", failure_of(attempt) or "The last attempt failed.", attempt.state_at)
    return Step("paid", "waiting", f"{payment.due} is due. Nobody has tried to pay it yet.")


def book_steps(
    merchant: Merchant, payment: Payment, note: CreditNote | None, match: CreditMatch | None, *, now: datetime
) -> list[Step]:
    """Credit, invoice, applied and synced."""
    if payment.state == "saved":
        return [Step("credit", "later", "Nothing was paid, so there is no credit.")]
    if note is None or note.state in ("pending", "draft", "rejected", "removed", "voided"):
        first = credit_in_the_making(merchant, payment, note, now=now)
        return [first, *(Step(name, "later") for name in ("invoice", "applied", "synced"))]
    booked = Posting.objects.filter(attempt=note.attempt_id, kind__in=BOOKED, state="posted").order_by("-pk").first()
    credit = Step("credit", "done", f"{note.money}, {note.number}", booked.state_at if booked else note.state_at)
    return [credit, *invoice_steps(merchant, note, match, now=now)]


def credit_in_the_making(merchant: Merchant, payment: Payment, note: CreditNote | None, *, now: datetime) -> Step:
    """Why there is no credit yet, or no more."""
    if note is None:
        return Step("credit", "moving" if payment.state == "succeeded" else "later")
    if note.state in ("removed", "voided"):
        return Step("credit", "later", f"{note.number} is {note.state}.", note.state_at)
    task = open_tasks(merchant).filter(payment=payment).first()
    refused = Posting.objects.filter(payment=payment, state="rejected").order_by("pk").first()
    books: dict[str, Any] = {
        "url": reverse("accounting:postings", args=[merchant.reference]),
        "link": "Accounting postings",
    }
    if task is not None:
        return Step("credit", "stuck", f"{task.title}.", task.created_at, **books)
    if refused is not None:
        words = f"{refused.get_kind_display()} was refused: {refused.error}"
        return Step("credit", "stuck", words, refused.state_at, **books)
    if note.state == "draft" and payment.state != "succeeded":
        return Step("credit", "waiting", f"{note.number} is a draft until the bank debit has settled.", note.state_at)
    reason = why_waiting(merchant, now=now)
    return Step("credit", "stuck" if reason else "moving", reason or "Being posted.", **(books if reason else {}))


def invoice_steps(merchant: Merchant, note: CreditNote, match: CreditMatch | None, *, now: datetime) -> list[Step]:
    """What became of a credit that is in the books."""
    page: dict[str, Any] = {"url": reverse("accounting:credits", args=[merchant.reference]), "link": "Credits to apply"}
    if match is None or match.state in ("undone", "dismissed"):
        if note.state == "applied":
            used = Step("invoice", "done", "Nothing of the credit is left: it was paid out or used otherwise.")
            return [used, Step("applied", "later"), Step("synced", "later")]
        aside = f"Invoice {match.invoice} was {match.state}. " if match else ""
        words = f"{aside}No invoice that it could belong to{for_days(now - note.state_at)}."
        return [Step("invoice", "waiting", words, **page), Step("applied", "later"), Step("synced", "later")]
    shown = Step("invoice", "done", f"{match.invoice} over {match.invoice.money}", match.created_at)
    return [shown, applied_step(match, page), synced_step(match)]


def for_days(age: timedelta) -> str:
    """For how long, when it is worth saying."""
    days = age.days
    return f" for {days} {'day' if days == 1 else 'days'}" if days else " yet"


def applied_step(match: CreditMatch, page: dict[str, Any]) -> Step:
    """Whether the credit is on the invoice."""
    if match.state == "applied":
        who = f", by {match.decided_by}" if match.decided_by else ""
        rest = f" {match.note.left} of the credit is left." if match.note.left and match.note.left.amount else ""
        return Step("applied", "done", f"{match.money} went to the invoice{who}.{rest}", match.state_at)
    if match.state == "proposed":
        words = f"{match.confidence} % sure that it belongs to invoice {match.invoice}: waits for a person."
        return Step("applied", "stuck", words, match.created_at, **page)
    posting = Posting.objects.filter(match=match).exclude(state="cancelled").order_by("-pk").first()
    if posting is not None and posting.state == "rejected":
        return Step("applied", "stuck", f"The accounting package refused it: {posting.error}", match.state_at, **page)
    words = "Being applied." if match.state == "wanted" else "Being taken off again."
    return Step("applied", "moving", words, match.state_at, **page)


def synced_step(match: CreditMatch) -> Step:
    """Whether the books, read back, show it."""
    if match.state != "applied":
        return Step("synced", "later")
    if match.synced_at is None:
        return Step("synced", "moving", "Applied there, and not read back yet.")
    return Step("synced", "done", "Read back from the accounting package.", match.synced_at)
