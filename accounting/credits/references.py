"""Words that say which quote a document is about: who knows them registers, and texts are searched for them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from payments.models import Payment
from wisepay.registries import add_once

MIN_LENGTH = 3  # characters; anything shorter stands in every second text by chance
SEPARATOR_PATTERN = r"[\W_]*"
KIND_PATTERNS = {
    "quote": r"(?:quotation|quote|proposal|estimate|qte|q)",
    "purchase_order": r"(?:purchase\s*order|p\W?o)",
    "opportunity": r"(?:opportunity|opp)",
}
NUMBER_LABEL_PATTERN = r"\W*(?:no|number|nr|id)?[\W_]*"
WORD_END_PATTERN = r"(?![^\W_])"


@dataclass(frozen=True, slots=True)
class QuoteReference:
    """What a quote is called somewhere; `text` as a person wrote it."""

    kind: Literal["quote", "purchase_order", "opportunity"]
    text: str

    @property
    def label(self) -> str:
        """For a sentence."""
        return f"{self.kind.replace('_', ' ')} {self.text}"


ReferenceReader = Callable[[Sequence[int]], dict[int, list[QuoteReference]]]
REFERENCE_READERS: list[ReferenceReader] = []


def reference_reader(function: ReferenceReader) -> ReferenceReader:
    """Register a function that answers, for payments by primary key, what their quotes are called."""
    return add_once(REFERENCE_READERS, function)


def get_quote_references(payments: Sequence[Payment]) -> dict[int, tuple[QuoteReference, ...]]:
    """What each payment's quote is called, by the payment's key; without anybody's word, its own reference."""
    found: dict[int, list[QuoteReference]] = {}
    for payment in payments:
        reference = str(payment.details.get("reference") or "")
        found[payment.pk] = [QuoteReference("quote", reference)] if reference else []
    for read in REFERENCE_READERS:
        for key, marks in read(list(found)).items():
            found[key] += marks
    return {key: tuple(dict.fromkeys(mark for mark in marks if is_long_enough(mark))) for key, marks in found.items()}


def is_long_enough(reference: QuoteReference) -> bool:
    """Whether it is long enough to mean something."""
    return len(re.sub(SEPARATOR_PATTERN, "", reference.text)) >= MIN_LENGTH


def contains_reference(text: str, words: str) -> bool:
    """Whether `words` stand in `text` as a whole, however they are spaced, hyphenated or written."""
    runs = re.findall(r"[^\W\d_]+|\d+", words)
    if not runs:
        return False
    pattern = SEPARATOR_PATTERN.join(re.escape(run) for run in runs)
    return re.search(rf"(?<![^\W_]){pattern}{WORD_END_PATTERN}", text, re.IGNORECASE) is not None


def is_mentioned(text: str, reference: QuoteReference) -> bool:
    """Whether the text names it as what it is: a number alone is not enough, unless letters belong to it."""
    if not reference.text.isdigit():
        return contains_reference(text, reference.text)
    pattern = rf"(?<![^\W_]){KIND_PATTERNS[reference.kind]}{NUMBER_LABEL_PATTERN}{reference.text}(?!\d)"
    return re.search(pattern, text, re.IGNORECASE) is not None
