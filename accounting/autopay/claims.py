"""Which mapping claims an invoice, and under which billing term. Nothing here reads a table or the clock."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from accounting.autopay.snapshots import (
    DecisionContext,
    InvoiceSnapshot,
    MappingSnapshot,
    SkipReason,
    TermSnapshot,
)

ALL_TERMS = "All Automatic Payment Terms"
NO_TERM_REASON = "It is under no billing term."
CLOSED_REASONS = {
    "draft": "It is a draft.",
    "paid": "It is paid.",
    "voided": "It was voided in the accounting package.",
    "deleted": "It was deleted in the accounting package.",
}


@dataclass(frozen=True, slots=True)
class MappingClaim:
    """The mapping that claims an invoice, and under which term; `note` says why this one of several.

    `agreed_number`: which payment it is of those that were agreed with a quote, if the mapping is of such.
    """

    term: TermSnapshot
    mapping: MappingSnapshot
    note: str = ""
    agreed_number: int | None = None

    @property
    def agreed_day(self) -> date | None:
        """The day from which on its payer agreed to this payment; None where any day will do."""
        if self.mapping.agreed is None or self.agreed_number is None:
            return None
        return self.mapping.agreed.get_day(self.agreed_number)


def find_claim(invoice: InvoiceSnapshot, context: DecisionContext) -> MappingClaim | SkipReason:
    """Find the billing term and the mapping under which an invoice is charged, or why there are none."""
    if invoice.status != "open" or invoice.due <= 0:
        return SkipReason("over", CLOSED_REASONS.get(invoice.status, "Nothing is left to pay."))
    if context.organisation_id not in (None, invoice.term_key[0]):
        return SkipReason("over", "It is in the books of another organisation than the connected one.")
    term = find_billing_term(invoice, context)
    if term is None:
        return SkipReason("no_term", NO_TERM_REASON)
    if invoice.company_id is None:
        return SkipReason("unmatched", f"{term.name} applies, but no payer company is this contact.")
    mappings = context.mappings.get(invoice.company_id, ())
    candidates = [mapping for mapping in mappings if claims_invoice(mapping, invoice, term)]
    if not candidates:
        return SkipReason("unmatched", explain_unmatched(mappings, term))
    best = candidates[0]
    if len(candidates) > 1:
        usable = [
            mapping
            for mapping in candidates
            if mapping.agreed is None or not is_older(invoice.issued_on, mapping.begins_on)
        ]
        best = choose_mapping(usable or candidates, invoice)
    if is_older(invoice.issued_on, best.begins_on):
        return SkipReason(
            "older", f"It is older than its Auto-Pay mapping, which begins on {best.begins_on:%-d %b %Y}."
        )
    number = best.agreed.find_number(invoice) if best.agreed else None
    return MappingClaim(term, best, explain_mapping_choice(best, candidates, term), number)


def is_older(issued_on: date | None, begins_on: date | None) -> bool:
    """Whether an invoice that was issued then is older than a mapping that begins then."""
    return begins_on is not None and issued_on is not None and issued_on < begins_on


def claims_invoice(mapping: MappingSnapshot, invoice: InvoiceSnapshot, term: TermSnapshot) -> bool:
    """Whether the mapping is for the invoice's term or, where a quote's payer agreed to payments, one of those."""
    if mapping.agreed is not None:
        return mapping.agreed.find_number(invoice) is not None
    return mapping.term_id in (None, term.id)


def explain_unmatched(mappings: Sequence[MappingSnapshot], term: TermSnapshot) -> str:
    """Say why none of the company's mappings claims an invoice under the term."""
    agreed = [mapping.agreed for mapping in mappings if mapping.agreed is not None]
    if not agreed:
        return f"{term.name} applies, but the payer has no Auto-Pay mapping for it."
    return f"{term.name} applies, but with a quote the payer agreed to {' and '.join(map(str, agreed))} only."


def find_billing_term(invoice: InvoiceSnapshot, context: DecisionContext) -> TermSnapshot | None:
    """Find the billing term that the reference names, else that of another system, else of its terms in the ledger."""
    named = next((term for term in context.keywords if has_keyword(invoice.remark, term.keyword)), None)
    if named is not None:
        return named
    if invoice.id in context.named_terms:
        return context.named_terms[invoice.id]
    return context.terms.get(invoice.term_key)


def has_keyword(text: str, keyword: str) -> bool:
    """Whether the keyword stands in a text as a word of its own, in capitals or not."""
    return re.search(rf"(?<!\w){re.escape(keyword)}(?!\w)", text, re.IGNORECASE) is not None


def choose_mapping(claims: Iterable[MappingSnapshot], invoice: InvoiceSnapshot) -> MappingSnapshot:
    """Choose what was agreed with a quote, then the term before all terms, the merchant's, and the older one.

    Of several quotes the one whose next payment may be made first.
    """
    return min(
        claims,
        key=lambda m: (m.agreed is None, get_agreed_day(m, invoice), m.term_id is None, m.is_from_payer, m.id),
    )


def get_agreed_day(mapping: MappingSnapshot, invoice: InvoiceSnapshot) -> date:
    """The day from which on the payer agreed to this payment; the first of all days where any day will do."""
    number = mapping.agreed.find_number(invoice) if mapping.agreed else None
    day = mapping.agreed.get_day(number) if mapping.agreed and number else None
    return day or date.min


def explain_mapping_choice(best: MappingSnapshot, claims: list[MappingSnapshot], term: TermSnapshot) -> str:
    """Say why this one of several; empty when there is no other."""
    others = [m for m in claims if m is not best]
    if not others:
        return ""
    if best.agreed is not None:
        return "Two mappings claim it: what was agreed with a quote goes first."
    if best.term_id is not None and others[0].term_id is None:
        return f"Two mappings claim it: the one for {term.name} goes before “{ALL_TERMS}”."
    if others[0].is_from_payer and not best.is_from_payer:
        return "Two mappings claim it: the merchant's goes before the payer's."
    return "Two mappings claim it: the older one counts."
