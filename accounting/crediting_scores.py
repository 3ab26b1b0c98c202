"""How sure we are that a credit belongs to an invoice: one table of weights, and nothing that is not written there.

Pure: the same credits and invoices give the same judgements in any order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounting.crediting_marks import Mark, is_named, stands_in
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
WORDS_AT_MOST = 60
LONG_NUMBER = 4  # digits
NEAR = 20  # one part in so many
IN_TIME = timedelta(days=60)
LEEWAY = timedelta(days=1)  # the books' day and ours
RIVAL = 10  # points within which another pair is as likely
IN_DOUBT = 45  # what is left of the confidence then; less than any threshold
LEAST = 40  # below this nothing is said to anybody


@dataclass(frozen=True, slots=True)
class Credit:
    """A PF_CR credit with something left. `accepted_on` is when its quote was accepted."""

    key: int
    company: int
    number: str
    invoice_number: str
    marks: tuple[Mark, ...]
    amount: Money
    left: Money
    accepted_on: date


@dataclass(frozen=True, slots=True)
class Invoice:
    """An open invoice of the books. `due` is what a credit can still be put to."""

    key: int
    company: int
    number: str
    remark: str
    total: Money
    due: Money
    issued_on: date | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """So sure are we of one pair, and why, in sentences."""

    credit: int
    invoice: int
    confidence: int
    reasons: tuple[str, ...]


Reason = tuple[int, str]


def judge(unused: Sequence[Credit], invoices: Sequence[Invoice]) -> list[Judgement]:
    """Every pair that is worth a person's look, the surest first.

    Where another pair of the same credit or the same invoice is about as likely, both are in doubt.
    """
    found = {
        (credit.key, invoice.key): reasons_for(credit, invoice, is_only=is_only(credit, invoices))
        for credit in unused
        for invoice in invoices
        if credit.company == invoice.company and credit.left.currency == invoice.due.currency
    }
    points = {pair: total_of(reasons) for pair, reasons in found.items()}
    judged = [judgement(pair, found[pair], points) for pair in points]
    return sorted((j for j in judged if j.confidence >= LEAST), key=lambda j: (-j.confidence, j.credit, j.invoice))


def judgement(pair: tuple[int, int], reasons: Iterable[Reason], points: dict[tuple[int, int], int]) -> Judgement:
    """One pair among all of them; one that another pair leaves far behind is not worth a look."""
    mine = points[pair]
    others = {o: value for o, value in points.items() if o != pair and (o[0] == pair[0] or o[1] == pair[1])}
    rivals = [other for other, value in others.items() if value > mine - RIVAL]
    sentences = tuple(sentence for _, sentence in reasons)
    if any(value >= mine + RIVAL for value in others.values()):
        return Judgement(*pair, min(mine, LEAST - 1), sentences)
    if not rivals or mine <= IN_DOUBT:
        return Judgement(*pair, mine, sentences)
    other = "invoice" if any(rival[0] == pair[0] for rival in rivals) else "credit"
    return Judgement(*pair, IN_DOUBT, (*sentences, f"Another {other} is about as likely."))


def total_of(reasons: Iterable[Reason]) -> int:
    """The points of a pair, 0 to 100."""
    return max(0, min(sum(points for points, _ in reasons), 100))


def is_only(credit: Credit, invoices: Iterable[Invoice]) -> bool:
    """Whether the company has no more than one open invoice in that currency."""
    same = [i for i in invoices if i.company == credit.company and i.due.currency == credit.left.currency]
    return len(same) == 1


def reasons_for(credit: Credit, invoice: Invoice, *, is_only: bool) -> list[Reason]:
    """What speaks for and against the pair."""
    found = [(WEIGHTS["contact"], "Same contact and currency.")]
    found += words(credit, invoice)
    found += amounts(credit, invoice)
    if is_only:
        found.append((WEIGHTS["only_invoice"], "It is the contact's only open invoice."))
    return found + dates(credit, invoice)


def words(credit: Credit, invoice: Invoice) -> list[Reason]:
    """What the invoice says of the quote, the strongest first and up to a limit: one thing said twice is one thing."""
    text = f"{invoice.number} · {invoice.remark}"
    named: list[Reason] = [
        (WEIGHTS["number"], f"The invoice names {number}.")
        for number in (credit.number, credit.invoice_number)
        if number and stands_in(text, number)
    ][:1]
    for kind in ("quote", "purchase_order", "opportunity"):
        mark = next((m for m in credit.marks if m.kind == kind and is_named(text, m)), None)
        named += [(WEIGHTS[kind], f"The invoice names {mark.said}.")] if mark else []
    if not named:
        named = bare_numbers(credit, invoice)
    left = WORDS_AT_MOST
    capped = []
    for points, sentence in named:
        capped.append((min(points, left), sentence))
        left -= min(points, left)
    return capped


def bare_numbers(credit: Credit, invoice: Invoice) -> list[Reason]:
    """A number of the quote in the reference. The invoice's own number is in a row of its own and proves nothing."""
    bare = (m for m in credit.marks if is_number(m.text) and stands_in(invoice.remark, m.text))
    mark = next(bare, None)
    if mark is None:
        return []
    points = WEIGHTS["purchase_order"] if mark.kind == "purchase_order" else WEIGHTS["bare_number"]
    return [(points, f"Its reference has the number of {mark.said}.")]


def is_number(text: str) -> bool:
    """Whether it is a number so long that it does not stand there by chance."""
    return text.isdigit() and len(text) >= LONG_NUMBER


def amounts(credit: Credit, invoice: Invoice) -> list[Reason]:
    """How the amounts go together."""
    if invoice.due == credit.left:
        return [(WEIGHTS["same_amount"], f"Exactly {credit.left} is due.")]
    if invoice.total == credit.amount:
        return [(WEIGHTS["same_total"], f"Both were over {credit.amount}.")]
    apart = abs(invoice.due.amount - credit.left.amount)
    if apart * NEAR <= max(invoice.due.amount, credit.left.amount):
        return [(WEIGHTS["near_amount"], f"{invoice.due} is due, nearly the {credit.left} that are left.")]
    return [(0, f"{invoice.due} is due, and {credit.left} are left of the credit.")]


def dates(credit: Credit, invoice: Invoice) -> list[Reason]:
    """How the days go together."""
    if invoice.issued_on is None:
        return []
    if invoice.issued_on < credit.accepted_on - LEEWAY:
        return [(WEIGHTS["too_early"], "It is older than the quote's acceptance.")]
    if invoice.issued_on > credit.accepted_on + IN_TIME:
        return [(WEIGHTS["late"], "It came more than 60 days after the quote's acceptance.")]
    return [(WEIGHTS["in_time"], "It was made after the quote was accepted.")]
