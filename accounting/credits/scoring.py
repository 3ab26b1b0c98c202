"""How sure we are that a credit belongs to an invoice: one table of weights, and nothing that is not written there.

Pure: the same credits and invoices give the same judgements in any order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounting.credits.references import QuoteReference, contains_reference, is_mentioned
from wisepay.money import Money

WEIGHTS = {
    "contact": 20,  # given: other contacts' invoices are never looked at
    "number": 60,  # the credit's or the PF invoice's own number
    "quote": 45,
    "purchase_order": 40,
    "opportunity": 35,
    "bare_number": 15,  # a quote's or an opportunity's number with no word beside it that says so
    "same_amount": 25,  # what is due is what is left of the credit
    "same_total": 20,  # what both were over at first
    "near_amount": 8,
    "only_invoice": 5,
    "in_time": 5,
    "late": -10,
    "too_early": -30,
}
MAX_TEXT_POINTS = 60
MIN_NUMBER_DIGITS = 4  # digits
NEAR_DIVISOR = 20  # one part in so many
EXPECTED_WITHIN = timedelta(days=60)
DATE_TOLERANCE = timedelta(days=1)  # the books' day and ours
RIVAL_MARGIN = 10  # points within which another pair is as likely
AMBIGUOUS_CONFIDENCE = 45  # what is left of the confidence then; less than any threshold
MIN_CONFIDENCE = 40  # below this nothing is said to anybody


@dataclass(frozen=True, slots=True)
class CreditCandidate:
    """A PF_CR credit with something left. `accepted_on` is when its quote was accepted."""

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
    """An open invoice of the books. `due` is what a credit can still be put to."""

    key: int
    company: int
    number: str
    remark: str
    total: Money
    due: Money
    issued_on: date | None


@dataclass(frozen=True, slots=True)
class MatchScore:
    """So sure are we of one pair, and why, in sentences."""

    credit: int
    invoice: int
    confidence: int
    reasons: tuple[str, ...]


ScoreReason = tuple[int, str]


def score_matches(unused: Sequence[CreditCandidate], invoices: Sequence[InvoiceCandidate]) -> list[MatchScore]:
    """Every pair that is worth a person's look, the surest first.

    Where another pair of the same credit or the same invoice is about as likely, both are in doubt.
    """
    found = {
        (credit.key, invoice.key): list_reasons(credit, invoice, is_only=is_only_invoice(credit, invoices))
        for credit in unused
        for invoice in invoices
        if credit.company == invoice.company and credit.remaining.currency == invoice.due.currency
    }
    points = {pair: sum_points(reasons) for pair, reasons in found.items()}
    judged = [build_match_score(pair, found[pair], points) for pair in points]
    return sorted(
        (j for j in judged if j.confidence >= MIN_CONFIDENCE), key=lambda j: (-j.confidence, j.credit, j.invoice)
    )


def build_match_score(
    pair: tuple[int, int], reasons: Iterable[ScoreReason], points: dict[tuple[int, int], int]
) -> MatchScore:
    """One pair among all of them; one that another pair leaves far behind is not worth a look."""
    mine = points[pair]
    others = {o: value for o, value in points.items() if o != pair and (o[0] == pair[0] or o[1] == pair[1])}
    rivals = [other for other, value in others.items() if value > mine - RIVAL_MARGIN]
    sentences = tuple(sentence for _, sentence in reasons)
    if any(value >= mine + RIVAL_MARGIN for value in others.values()):
        return MatchScore(*pair, min(mine, MIN_CONFIDENCE - 1), sentences)
    if not rivals or mine <= AMBIGUOUS_CONFIDENCE:
        return MatchScore(*pair, mine, sentences)
    other = "invoice" if any(rival[0] == pair[0] for rival in rivals) else "credit"
    return MatchScore(*pair, AMBIGUOUS_CONFIDENCE, (*sentences, f"Another {other} is about as likely."))


def sum_points(reasons: Iterable[ScoreReason]) -> int:
    """The points of a pair, 0 to 100."""
    return max(0, min(sum(points for points, _ in reasons), 100))


def is_only_invoice(credit: CreditCandidate, invoices: Iterable[InvoiceCandidate]) -> bool:
    """Whether the company has no more than one open invoice in that currency."""
    same = [i for i in invoices if i.company == credit.company and i.due.currency == credit.remaining.currency]
    return len(same) == 1


def list_reasons(credit: CreditCandidate, invoice: InvoiceCandidate, *, is_only: bool) -> list[ScoreReason]:
    """What speaks for and against the pair."""
    found = [(WEIGHTS["contact"], "Same contact and currency.")]
    found += list_text_reasons(credit, invoice)
    found += list_amount_reasons(credit, invoice)
    if is_only:
        found.append((WEIGHTS["only_invoice"], "It is the contact's only open invoice."))
    return found + list_date_reasons(credit, invoice)


def list_text_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """What the invoice says of the quote, the strongest first and up to a limit: one thing said twice is one thing."""
    text = f"{invoice.number} · {invoice.remark}"
    named: list[ScoreReason] = [
        (WEIGHTS["number"], f"The invoice names {number}.")
        for number in (credit.number, credit.invoice_number)
        if number and contains_reference(text, number)
    ][:1]
    for kind in ("quote", "purchase_order", "opportunity"):
        mark = next((m for m in credit.references if m.kind == kind and is_mentioned(text, m)), None)
        named += [(WEIGHTS[kind], f"The invoice names {mark.label}.")] if mark else []
    if not named:
        named = list_number_reasons(credit, invoice)
    left = MAX_TEXT_POINTS
    capped = []
    for points, sentence in named:
        capped.append((min(points, left), sentence))
        left -= min(points, left)
    return capped


def list_number_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """A number of the quote in the reference. The invoice's own number is in a row of its own and proves nothing."""
    bare = (m for m in credit.references if is_long_number(m.text) and contains_reference(invoice.remark, m.text))
    mark = next(bare, None)
    if mark is None:
        return []
    points = WEIGHTS["purchase_order"] if mark.kind == "purchase_order" else WEIGHTS["bare_number"]
    return [(points, f"Its reference has the number of {mark.label}.")]


def is_long_number(text: str) -> bool:
    """Whether it is a number so long that it does not stand there by chance."""
    return text.isdigit() and len(text) >= MIN_NUMBER_DIGITS


def list_amount_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """How the amounts go together."""
    if invoice.due == credit.remaining:
        return [(WEIGHTS["same_amount"], f"Exactly {credit.remaining} is due.")]
    if invoice.total == credit.amount:
        return [(WEIGHTS["same_total"], f"Both were over {credit.amount}.")]
    apart = abs(invoice.due.amount - credit.remaining.amount)
    if apart * NEAR_DIVISOR <= max(invoice.due.amount, credit.remaining.amount):
        return [(WEIGHTS["near_amount"], f"{invoice.due} is due, nearly the {credit.remaining} that are left.")]
    return [(0, f"{invoice.due} is due, and {credit.remaining} are left of the credit.")]


def list_date_reasons(credit: CreditCandidate, invoice: InvoiceCandidate) -> list[ScoreReason]:
    """How the days go together."""
    if invoice.issued_on is None:
        return []
    if invoice.issued_on < credit.accepted_on - DATE_TOLERANCE:
        return [(WEIGHTS["too_early"], "It is older than the quote's acceptance.")]
    if invoice.issued_on > credit.accepted_on + EXPECTED_WITHIN:
        return [(WEIGHTS["late"], "It came more than 60 days after the quote's acceptance.")]
    return [(WEIGHTS["in_time"], "It was made after the quote was accepted.")]
