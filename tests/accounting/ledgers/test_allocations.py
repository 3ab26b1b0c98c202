"""What every ledger promises of credits put to invoices, and of money for invoices that somebody else made."""

from dataclasses import replace

import pytest

from accounting.ledgers.protocol import AllocationOrder, WriteResult
from tests.accounting.ledgers.ledger_case import TODAY, LedgerCase, aud
from wisepay.errors import Rejected, Unavailable


class CreditAndInvoice:
    """A credit of 625.00 and somebody's invoice of 300.00 for the same contact."""

    def __init__(self, ledger_case: LedgerCase) -> None:
        self.case, self.ledger = ledger_case, ledger_case.ledger
        self.contact_id = ledger_case.create_contact()
        self.credit_note = ledger_case.create_credit_note(contact_id=self.contact_id)
        self.invoice = ledger_case.create_invoice(self.contact_id, "INV-9", 30000)

    def build_order(self, amount: int = 12500, number: str = "PF_AL-1", key: str = "") -> AllocationOrder:
        """So much of the credit for the invoice."""
        note, invoice = self.credit_note, self.invoice
        return AllocationOrder(number, note.number, note.id, invoice.id, TODAY, aud(amount), self.contact_id, key)

    def allocate(self, amount: int = 12500, number: str = "PF_AL-1") -> AllocationOrder:
        """The same, put there; carries its id."""
        [made] = self.ledger.create_allocations([self.build_order(amount, number)], key=number)
        assert made.id, made.refusal
        return self.build_order(amount, number, made.id)

    @property
    def balances(self) -> tuple[int, int]:
        """Return what remains of the credit and what is due of the invoice."""
        [invoice] = self.ledger.read_invoices([self.invoice.id]).rows
        return self.case.read_credit_note().remaining.amount, invoice.due.amount


@pytest.fixture
def credit_and_invoice(ledger_case: LedgerCase) -> CreditAndInvoice:
    """A credit and an invoice that it could go to."""
    return CreditAndInvoice(ledger_case)


def test_a_credit_is_put_to_an_invoice_found_there_and_taken_off(credit_and_invoice: CreditAndInvoice) -> None:
    ledger = credit_and_invoice.ledger
    assert ledger.find_allocations([credit_and_invoice.build_order()]) == []
    there = credit_and_invoice.allocate()
    assert credit_and_invoice.balances == (50000, 17500)
    assert ledger.find_allocations([credit_and_invoice.build_order()]) == [WriteResult("PF_AL-1", id=there.id)]
    assert ledger.find_allocations([credit_and_invoice.build_order(12501)]) == []
    assert ledger.find_removed_allocations([there]) == []
    assert ledger.remove_allocations([there], key="off") == [WriteResult("PF_AL-1", id=there.id)]
    assert ledger.find_removed_allocations([there]) == [WriteResult("PF_AL-1", id=there.id)]
    assert credit_and_invoice.balances == (62500, 30000)
    assert ledger.find_allocations([credit_and_invoice.build_order()]) == []
    again = credit_and_invoice.allocate(number="PF_AL-1-2")
    assert (again.id != there.id, credit_and_invoice.balances) == (True, (50000, 17500))


def test_nothing_is_asked_about_nothing(ledger_case: LedgerCase) -> None:
    before = ledger_case.count_calls()
    assert ledger_case.ledger.find_allocations([]) == ledger_case.ledger.find_removed_allocations([]) == []
    assert ledger_case.count_calls() == before


@pytest.mark.parametrize("amount", [30001, 62501])
def test_more_than_remains_of_a_side_is_refused_with_a_reason(
    credit_and_invoice: CreditAndInvoice, amount: int
) -> None:
    try:
        [result] = credit_and_invoice.ledger.create_allocations([credit_and_invoice.build_order(amount)], key="a")
        assert (result.id, result.refusal != "") == ("", True)
    except Rejected as error:
        assert error.message  # noqa: PT017 - a ledger may refuse one order either way
    assert credit_and_invoice.balances == (62500, 30000)
    assert credit_and_invoice.ledger.find_allocations([credit_and_invoice.build_order(amount)]) == []


def test_an_allocation_whose_answer_was_lost_is_found_and_made_once(credit_and_invoice: CreditAndInvoice) -> None:
    provider = credit_and_invoice.case.tenant.connection.provider
    with (
        credit_and_invoice.case.tenant.world.inject_fault(provider, "drop_after", times=1),
        pytest.raises(Unavailable) as caught,
    ):
        credit_and_invoice.ledger.create_allocations([credit_and_invoice.build_order()], key="a")
    assert caught.value.maybe_done
    [found] = credit_and_invoice.ledger.find_allocations([credit_and_invoice.build_order()])
    assert (bool(found.id), credit_and_invoice.balances) == (True, (50000, 17500))


def test_the_same_key_again_puts_nothing_more(credit_and_invoice: CreditAndInvoice) -> None:
    [first] = credit_and_invoice.ledger.create_allocations([credit_and_invoice.build_order()], key="again")
    assert credit_and_invoice.ledger.create_allocations([credit_and_invoice.build_order()], key="again") == [first]
    assert credit_and_invoice.balances == (50000, 17500)


def test_a_removal_whose_answer_was_lost_is_found_done(credit_and_invoice: CreditAndInvoice) -> None:
    there, provider = credit_and_invoice.allocate(), credit_and_invoice.case.tenant.connection.provider
    lost = {"xero": {"method": "DELETE"}, "quickbooks": {"path": "*/batch"}}[provider]
    with (
        credit_and_invoice.case.tenant.world.inject_fault(provider, "drop_after", times=1, **lost),
        pytest.raises(Unavailable),
    ):
        credit_and_invoice.ledger.remove_allocations([there], key="off")
    assert credit_and_invoice.ledger.find_removed_allocations([there]) == [WriteResult("PF_AL-1", id=there.id)]
    with pytest.raises(Rejected):
        credit_and_invoice.ledger.remove_allocations([there], key="off2")
    assert credit_and_invoice.balances == (62500, 30000)


def test_what_a_bookkeeper_put_there_is_found_and_what_one_took_off_is_found_gone(
    credit_and_invoice: CreditAndInvoice,
) -> None:
    credit_and_invoice.case.act_in_ledger("allocate", **allocation_fields(credit_and_invoice, "125.00"))
    [found] = credit_and_invoice.ledger.find_allocations([credit_and_invoice.build_order()])
    there = replace(credit_and_invoice.build_order(), id=found.id)
    assert credit_and_invoice.ledger.find_removed_allocations([there]) == []
    credit_and_invoice.case.act_in_ledger("deallocate", **allocation_fields(credit_and_invoice))
    assert credit_and_invoice.ledger.find_removed_allocations([there]) == [WriteResult("PF_AL-1", id=found.id)]


def allocation_fields(credit_and_invoice: CreditAndInvoice, amount: str = "") -> dict[str, str]:
    """The pair in words for a bookkeeper."""
    return {
        "credit_note": credit_and_invoice.credit_note.number,
        "invoice": "INV-9",
        **({"amount": amount} if amount else {}),
    }


def test_two_credits_at_one_invoice_are_distinguished(credit_and_invoice: CreditAndInvoice) -> None:
    first = credit_and_invoice.allocate(10000)
    other = credit_and_invoice.case.create_credit_note("PF_CR-2", credit_and_invoice.contact_id)
    order = replace(credit_and_invoice.build_order(10000, "PF_AL-2"), note_number=other.number, note_id=other.id)
    assert credit_and_invoice.ledger.find_allocations([order]) == []
    [second] = credit_and_invoice.ledger.create_allocations([order], key="b")
    assert credit_and_invoice.ledger.find_allocations([credit_and_invoice.build_order(10000), order]) == [
        WriteResult("PF_AL-1", id=first.id),
        second,
    ]
    credit_and_invoice.ledger.remove_allocations([first], key="off")
    assert credit_and_invoice.ledger.find_removed_allocations([first, replace(order, id=second.id)]) == [
        WriteResult("PF_AL-1", id=first.id)
    ]


# ---- money for somebody else's invoice --------------------------------------------------------------


def test_money_for_somebody_elses_invoice_is_found_by_our_number_only(credit_and_invoice: CreditAndInvoice) -> None:
    credit_and_invoice.case.act_in_ledger("pay", invoice="INV-9", amount="100.00")
    order = replace(
        credit_and_invoice.case.build_payment_order(
            credit_and_invoice.invoice, credit_and_invoice.contact_id, 10000, number="PF-1/1"
        ),
        is_foreign=True,
    )
    assert credit_and_invoice.ledger.find_payments([order]) == []
    [made] = credit_and_invoice.ledger.create_payments([order], key="p")
    assert credit_and_invoice.ledger.find_payments([order]) == [WriteResult("PF-1/1", id=made.id)]
    assert credit_and_invoice.ledger.find_payments([replace(order, number="PF-1/1-2")]) == []
    assert credit_and_invoice.balances == (62500, 10000)


def test_a_pf_invoice_that_a_bookkeeper_paid_is_paid(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(whose)
    ledger_case.act_in_ledger("pay", invoice="PF-1", amount="625.00")
    [found] = ledger_case.ledger.find_payments([ledger_case.build_payment_order(invoice, whose)])
    assert found.id


def test_more_than_is_due_of_somebody_elses_invoice_is_refused_with_a_reason(
    credit_and_invoice: CreditAndInvoice,
) -> None:
    order = replace(
        credit_and_invoice.case.build_payment_order(
            credit_and_invoice.invoice, credit_and_invoice.contact_id, 30001, number="PF-1/1"
        ),
        is_foreign=True,
    )
    [result] = credit_and_invoice.ledger.create_payments([order], key="p")
    assert (result.id, bool(result.refusal)) == ("", True)
    assert credit_and_invoice.balances == (62500, 30000)
