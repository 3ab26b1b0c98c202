"""What a paid quote is called, for whoever looks for it in the books."""

from collections.abc import Sequence

from accounting.crediting_marks import Mark, mark_reader
from quotes.models import Quote


@mark_reader
def read_quote_marks(payments: Sequence[int]) -> dict[int, list[Mark]]:
    """The quotes' numbers, purchase orders and opportunities by payment."""
    return {quote.payment_id: marks_of(quote) for quote in Quote.objects.filter(payment__in=payments)}


def marks_of(quote: Quote) -> list[Mark]:
    """One quote's; what was not given is left out."""
    found = [Mark("quote", str(quote.number))]
    if quote.purchase_order_number:
        found.append(Mark("purchase_order", quote.purchase_order_number))
    if quote.opportunity_id:
        found.append(Mark("opportunity", quote.opportunity_id))
    return found
