"""Match scoring: the confidence that a credit belongs to an invoice, by one table of weights.

Pure: the same credits and invoices give the same scores in any order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounting.credits.references import QuoteReference, contains_reference, is_mentioned
from wisepay.money import Money

WEIGHTS = {
    "contact": 20,  # given: other contacts' invoices are no candidates
    "number": 60,  # the credit's or the PF invoice's own number
    "quote": 45,
    "purchase_order": 40,
    "opportunity": 35,
    "bare_number": 15,  # a quote's or an opportunity's number without its label
    "same_amount": 25,  # due on the invoice and remaining of the credit
    "same_total": 20,  # of both documents
    "near_amount": 8,
    "only_invoice": 5,
    "in_time": 5,
    "late": -10,
    "too_early": -30,
}
MAX_TEXT_POINTS = 60
MIN_NUMBER_DIGITS = 4
NEAR_DIVISOR = 20  # amounts that differ by at most one part in so many are near
EXPECTED_WITHIN = timedelta(days=60)
DATE_TOLERANCE = timedelta(days=1)  # the ledger's day and ours
RIVAL_MARGIN = 10  # points within which another pair is about as likely
AMBIGUOUS_CONFIDENCE = 45  # of pairs with a rival; less than any threshold
MIN_CONFIDENCE = 40  # pairs below it are not proposed


@dataclass(frozen=True, slots=True)
class CreditCandidate:
    """A PF_CR credit that is not used up. `accepted_on` is when its quote was accepted."""

    key: int
    company: int
    number: str
    invoice_number: str
    references: tuple[QuoteReference, ...]
    amount: Money
    remaining: Money
    accepted_on: date


@dataclass(frozen=True, slots=True)
class InvoiceCandidate:
    """An open invoice. `due` is the part that a credit can still be applied to."""

    key: int
    company: int
    number: str
    remark: str
    total: Money
    due: Money
    issued_on: date | None


@dataclass(frozen=True, slots=True)
class MatchScore:
    """The confidence of one pair, 0 to 100, and its reasons as sentences."""

    credit: int
    invoice: int
    confidence: int
    reasons: tuple[str, ...]


ScoreReason = tuple[int, str]


def score_matches(unused: Sequence[CreditCandidate], invoices: Sequence[InvoiceCandidate]) -> list[MatchScore]:
    """The pairs that are worth proposing, the highest confidence first.

    When another pair of the same credit or the same invoice is about as likely, both are ambiguous.
    """
    reasons = {
        (credit.key, invoice.key): list_reasons(credit, invoice, is_only=is_only_invoice(credit, invoices))
        for credit in unused
        for invoice in invoices
        if credit.company == invoice.company and credit.remaining.currency == invoice.due.currency
    }
    points = {pair: sum_points(of_pair) for pair, of_pair in reasons.items()}
    scores = (build_match_score(pair, reasons[pair], points) for pair in points)
    return sorted(
        (score for score in scores if score.confidence >= MIN_CONFIDENCE),
        key=lambda score: (-score.confidence, score.credit, score.invoice),
    )


def build_match_score(
    pair: tuple[int, int], reasons: Iterable[ScoreReason], points: dict[tuple[int, int], int]
) -> MatchScore:
    """The score of one pair among all of them; one with a much likelier rival falls below MIN_CONFIDENCE."""
    own = points[pair]
    others = {o: value for o, value in points.items() if o != pair and (o[0] == pair[0] or o[1] == pair[1])}
    rivals = [other for other, value in others.items() if value > own - RIVAL_MARGIN]
    messages = tuple(reason for _, reason in reasons)
    if any(value >= own + RIVAL_MARGIN for value in others.values()):
        return MatchScore(*pair, min(own, MIN_CONFIDENCE - 1), messages)
    if not rivals or own <= AMBIGUOUS_CONFIDENCE:
        return MatchScore(*pair, own, messages)
    other = "invoice" if any(rival[0] == pair[0] for rival in rivals) else "credit"
    return MatchScore(*pair, AMBIGUOUS_CONFIDENCE, (*messages, f"Another {other} is about as likely."))


def sum_points(reasons: Iterable[ScoreReason]) -> int:
    """The sum of the points, from 0 to 100."""
    return max(0, min(sum(points for points, _ in reasons), 100))


def is_only_invoice(credit: CreditCandidate, invoices: Iterable[InvoiceCandidate]) -> bool:
    """Whether the company has exactly one open invoice in the credit's currency."""
    same = [i for i in invoices if i.company == credit.company and i.due.currency == credit.remaining.currency]
    return len(same) == 1


def list_reasons(credit: CreditCandidate, invoice: InvoiceCandidate, *, is_only: bool) -> list[ScoreReason]:
    """The reasons for and against the pair, with their points."""
    reasons = [(WEIGHTS["contact"], "Same contact and currency.")]
    reasons += list_text_reasons(credit, invoice)
    reasons += list_amount_reasons(credit, invoice)
    if is_only:
        reasons.append((WEIGHTS["only_invoice"], "It is the contact's only open invoice."))
    return reasons + list_date_reasons(credit, invoice)


def list_text_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """How the invoice mentions the quote, the strongest mention first, with MAX_TEXT_POINTS points at most."""
    text = f"{invoice.number} · {invoice.remark}"
    named: list[ScoreReason] = [
        (WEIGHTS["number"], f"The invoice names {number}.")
        for number in (credit.number, credit.invoice_number)
        if number and contains_reference(text, number)
    ][:1]
    for kind in ("quote", "purchase_order", "opportunity"):
        reference = next((r for r in credit.references if r.kind == kind and is_mentioned(text, r)), None)
        named += [(WEIGHTS[kind], f"The invoice names {reference.label}.")] if reference else []
    if not named:
        named = list_number_reasons(credit, invoice)
    remaining = MAX_TEXT_POINTS
    capped = []
    for points, reason in named:
        capped.append((min(points, remaining), reason))
        remaining -= min(points, remaining)
    return capped


def list_number_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """Whether the invoice's reference contains a number of the quote. Its own number comes from another series."""
    bare = (r for r in credit.references if is_long_number(r.text) and contains_reference(invoice.remark, r.text))
    reference = next(bare, None)
    if reference is None:
        return []
    points = WEIGHTS["purchase_order"] if reference.kind == "purchase_order" else WEIGHTS["bare_number"]
    return [(points, f"Its reference has the number of {reference.label}.")]


def is_long_number(text: str) -> bool:
    """Whether it is a number too long to stand in a text by chance."""
    return text.isdigit() and len(text) >= MIN_NUMBER_DIGITS


def list_amount_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """How the amounts compare."""
    if invoice.due == credit.remaining:
        return [(WEIGHTS["same_amount"], f"Exactly {credit.remaining} is due.")]
    if invoice.total == credit.amount:
        return [(WEIGHTS["same_total"], f"Both were over {credit.amount}.")]
    apart = abs(invoice.due.amount - credit.remaining.amount)
    if apart * NEAR_DIVISOR <= max(invoice.due.amount, credit.remaining.amount):
        return [(WEIGHTS["near_amount"], f"{invoice.due} is due, nearly the {credit.remaining} that are left.")]
    return [(0, f"{invoice.due} is due, and {credit.remaining} are left of the credit.")]


def list_date_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """How the dates compare."""
    if invoice.issued_on is None:
        return []
    if invoice.issued_on < credit.accepted_on - DATE_TOLERANCE:
        return [(WEIGHTS["too_early"], "It is older than the quote's acceptance.")]
    if invoice.issued_on > credit.accepted_on + EXPECTED_WITHIN:
        return [(WEIGHTS["late"], "It came more than 60 days after the quote's acceptance.")]
    return [(WEIGHTS["in_time"], "It was made after the quote was accepted.")]
