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

from accounting.ledgers import LEDGERS
from accounting.ledgers.parsing import is_same_amount, parse_money
from accounting.ledgers.protocol import ContactOrder, DocumentOrder
from accounting.ledgers.quickbooks import client, shapes
from accounting.ledgers.xero import shapes as xero_shapes
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase
from wisepay.money import Money, get_currency_digits

CURRENCIES = ("AUD", "USD", "JPY")
RATES = [Decimal(0), Decimal("8.25"), Decimal(10), Decimal(15), Decimal("7.375")]
QUOTES = 34  # an example; a hundred examples a currency are over ten thousand quotes a ledger
OVER_HTTP = 150  # a currency; with more, the calls at Xero are more than a minute leaves to company work
LONGEST_QUOTE = 12  # lines

Lines = list[tuple[int, Decimal]]


def build_quotes(currency: str) -> st.SearchStrategy[list[Lines]]:
    """Quotes: of each line the minor units before tax, and a rate of its own in percent."""
    net = st.integers(1, 10 ** (10 if get_currency_digits(currency) else 8))
    lines = st.lists(st.tuples(net, st.sampled_from(RATES)), min_size=1, max_size=LONGEST_QUOTE)
    return st.lists(lines, min_size=QUOTES, max_size=QUOTES)


def build_quote(chance: Random, currency: str) -> Lines:
    """One such quote."""
    most = 10 ** chance.randint(1, 9 if get_currency_digits(currency) else 7)
    return [(chance.randint(1, most), chance.choice(RATES)) for _ in range(chance.randint(1, LONGEST_QUOTE))]


def get_total(lines: Lines) -> int:
    """What is paid: each line with its tax, rounded line by line."""
    return sum(net + int((net * rate / 100).quantize(Decimal(1), ROUND_HALF_UP)) for net, rate in lines)


def build_order(amount: Money) -> DocumentOrder:
    """A PF invoice over that amount."""
    return DocumentOrder("PF-1", "1", TODAY, "PF Q1-1", "Prepayment", amount, "815", "3", item="3")


def round_trip_xero(amount: Money) -> Money:
    """As the SDK writes the amount, and as it reads what Xero answers."""
    [line] = xero_shapes.build_document_fields(build_order(amount))["line_items"]
    answered = json.loads(json.dumps({"Total": line.unit_amount}))["Total"]
    assert is_same_amount(answered, amount)
    return parse_money(answered, amount.currency)


def round_trip_quickbooks(amount: Money) -> Money:
    """As our JSON has it, and as the SDK reads what QuickBooks answers."""
    sent = client.dump_json(shapes.build_document(build_order(amount)))
    [line] = json.loads(sent, parse_float=Decimal)["Line"]
    assert is_same_amount(line["Amount"], amount)
    assert line["SalesItemLineDetail"]["UnitPrice"] == line["Amount"]
    return parse_money(line["Amount"], amount.currency)


ROUND_TRIPS = {"xero": round_trip_xero, "quickbooks": round_trip_quickbooks}


def test_every_ledger_is_asked() -> None:
    assert set(ROUND_TRIPS) == set(LEDGERS)


@pytest.mark.parametrize("currency", CURRENCIES)
@pytest.mark.parametrize("ledger", ROUND_TRIPS)
def test_no_cent_is_lost_between_a_quote_and_the_books(ledger: str, currency: str) -> None:
    """Ten thousand quotes a ledger, in three currencies."""
    seen = 0

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(build_quotes(currency))
    def lose_nothing(quotes: list[Lines]) -> None:
        nonlocal seen
        for lines in quotes:
            paid = Money(get_total(lines), currency)
            assert ROUND_TRIPS[ledger](paid) == paid, lines
            seen += 1

    lose_nothing()
    assert seen >= 10_000 / len(CURRENCIES)


def test_the_books_themselves_keep_the_cents_of_hundreds_of_quotes(ledger_case: LedgerCase) -> None:
    chance, size = Random(20261122), ledger_case.ledger.batch_size
    before = ledger_case.count_calls()
    for currency in CURRENCIES:
        [whose] = ledger_case.ledger.create_contacts([ContactOrder(currency, currency, "", "", currency)], key=currency)
        totals = [Money(get_total(build_quote(chance, currency)), currency) for _ in range(OVER_HTTP)]
        orders = [
            replace(ledger_case.build_document_order(whose.id, f"PF-{currency}{n}"), amount=t)
            for n, t in enumerate(totals)
        ]
        for batch in batched(orders, size):
            made = ledger_case.ledger.create_invoices(list(batch), key=batch[0].number)
            assert [w.refusal for w in made if w.refusal] == []
            assert ledger_case.ledger.find_invoices(list(batch)) == made
            another = [replace(o, amount=Money(o.amount.amount + 1, currency)) for o in batch]
            assert ledger_case.ledger.find_invoices(another[:1]) == []
    assert ledger_case.count_calls() - before == len(CURRENCIES) * (1 + 3 * math.ceil(OVER_HTTP / size))


def test_the_books_themselves_keep_the_cents_of_amounts_at_the_edges(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    amounts = [1, 7, 10, 99, 101, 1999, 33333, 99_999_999_99, *(123_456 * n + n for n in range(1, 19))]
    orders = [ledger_case.build_document_order(whose, f"PF-{n}", amount) for n, amount in enumerate(amounts)]
    made = ledger_case.ledger.create_invoices(orders, key="all")
    assert all(w.id for w in made)
    assert ledger_case.ledger.find_invoices(orders) == made
