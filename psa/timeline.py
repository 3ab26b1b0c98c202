"""The steps of a quote's timeline that are PSA's: the invoice found, the payment on it, or why not."""

from django.urls import reverse

from psa.models import PsaConnection, PsaPayment, Writer
from quotes.models import Quote
from quotes.timeline import StepState, TimelineStep, register_timeline_steps

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


@register_timeline_steps
def list_psa_steps(quote: Quote) -> list[TimelineStep]:
    """One step for each attempt that goes to PSA; nothing where PSA is not connected."""
    connection = PsaConnection.objects.filter(merchant=quote.merchant_id).first()
    if connection is None or connection.state in ("never", "disconnected"):
        return []
    rows = list(PsaPayment.objects.filter(payment=quote.payment_id).order_by("pk"))
    if rows:
        return [step for row in rows for step in describe_payment(row, quote)]
    return [describe_missing(connection, quote)]


def describe_missing(connection: PsaConnection, quote: Quote) -> TimelineStep:
    """Why nothing of the quote goes to PSA, or not yet."""
    if connection.written_by == Writer.OTHER:
        return TimelineStep(NAME, "later", "Another tool writes payments to ConnectWise PSA.")
    if connection.written_by == Writer.NOBODY:
        return TimelineStep(NAME, "later", "Nobody writes payments to ConnectWise PSA.")
    attempt = quote.payment.attempts.filter(state="processing").exclude(submitted_at=None).first()
    if attempt is not None:
        return TimelineStep(NAME, "waiting", "On its way: it is written when the bank debit has settled.")
    return TimelineStep(NAME, "later")


def describe_payment(row: PsaPayment, quote: Quote) -> list[TimelineStep]:
    """The invoice, once it was found, and the payment."""
    path = reverse("psa:payment", args=[quote.merchant.reference, row.reference])
    steps = []
    if row.invoice_number:
        whose = f" of {row.psa_company}" if row.psa_company else ""
        found_at = row.sent_at or row.state_at
        steps.append(TimelineStep("PSA invoice", "done", f"Invoice {row.invoice_number}{whose} was found.", found_at))
    words = describe_state(row)
    state = STATES.get(row.state, "stuck")
    steps.append(TimelineStep("PSA payment", state, words, row.state_at, url=path, link="Details"))
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
