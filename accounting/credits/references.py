"""Quote references: what a quote is called, and whether a text mentions it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from payments.models import Payment
from wisepay.events import add_once

MIN_LENGTH = 3  # characters; anything shorter stands in many texts by chance
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
    """A name or number of a quote; `text` as a person wrote it."""

    kind: Literal["quote", "purchase_order", "opportunity"]
    text: str

    @property
    def label(self) -> str:
        """The reference as part of a sentence."""
        return f"{self.kind.replace('_', ' ')} {self.text}"


ReferenceReader = Callable[[Sequence[int]], dict[int, list[QuoteReference]]]
REFERENCE_READERS: list[ReferenceReader] = []


def reference_reader(function: ReferenceReader) -> ReferenceReader:
    """Register a function that answers, for payments by primary key, what their quotes are called."""
    return add_once(REFERENCE_READERS, function)


def get_quote_references(payments: Sequence[Payment]) -> dict[int, tuple[QuoteReference, ...]]:
    """What each payment's quote is called, by the payment's key: its reference, and what the readers add."""
    found: dict[int, list[QuoteReference]] = {}
    for payment in payments:
        reference = str(payment.details.get("reference") or "")
        found[payment.pk] = [QuoteReference("quote", reference)] if reference else []
    for read in REFERENCE_READERS:
        for key, more in read(list(found)).items():
            found[key] += more
    return {key: tuple(dict.fromkeys(filter(is_long_enough, references))) for key, references in found.items()}


def is_long_enough(reference: QuoteReference) -> bool:
    """Whether it has MIN_LENGTH characters without separators."""
    return len(re.sub(SEPARATOR_PATTERN, "", reference.text)) >= MIN_LENGTH


def contains_reference(text: str, words: str) -> bool:
    """Whether `text` contains `words` as a whole, in any case, spacing and hyphenation."""
    runs = re.findall(r"[^\W\d_]+|\d+", words)
    if not runs:
        return False
    pattern = SEPARATOR_PATTERN.join(re.escape(run) for run in runs)
    return re.search(rf"(?<![^\W_]){pattern}{WORD_END_PATTERN}", text, re.IGNORECASE) is not None


def is_mentioned(text: str, reference: QuoteReference) -> bool:
    """Whether the text mentions the reference. A number of digits alone counts only behind its label, such as "PO"."""
    if not reference.text.isdigit():
        return contains_reference(text, reference.text)
    pattern = rf"(?<![^\W_]){KIND_PATTERNS[reference.kind]}{NUMBER_LABEL_PATTERN}{reference.text}(?!\d)"
    return re.search(pattern, text, re.IGNORECASE) is not None
