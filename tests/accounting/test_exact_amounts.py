"""No cent is lost on the way into the books and back, whatever the amount, the currency and the tax on each line."""

import json
import math
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import batched
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.ledgers import LEDGERS, quickbooks_client, quickbooks_shapes, xero_shapes
from accounting.ledgers.words import ContactOrder, DocumentOrder
from tests.accounting.test_ledger_contract import TODAY, Desk, desk
from wisepay.money import Money, digits_of

__all__ = ["desk"]
CURRENCIES = ("AUD", "USD", "JPY")
RATES = [Decimal(0), Decimal("8.25"), Decimal(10), Decimal(15), Decimal("7.375")]
QUOTES = 34  # an example; a hundred examples a currency are over ten thousand quotes a ledger
OVER_HTTP = 170  # a currency
LONGEST_QUOTE = 12  # lines

Lines = list[tuple[int, Decimal]]


def quotes_in(currency: str) -> st.SearchStrategy[list[Lines]]:
    """Quotes: of each line the minor units before tax, and a rate of its own in percent."""
    net = st.integers(1, 10 ** (10 if digits_of(currency) else 8))
    lines = st.lists(st.tuples(net, st.sampled_from(RATES)), min_size=1, max_size=LONGEST_QUOTE)
    return st.lists(lines, min_size=QUOTES, max_size=QUOTES)


def quote_of(chance: Random, currency: str) -> Lines:
    """One such quote."""
    most = 10 ** chance.randint(1, 9 if digits_of(currency) else 7)
    return [(chance.randint(1, most), chance.choice(RATES)) for _ in range(chance.randint(1, LONGEST_QUOTE))]


def total_of(lines: Lines) -> int:
    """What is paid: each line with its tax, rounded line by line."""
    return sum(net + int((net * rate / 100).quantize(Decimal(1), ROUND_HALF_UP)) for net, rate in lines)


def order(amount: Money) -> DocumentOrder:
    """A PF invoice over that amount."""
    return DocumentOrder("PF-1", "1", TODAY, "PF Q1-1", "Prepayment", amount, "815", "3", item="3")


def through_xero(amount: Money) -> Money:
    """As the SDK writes the amount, and as it reads what Xero answers."""
    [line] = xero_shapes.document(order(amount))["line_items"]
    answered = json.loads(json.dumps({"Total": line.unit_amount}))["Total"]
    assert xero_shapes.same(answered, amount)
    return xero_shapes.money(answered, amount.currency)


def through_quickbooks(amount: Money) -> Money:
    """As our JSON has it, and as the SDK reads what QuickBooks answers."""
    sent = quickbooks_client.as_json(quickbooks_shapes.document(order(amount)))
    [line] = json.loads(sent, parse_float=Decimal)["Line"]
    assert quickbooks_shapes.same(line["Amount"], amount)
    assert line["SalesItemLineDetail"]["UnitPrice"] == line["Amount"]
    return quickbooks_shapes.money(line["Amount"], amount.currency)


THROUGH = {"xero": through_xero, "quickbooks": through_quickbooks}


def test_every_ledger_is_asked() -> None:
    assert set(THROUGH) == set(LEDGERS)


@pytest.mark.parametrize("currency", CURRENCIES)
@pytest.mark.parametrize("ledger", THROUGH)
def test_no_cent_is_lost_between_a_quote_and_the_books(ledger: str, currency: str) -> None:
    """Ten thousand quotes a ledger, in three currencies."""
    seen = 0

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(quotes_in(currency))
    def lose_nothing(quotes: list[Lines]) -> None:
        nonlocal seen
        for lines in quotes:
            paid = Money(total_of(lines), currency)
            assert THROUGH[ledger](paid) == paid, lines
            seen += 1

    lose_nothing()
    assert seen >= 10_000 / len(CURRENCIES)


def test_the_books_themselves_keep_the_cents_of_five_hundred_quotes(desk: Desk) -> None:
    chance, size = Random(20261122), desk.ledger.batch_size
    before = desk.calls()
    for currency in CURRENCIES:
        [whose] = desk.ledger.create_contacts([ContactOrder(currency, currency, "", "", currency)], key=currency)
        totals = [Money(total_of(quote_of(chance, currency)), currency) for _ in range(OVER_HTTP)]
        orders = [replace(desk.order(whose.id, f"PF-{currency}{n}"), amount=t) for n, t in enumerate(totals)]
        for batch in batched(orders, size):
            made = desk.ledger.create_invoices(list(batch), key=batch[0].number)
            assert [w.refusal for w in made if w.refusal] == []
            assert desk.ledger.find_invoices(list(batch)) == made
            another = [replace(o, amount=Money(o.amount.amount + 1, currency)) for o in batch]
            assert desk.ledger.find_invoices(another[:1]) == []
    assert desk.calls() - before == len(CURRENCIES) * (1 + 3 * math.ceil(OVER_HTTP / size))


def test_the_books_themselves_keep_the_cents_of_amounts_at_the_edges(desk: Desk) -> None:
    whose = desk.contact()
    amounts = [1, 7, 10, 99, 101, 1999, 33333, 99_999_999_99, *(123_456 * n + n for n in range(1, 19))]
    orders = [desk.order(whose, f"PF-{n}", amount) for n, amount in enumerate(amounts)]
    made = desk.ledger.create_invoices(orders, key="all")
    assert all(w.id for w in made)
    assert desk.ledger.find_invoices(orders) == made
