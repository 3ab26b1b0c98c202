"""The steps of a quote's timeline that are PSA's: the invoice found, the payment on it, or why not."""

from django.urls import reverse

from psa.models import PsaConnection, PsaPayment, Writer
from quotes.models import Quote
from quotes.timeline import StepState, TimelineStep, register_timeline_steps
from wisepay.states import StateChange

NAME = "ConnectWise PSA"
STATES: dict[str, StepState] = {
    "planned": "moving",
    "sending": "moving",
    "removing": "moving",
    "waiting": "waiting",
    "written": "done",
    "present": "done",
    "removed": "done",
    "settled": "done",
    "cancelled": "later",
}

PAYMENT, REMOVAL = "PSA payment", "PSA removal"
NAMES = {"removing": REMOVAL, "removed": REMOVAL, "stuck": REMOVAL}
FOUND_STATES = ("unconfirmed", "sending", "present")


@register_timeline_steps
def list_psa_steps(quote: Quote) -> list[TimelineStep]:
    """One step for each attempt that goes to PSA; nothing where PSA is not connected and nothing waits for it."""
    connection = PsaConnection.objects.filter(merchant=quote.merchant_id).first()
    if connection is None or connection.state == "never":
        return []
    rows = list(PsaPayment.objects.filter(payment=quote.payment_id).order_by("pk"))
    if rows:
        return [step for row in rows for step in describe_payment(row, quote)]
    return [] if connection.state == "disconnected" else [describe_missing(connection, quote)]


def describe_missing(connection: PsaConnection, quote: Quote) -> TimelineStep:
    """Why nothing of the quote goes to PSA, or not yet."""
    if connection.written_by == Writer.OTHER:
        return TimelineStep(NAME, "later", "Another tool writes payments to ConnectWise PSA.")
    if connection.written_by == Writer.NOBODY:
        return TimelineStep(NAME, "later", "Nobody writes payments to ConnectWise PSA.")
    attempt = quote.payment.attempts.filter(state="processing").exclude(submitted_at=None).first()
    if attempt is not None:
        words = "On its way: it is written when the bank debit has settled."
        return TimelineStep(NAME, "waiting", words, attempt.submitted_at)
    if quote.payment.paid_at and not connection.writes_what_was_paid(quote.payment.paid_at):
        return TimelineStep(NAME, "later", "It was paid before Wise-Pay wrote payments to ConnectWise PSA.")
    return TimelineStep(NAME, "later")


def describe_payment(row: PsaPayment, quote: Quote) -> list[TimelineStep]:
    """The invoice, once it was found, everything that happened to the payment there, and how it stands now."""
    path = reverse("psa:payment", args=[quote.merchant.reference, row.reference])
    changes = list(row.list_state_changes().order_by("pk"))
    steps = []
    if row.invoice_number:
        whose = f" of {row.psa_company}" if row.psa_company else ""
        found = next((change.at for change in changes if change.to_state in FOUND_STATES), row.sent_at or row.state_at)
        steps.append(TimelineStep("PSA invoice", "done", f"Invoice {row.invoice_number}{whose} was found.", found))
    steps += [step for change in changes[:-1] for step in describe_past_change(row, change)]
    state, name = STATES.get(row.state, "stuck"), NAMES.get(row.state, PAYMENT)
    steps.append(TimelineStep(name, state, describe_state(row), row.state_at, url=path, link="Details"))
    return steps


def describe_state(row: PsaPayment) -> str:
    """What became of a payment at PSA, as a sentence."""
    back = f"The money went back, so it was taken off invoice {row.invoice_number}. {row.explanation}"
    return {
        "planned": row.explanation or "It is written soon.",
        "written": f"{row.money} stands on invoice {row.invoice_number}.",
        "removed": back.strip(),
        "sending": "Being written.",
        "removing": "Being taken back.",
        "settled": f"Settled by hand: {row.note}",
    }.get(row.state, row.explanation)


def describe_past_change(row: PsaPayment, change: StateChange) -> list[TimelineStep]:
    """A change that is over, where it is one that PSA's invoice showed."""
    number = row.invoice_number
    if change.to_state == "written" and change.from_state != "stuck":
        return [TimelineStep(PAYMENT, "done", f"The payment was written on invoice {number}.", change.at)]
    if change.to_state == "present" and change.from_state != "stuck":
        return [TimelineStep(PAYMENT, "done", change.reason, change.at)]
    if change.to_state == "removed":
        return [TimelineStep(REMOVAL, "done", f"The payment was taken off invoice {number}.", change.at)]
    return []
