"""What a quote answers the floors below: the references that its credit is matched by, and how its payment is found."""

from collections.abc import Sequence

from django.db.models import Q

from accounting.credits.references import QuoteReference, reference_reader
from merchants.models import Merchant
from merchants.saved_queries import register_list
from payments.console.search import register_payment_finder
from quotes.models import Quote

LONGEST_NUMBER = 15  # digits

register_list("quotes", page="quotes:list")


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


@register_payment_finder
def find_payments_of_quotes(merchant: Merchant, term: str) -> list[Q]:
    """By the quote's number, its opportunity, and its id in CPQ."""
    quotes = Quote.objects.filter(merchant=merchant)
    found = [Q(pk__in=quotes.filter(**{name: term}).values("payment")) for name in ("opportunity_id", "cpq_id")]
    digits = term.removeprefix("Q").removeprefix("q")
    if digits.isdecimal() and len(digits) <= LONGEST_NUMBER:
        found.append(Q(pk__in=quotes.filter(number=int(digits)).values("payment")))
    return found
