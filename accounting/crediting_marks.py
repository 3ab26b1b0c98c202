"""Words that say which quote a document is about: who knows them registers, and texts are searched for them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from payments.models import Payment

SHORTEST = 3  # characters; anything shorter stands in every second text by chance
BETWEEN = r"[\W_]*"
CALLED = {
    "quote": r"(?:quotation|quote|proposal|estimate|qte|q)",
    "purchase_order": r"(?:purchase\s*order|p\W?o)",
    "opportunity": r"(?:opportunity|opp)",
}
NUMBERED = r"\W*(?:no|number|nr|id)?[\W_]*"
CLOSE = r"(?![^\W_])"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a quote is called somewhere; `text` as a person wrote it."""

    kind: Literal["quote", "purchase_order", "opportunity"]
    text: str

    @property
    def said(self) -> str:
        """For a sentence."""
        return f"{self.kind.replace('_', ' ')} {self.text}"


MarkReader = Callable[[Sequence[int]], dict[int, list[Mark]]]
READERS: list[MarkReader] = []


def mark_reader(function: MarkReader) -> MarkReader:
    """Register a function that answers, for payments by primary key, what their quotes are called."""
    READERS.append(function)
    return function


def marks_of(payments: Sequence[Payment]) -> dict[int, tuple[Mark, ...]]:
    """What each payment's quote is called, by the payment's key; without anybody's word, its own reference."""
    found: dict[int, list[Mark]] = {}
    for payment in payments:
        reference = str(payment.details.get("reference") or "")
        found[payment.pk] = [Mark("quote", reference)] if reference else []
    for read in READERS:
        for key, marks in read(list(found)).items():
            found[key] += marks
    return {key: tuple(dict.fromkeys(mark for mark in marks if is_telling(mark))) for key, marks in found.items()}


def is_telling(mark: Mark) -> bool:
    """Whether it is long enough to mean something."""
    return len(re.sub(BETWEEN, "", mark.text)) >= SHORTEST


def stands_in(text: str, words: str) -> bool:
    """Whether `words` stand in `text` as a whole, however they are spaced, hyphenated or written."""
    runs = re.findall(r"[^\W\d_]+|\d+", words)
    if not runs:
        return False
    pattern = BETWEEN.join(re.escape(run) for run in runs)
    return re.search(rf"(?<![^\W_]){pattern}{CLOSE}", text, re.IGNORECASE) is not None


def is_named(text: str, mark: Mark) -> bool:
    """Whether the text names it as what it is: a number alone is not enough, unless letters belong to it."""
    if not mark.text.isdigit():
        return stands_in(text, mark.text)
    pattern = rf"(?<![^\W_]){CALLED[mark.kind]}{NUMBERED}{mark.text}(?!\d)"
    return re.search(pattern, text, re.IGNORECASE) is not None
