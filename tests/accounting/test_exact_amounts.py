"""No cent is lost on the way into the books and back, whatever the amount, the currency and the tax on each line."""

import ast
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.ledgers import LEDGERS, quickbooks_client, quickbooks_shapes, xero_shapes
from accounting.ledgers.words import DocumentOrder
from tests.accounting.test_ledger_contract import TODAY, Desk, desk
from wisepay.money import Money, digits_of

__all__ = ["desk"]
ROOT = Path(__file__).resolve().parents[2]
CURRENCIES = ("AUD", "USD", "JPY")
# Where amounts are written and read. The SDK of Xero takes only a float: that one place is named.
MONEY_PATH = [*(ROOT / "accounting").rglob("*.py"), ROOT / "wisepay" / "money.py", *(ROOT / "quotes").glob("*.py")]
ALLOWED = {("xero_shapes.py", "number")}


RATES = [Decimal(0), Decimal("8.25"), Decimal(10), Decimal(15), Decimal("7.375")]
QUOTES = 34  # an example; a hundred examples a currency are over ten thousand quotes a ledger


def lines_of(chance: Random, currency: str) -> list[tuple[int, Decimal]]:
    """The lines of a quote: minor units before tax, and each line's own rate in percent."""
    most = 10 ** chance.randint(1, 10 if digits_of(currency) else 8)
    return [(chance.randint(1, most), chance.choice(RATES)) for _ in range(chance.randint(1, 12))]


def total_of(lines: list[tuple[int, Decimal]]) -> int:
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

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**64))
    def lose_nothing(seed: int) -> None:
        chance = Random(seed)
        for _ in range(QUOTES):
            lines = lines_of(chance, currency)
            paid = Money(total_of(lines), currency)
            assert THROUGH[ledger](paid) == paid, lines

    lose_nothing()


def test_the_books_themselves_keep_the_cents_of_thirty_amounts_at_once(desk: Desk) -> None:
    whose = desk.contact()
    amounts = [1, 7, 10, 99, 101, 1999, 33333, 99_999_999_99, *(123_456 * n + n for n in range(1, 19))]
    orders = [desk.order(whose, f"PF-{n}", amount) for n, amount in enumerate(amounts)]
    made = desk.ledger.create_invoices(orders, key="all")
    assert all(w.id for w in made)
    assert desk.ledger.find_invoices(orders) == made


def floats_in(path: Path) -> list[tuple[str, str]]:
    """(file, function) of every use of `float` in a file that is not about seconds."""
    found = []
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        called = [n for n in ast.walk(function) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "float"]
        called = [n for n in called if "retry" not in ast.unparse(n)]
        found += [(path.name, function.name) for _ in called]
    return found


def test_no_float_is_made_on_the_way_of_the_money() -> None:
    found = {where for path in MONEY_PATH for where in floats_in(path)}
    assert found == ALLOWED
