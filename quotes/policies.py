"""The references of a paid quote, by which accounting matches its credit with an invoice."""

from collections.abc import Sequence

from accounting.credits.references import QuoteReference, reference_reader
from quotes.models import Quote


@reference_reader
def get_quote_references(payments: Sequence[int]) -> dict[int, list[QuoteReference]]:
    """The quotes' numbers, purchase orders and opportunities by payment."""
    return {quote.payment_id: list_quote_references(quote) for quote in Quote.objects.filter(payment__in=payments)}


def list_quote_references(quote: Quote) -> list[QuoteReference]:
    """One quote's; what was not given is left out."""
    found = [QuoteReference("quote", str(quote.number))]
    if quote.purchase_order_number:
        found.append(QuoteReference("purchase_order", quote.purchase_order_number))
    if quote.opportunity_id:
        found.append(QuoteReference("opportunity", quote.opportunity_id))
    return found
