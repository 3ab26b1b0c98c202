"""What every ledger promises of credits put to invoices, and of money for invoices that somebody else made."""

from dataclasses import replace

import pytest

from accounting.ledgers.words import AllocationOrder, Written
from tests.accounting.test_ledger_contract import TODAY, Desk, aud, desk
from wisepay.errors import Rejected, Unavailable

__all__ = ["desk"]


class Pair:
    """A credit of 625.00 and somebody's invoice of 300.00 for the same contact."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.ledger = desk, desk.ledger
        self.whose = desk.contact()
        self.note = desk.note(contact_id=self.whose)
        self.invoice = desk.invoice(self.whose, "INV-9", 30000)

    def order(self, amount: int = 12500, number: str = "PF_AL-1", key: str = "") -> AllocationOrder:
        """So much of the credit for the invoice."""
        note, invoice = self.note, self.invoice
        return AllocationOrder(number, note.number, note.id, invoice.id, TODAY, aud(amount), self.whose, key)

    def put(self, amount: int = 12500, number: str = "PF_AL-1") -> AllocationOrder:
        """The same, put there; carries its id."""
        [made] = self.ledger.allocate_credits([self.order(amount, number)], key=number)
        assert made.id, made.refusal
        return self.order(amount, number, made.id)

    @property
    def left(self) -> tuple[int, int]:
        """What is left of the credit, and due of the invoice."""
        [invoice] = self.ledger.read_invoices([self.invoice.id]).rows
        return self.desk.facts().remaining.amount, invoice.due.amount


@pytest.fixture
def pair(desk: Desk) -> Pair:
    """A credit and an invoice that it could go to."""
    return Pair(desk)


def test_a_credit_is_put_to_an_invoice_found_there_and_taken_off(pair: Pair) -> None:
    ledger = pair.ledger
    assert ledger.find_allocations([pair.order()]) == []
    there = pair.put()
    assert pair.left == (50000, 17500)
    assert ledger.find_allocations([pair.order()]) == [Written("PF_AL-1", id=there.id)]
    assert ledger.find_allocations([pair.order(12501)]) == []
    assert ledger.find_removed_allocations([there]) == []
    assert ledger.remove_allocations([there], key="off") == [Written("PF_AL-1", id=there.id)]
    assert ledger.find_removed_allocations([there]) == [Written("PF_AL-1", id=there.id)]
    assert pair.left == (62500, 30000)
    assert ledger.find_allocations([pair.order()]) == []
    again = pair.put(number="PF_AL-1-2")
    assert (again.id != there.id, pair.left) == (True, (50000, 17500))


def test_nothing_is_asked_about_nothing(desk: Desk) -> None:
    before = desk.calls()
    assert desk.ledger.find_allocations([]) == desk.ledger.find_removed_allocations([]) == []
    assert desk.calls() == before


@pytest.mark.parametrize("amount", [30001, 62501])
def test_more_than_a_side_has_left_is_refused_in_a_sentence(pair: Pair, amount: int) -> None:
    try:
        [said] = pair.ledger.allocate_credits([pair.order(amount)], key="a")
        assert (said.id, said.refusal != "") == ("", True)
    except Rejected as error:
        assert error.message  # noqa: PT017 - a ledger may refuse one order either way
    assert pair.left == (62500, 30000)
    assert pair.ledger.find_allocations([pair.order(amount)]) == []


def test_an_allocation_whose_answer_was_lost_is_found_and_made_once(pair: Pair) -> None:
    provider = pair.desk.house.connection.provider
    with pair.desk.house.world.faulty(provider, "drop_after", times=1), pytest.raises(Unavailable) as caught:
        pair.ledger.allocate_credits([pair.order()], key="a")
    assert caught.value.maybe_done
    [found] = pair.ledger.find_allocations([pair.order()])
    assert (bool(found.id), pair.left) == (True, (50000, 17500))


def test_the_same_key_again_puts_nothing_more(pair: Pair) -> None:
    [first] = pair.ledger.allocate_credits([pair.order()], key="again")
    assert pair.ledger.allocate_credits([pair.order()], key="again") == [first]
    assert pair.left == (50000, 17500)


def test_a_removal_whose_answer_was_lost_is_found_done(pair: Pair) -> None:
    there, provider = pair.put(), pair.desk.house.connection.provider
    lost = {"xero": {"method": "DELETE"}, "quickbooks": {"path": "*/batch"}}[provider]
    with (
        pair.desk.house.world.faulty(provider, "drop_after", times=1, **lost),
        pytest.raises(Unavailable),
    ):
        pair.ledger.remove_allocations([there], key="off")
    assert pair.ledger.find_removed_allocations([there]) == [Written("PF_AL-1", id=there.id)]
    with pytest.raises(Rejected):
        pair.ledger.remove_allocations([there], key="off2")
    assert pair.left == (62500, 30000)


def test_what_a_bookkeeper_put_there_is_found_and_what_one_took_off_is_found_gone(pair: Pair) -> None:
    pair.desk.by_hand("allocate", **said(pair, "125.00"))
    [found] = pair.ledger.find_allocations([pair.order()])
    there = replace(pair.order(), id=found.id)
    assert pair.ledger.find_removed_allocations([there]) == []
    pair.desk.by_hand("deallocate", **said(pair))
    assert pair.ledger.find_removed_allocations([there]) == [Written("PF_AL-1", id=found.id)]


def said(pair: Pair, amount: str = "") -> dict[str, str]:
    """The pair in words for a bookkeeper."""
    return {"credit_note": pair.note.number, "invoice": "INV-9", **({"amount": amount} if amount else {})}


def test_two_credits_at_one_invoice_are_told_apart(pair: Pair) -> None:
    first = pair.put(10000)
    other = pair.desk.note("PF_CR-2", pair.whose)
    order = replace(pair.order(10000, "PF_AL-2"), note_number=other.number, note_id=other.id)
    assert pair.ledger.find_allocations([order]) == []
    [second] = pair.ledger.allocate_credits([order], key="b")
    assert pair.ledger.find_allocations([pair.order(10000), order]) == [Written("PF_AL-1", id=first.id), second]
    pair.ledger.remove_allocations([first], key="off")
    assert pair.ledger.find_removed_allocations([first, replace(order, id=second.id)]) == [
        Written("PF_AL-1", id=first.id)
    ]


# ---- money for somebody else's invoice --------------------------------------------------------------


def test_money_for_somebody_elses_invoice_is_found_by_our_number_only(pair: Pair) -> None:
    pair.desk.by_hand("pay", invoice="INV-9", amount="100.00")
    order = replace(pair.desk.paid(pair.invoice, pair.whose, 10000, number="PF-1/1"), is_foreign=True)
    assert pair.ledger.find_payments([order]) == []
    [made] = pair.ledger.create_payments([order], key="p")
    assert pair.ledger.find_payments([order]) == [Written("PF-1/1", id=made.id)]
    assert pair.ledger.find_payments([replace(order, number="PF-1/1-2")]) == []
    assert pair.left == (62500, 10000)


def test_a_pf_invoice_that_a_bookkeeper_paid_is_paid(desk: Desk) -> None:
    whose = desk.contact()
    invoice = desk.invoice(whose)
    desk.by_hand("pay", invoice="PF-1", amount="625.00")
    [found] = desk.ledger.find_payments([desk.paid(invoice, whose)])
    assert found.id


def test_more_than_is_due_of_somebody_elses_invoice_is_refused_in_a_sentence(pair: Pair) -> None:
    order = replace(pair.desk.paid(pair.invoice, pair.whose, 30001, number="PF-1/1"), is_foreign=True)
    [said] = pair.ledger.create_payments([order], key="p")
    assert (said.id, bool(said.refusal)) == ("", True)
    assert pair.left == (62500, 30000)
