"""What every ledger promises, over HTTP: whoever adds one to the table is tested here unasked."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils.module_loading import import_string

from accounting.ledgers import LEDGERS
from accounting.ledgers.protocol import (
    OrderGroup,
    PaymentRemovalOrder,
    WriteResult,
)
from tests.accounting.ledgers.ledger_case import LedgerCase, aud, build_contact_order, build_credit_note_order
from wisepay.errors import Disconnected, Rejected, Unavailable


@pytest.mark.parametrize("name", LEDGERS)
def test_what_is_known_without_opening_it_is_what_it_does(name: str) -> None:
    found = import_string(LEDGERS[name].path)
    assert (found.supports_drafts, found.needs_item) == (LEDGERS[name].supports_drafts, LEDGERS[name].needs_item)


def test_documents_are_created_and_found_again(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    invoice, note = ledger_case.create_invoice(contact_id), ledger_case.create_credit_note(contact_id=contact_id)
    paid = ledger_case.build_payment_order(invoice, contact_id)
    [payment] = ledger_case.ledger.create_payments([paid], key="p")
    assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(contact_id)]) == [
        WriteResult("PF-1", id=invoice.id)
    ]
    assert ledger_case.ledger.find_credit_notes([ledger_case.build_document_order(contact_id, "PF_CR-1")]) == [
        WriteResult("PF_CR-1", id=note.id)
    ]
    assert ledger_case.ledger.find_payments([paid]) == [WriteResult("PF-1", id=payment.id)]
    assert ledger_case.ledger.find_contacts([build_contact_order("Harbour Dental", "other")]) == [
        WriteResult("other", id=contact_id)
    ]


def test_what_is_not_there_is_not_found(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(contact_id)
    assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(contact_id, "PF-2")]) == []
    assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(contact_id, amount=1)]) == []
    assert ledger_case.ledger.find_credit_notes([ledger_case.build_document_order(contact_id)]) == []
    assert ledger_case.ledger.find_payments([ledger_case.build_payment_order(invoice, contact_id)]) == []
    assert ledger_case.ledger.find_contacts([build_contact_order("Quote \" and ' and \\ slash")]) == []
    for find in ("find_invoices", "find_credit_notes", "find_payments", "find_contacts", "find_refunds"):
        assert getattr(ledger_case.ledger, find)([]) == []


@pytest.mark.parametrize(
    "name",
    [
        'O\'Brien & Søn "North"',
        "Back\\slash\\' Ltd",
        "Colon: a subsidiary",
        "Tab\tand\nnew line",
        "L" * 140,
        "Émoji 🦷 Dental",
        "日本語株式会社",
        " spaces  inside and around ",
        "'",
    ],
)
def test_a_contact_of_any_name_is_created_once_and_found_by_it(ledger_case: LedgerCase, name: str) -> None:
    [made] = ledger_case.ledger.create_contacts([build_contact_order(name, "abcdefgh2345mnpqrstu")], key="c")
    assert made.id, made.refusal
    assert ledger_case.ledger.find_contacts([build_contact_order(name, "abcdefgh2345mnpqrstu")]) == [made]
    [again] = ledger_case.ledger.create_contacts([build_contact_order(name, "abcdefgh2345mnpqrstu")], key="d")
    assert again.id == "" or again.id == made.id


def test_each_element_of_a_batch_is_judged_by_itself(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    bad: dict[str, Any] = {"account": "000", "item": "000" if ledger_case.settings.item else ""}
    orders = [
        ledger_case.build_document_order(contact_id, "PF-1"),
        ledger_case.build_document_order(contact_id, "PF-2", **bad),
        ledger_case.build_document_order(contact_id, "PF-3"),
    ]
    good, refused, also_good = ledger_case.ledger.create_invoices(orders, key="i")
    assert good.id
    assert also_good.id
    assert (refused.id, bool(refused.refusal)) == ("", True)


def test_amounts_keep_every_cent(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    for number, amount in (("PF-1", 1), ("PF-2", 10), ("PF-3", 99_999_999_99), ("PF-4", 123_456_789_01)):
        made = ledger_case.create_invoice(contact_id, number, amount)
        assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(contact_id, number, amount)]) == [
            made
        ]
        assert (
            ledger_case.ledger.find_invoices([ledger_case.build_document_order(contact_id, number, amount + 1)]) == []
        )


def test_kinds_travel_together_where_the_ledger_says_so(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    before = ledger_case.count_calls()
    groups = [
        OrderGroup("invoice", [ledger_case.build_document_order(contact_id, f"PF-{n}") for n in range(3)]),
        OrderGroup("credit_note", [ledger_case.build_document_order(contact_id, f"PF_CR-{n}") for n in range(2)]),
    ]
    made = ledger_case.ledger.create_mixed_batch(groups, key="t")
    assert [w.number for w in made] == ["PF-0", "PF-1", "PF-2", "PF_CR-0", "PF_CR-1"]
    assert all(w.id for w in made)
    assert ledger_case.count_calls() - before == (1 if ledger_case.ledger.supports_mixed_batches else 2)


def test_lists_are_read_with_exact_rates(ledger_case: LedgerCase) -> None:
    accounts = {a.name: a for a in ledger_case.ledger.read_accounts()}
    clearing, prepayments = accounts["Wise-Pay Clearing"], accounts["Wise-Pay Prepayments"]
    assert (clearing.takes_payments, prepayments.takes_payments) == (True, False)
    assert prepayments.holds_prepayments
    assert not accounts["Business Bank Account"].holds_prepayments
    assert not [name for name in accounts if name.startswith("Closed")]
    codes = {c.code: c.rate for c in ledger_case.ledger.read_tax_codes()}
    assert codes[ledger_case.settings.tax_code] == 0
    assert Decimal(10) in codes.values()
    assert bool(ledger_case.ledger.read_items()) == ledger_case.ledger.needs_item


def test_a_dropped_answer_is_one_execution(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact(), "PF_CR-1")
    before = ledger_case.count_calls()
    with (
        ledger_case.tenant.world.inject_fault(ledger_case.tenant.connection.provider, "drop_after"),
        pytest.raises(Unavailable) as caught,
    ):
        ledger_case.ledger.create_credit_notes([order], key="n")
    assert caught.value.maybe_done
    assert ledger_case.count_writes(before) == 1
    assert len(ledger_case.ledger.find_credit_notes([order])) == 1


def test_a_silent_package_is_given_up_in_time(ledger_case: LedgerCase, settings: Any) -> None:
    settings.HTTP_TIMEOUT = (1, 0.5)
    began = time.monotonic()
    provider = ledger_case.tenant.connection.provider
    with ledger_case.tenant.world.inject_fault(provider, "timeout", seconds=10), pytest.raises(Unavailable):
        ledger_case.ledger.read_contact_page(1, since=None)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"status": 503}])
@pytest.mark.parametrize("kind", ["status", "html", "drop_before"])
def test_a_failure_of_the_package_is_unavailable(ledger_case: LedgerCase, kind: str, fault: dict[str, int]) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    provider = ledger_case.tenant.connection.provider
    with ledger_case.tenant.world.inject_fault(provider, kind, times=1, **fault), pytest.raises(Unavailable) as caught:
        ledger_case.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done
    assert ledger_case.ledger.read_contact_page(1, since=None).rows


def test_html_with_a_good_status_is_no_answer(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    with (
        ledger_case.tenant.world.inject_fault(ledger_case.tenant.connection.provider, "html", status=200),
        pytest.raises(Unavailable),
    ):
        ledger_case.ledger.create_invoices([order], key="i")


def test_a_rate_limit_is_raised_at_once_with_its_pause(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    began, before = time.monotonic(), ledger_case.count_calls()
    fault = {"status": 429, "headers": {"Retry-After": "37"}}
    provider = ledger_case.tenant.connection.provider
    with ledger_case.tenant.world.inject_fault(provider, "status", **fault), pytest.raises(Unavailable) as caught:
        ledger_case.ledger.create_invoices([order], key="i")
    assert time.monotonic() - began < 2
    assert (caught.value.retry_after, caught.value.maybe_done) == (37, False)
    assert ledger_case.count_writes(before) == 1
    with pytest.raises(Unavailable) as caught:
        ledger_case.ledger.create_invoices([order], key="j")
    assert not caught.value.maybe_done
    assert ledger_case.count_writes(before) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_disconnected(ledger_case: LedgerCase, status: int) -> None:
    provider = ledger_case.tenant.connection.provider
    with ledger_case.tenant.world.inject_fault(provider, "status", status=status), pytest.raises(Disconnected):
        ledger_case.ledger.read_contact_page(1, since=None)


def test_drafts_are_created_or_refused_with_a_reason(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact(), "PF_CR-1")
    if not ledger_case.ledger.supports_drafts:
        with pytest.raises(Rejected, match="no drafts"):
            ledger_case.ledger.create_draft_credit_notes([order], key="d")
        return
    [made] = ledger_case.ledger.create_draft_credit_notes([order], key="d")
    assert ledger_case.ledger.find_approved_credit_notes([build_credit_note_order(made)]) == []
    assert ledger_case.ledger.approve_credit_notes([build_credit_note_order(made)], key="a") == [made]
    assert ledger_case.ledger.find_approved_credit_notes([build_credit_note_order(made)]) == [made]


def test_an_untouched_note_is_voided_and_a_used_one_is_not(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    free, used = (
        ledger_case.create_credit_note(contact_id=whose),
        ledger_case.create_credit_note("PF_CR-2", contact_id=whose),
    )
    ledger_case.ledger.create_refunds([ledger_case.build_refund_order(used, whose, 10000)], key="f")
    voided, refused = ledger_case.ledger.void_credit_notes(
        [build_credit_note_order(free), build_credit_note_order(used)], key="v"
    )
    assert voided == free
    assert (refused.id, bool(refused.refusal)) == ("", True)
    assert ledger_case.ledger.find_voided_credit_notes(
        [build_credit_note_order(free), build_credit_note_order(used)]
    ) == [free]
    assert ledger_case.ledger.find_credit_notes([ledger_case.build_document_order(whose, "PF_CR-1")]) == []
    assert not ledger_case.read_credit_note("PF_CR-2").is_unused


def test_a_note_that_a_person_voided_is_found_voided(ledger_case: LedgerCase) -> None:
    note = ledger_case.create_credit_note()
    assert ledger_case.ledger.find_voided_credit_notes([build_credit_note_order(note)]) == []
    ledger_case.act_in_ledger("void", credit_note="PF_CR-1")
    assert ledger_case.ledger.find_voided_credit_notes([build_credit_note_order(note)]) == [note]


def test_refunds_are_created_found_and_removed(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    [first] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 10000)], key="f")
    orders = [
        ledger_case.build_refund_order(note, whose, 10000),
        ledger_case.build_refund_order(note, whose, 10000, "PF_RF-2"),
    ]
    assert ledger_case.ledger.find_refunds(orders) == [first]
    assert ledger_case.ledger.find_refunds([ledger_case.build_refund_order(note, whose, 9999)]) == []
    seen = ledger_case.read_credit_note()
    assert (seen.remaining, [r.reference for r in seen.refunds]) == (aud(52500), ["PF_RF-1"])
    [too_much] = ledger_case.ledger.create_refunds(
        [ledger_case.build_refund_order(note, whose, 52501, "PF_RF-2")], key="f2"
    )
    assert too_much.refusal
    removal = PaymentRemovalOrder("PF_RF-1", first.id)
    assert ledger_case.ledger.find_removed_payments([removal]) == []
    assert ledger_case.ledger.remove_payments([removal], key="x") == [first]
    assert ledger_case.ledger.find_removed_payments([removal]) == [WriteResult("PF_RF-1", id=first.id)]
    assert ledger_case.read_credit_note().remaining == aud(62500)
    assert ledger_case.ledger.find_refunds([ledger_case.build_refund_order(note, whose, 10000)]) == []
    with pytest.raises(Rejected, match="already been deleted"):
        ledger_case.ledger.remove_payments([removal], key="x2")


def test_of_a_fully_refunded_note_nothing_remains(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 62500)], key="f")
    assert (ledger_case.read_credit_note().status, ledger_case.read_credit_note().remaining) == ("applied", aud(0))


def test_a_removed_payment_is_not_found_and_can_be_created_again(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    invoice = ledger_case.create_invoice(whose)
    [first] = ledger_case.ledger.create_payments([ledger_case.build_payment_order(invoice, whose)], key="p")
    ledger_case.ledger.remove_payments([PaymentRemovalOrder("PF-1", first.id)], key="x")
    assert ledger_case.ledger.find_payments([ledger_case.build_payment_order(invoice, whose)]) == []
    again = ledger_case.build_payment_order(invoice, whose, number="PF-1-2")
    [second] = ledger_case.ledger.create_payments([again], key="p2")
    assert ledger_case.ledger.find_payments([again]) == [second]
    assert ledger_case.ledger.find_payments([ledger_case.build_payment_order(invoice, whose)]) == []


def test_an_unpaid_invoice_takes_another_amount_and_a_paid_one_does_not(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    made = ledger_case.create_invoice(whose)
    change = ledger_case.build_document_order(whose, "PF-1-2", 125000, id=made.id)
    assert ledger_case.ledger.find_updated_invoices([change]) == []
    assert ledger_case.ledger.update_invoices([change], key="c") == [WriteResult("PF-1-2", id=made.id)]
    assert ledger_case.ledger.find_updated_invoices([change]) == [WriteResult("PF-1-2", id=made.id)]
    assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(whose, amount=125000)]) == [made]
    ledger_case.ledger.create_payments([ledger_case.build_payment_order(made, whose, 125000)], key="p")
    [refused] = ledger_case.ledger.update_invoices(
        [ledger_case.build_document_order(whose, "PF-1-3", 1, id=made.id)], key="c2"
    )
    assert refused.refusal


VERBS: dict[str, Callable[[LedgerCase, WriteResult, str], Any]] = {
    "void_credit_notes": lambda ledger_case, note, _: ledger_case.ledger.void_credit_notes(
        [build_credit_note_order(note)], key="k"
    ),
    "create_refunds": lambda ledger_case, note, whose: ledger_case.ledger.create_refunds(
        [ledger_case.build_refund_order(note, whose, 100)], key="k"
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_whose_answer_was_lost_is_found_done_or_done_once_more_to_the_same_end(
    ledger_case: LedgerCase, verb: str
) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    provider, write = (
        ledger_case.tenant.connection.provider,
        "/batch" if ledger_case.ledger.supports_mixed_batches else "/*",
    )
    with (
        ledger_case.tenant.world.inject_fault(provider, "drop_after", path=f"*{write}", times=1),
        pytest.raises(Unavailable),
    ):
        VERBS[verb](ledger_case, note, whose)
    if verb == "void_credit_notes":
        assert ledger_case.ledger.find_voided_credit_notes([build_credit_note_order(note)]) == [note]
        return
    order = ledger_case.build_refund_order(note, whose, 100)
    assert ledger_case.ledger.find_refunds([order]) or ledger_case.ledger.create_refunds([order], key="k2")[0].id
    assert ledger_case.read_credit_note().remaining == aud(62400)
    assert len(ledger_case.read_credit_note().refunds) == 1
