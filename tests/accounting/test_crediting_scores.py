"""How sure a pair is: what counts, what lets people decide, and that order does not matter."""

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.crediting_marks import Mark, is_named, stands_in
from accounting.crediting_scores import IN_DOUBT, LEAST, Credit, Invoice, judge
from accounting.models.crediting import LEAST_THRESHOLD, USUAL_THRESHOLD
from wisepay.money import Money

DAY = date(2026, 3, 10)
MARKS = (Mark("quote", "1042"), Mark("purchase_order", "PO-7781"), Mark("opportunity", "55120"))


def aud(amount: int) -> Money:
    """Minor units of Australian dollars."""
    return Money(amount, "AUD")


def credit(key: int = 1, **changes: Any) -> Credit:
    """The credit of quote 1042."""
    usual = Credit(key, 1, f"PF_CR-REF{key}", f"PF-REF{key}", MARKS, aud(62500), aud(62500), DAY)
    return replace(usual, **changes)


def invoice(key: int = 1, remark: str = "", **changes: Any) -> Invoice:
    """A down-payment invoice of the day after."""
    usual = Invoice(key, 1, f"INV-{key}", remark, aud(62500), aud(62500), DAY + timedelta(days=1))
    return replace(usual, **changes)


def confidence(remark: str = "", **changes: Any) -> int:
    """Of the usual credit and an invoice like this, 0 when nobody is asked."""
    return sum(one.confidence for one in judge([credit()], [invoice(remark=remark, **changes)]))


@pytest.mark.parametrize(
    "remark",
    ["Quote 1042", "quote #1042 v1", "Q-1042-1", "Down payment for Quotation no. 1042", "PO 7781", "po7781",
     "Opportunity 55120", "PF_CR-REF1", "pf cr ref1", "PF-REF1"],
)  # fmt: skip
def test_an_invoice_that_names_the_quote_over_the_same_amount_is_sure_enough(remark: str) -> None:
    assert confidence(remark) >= USUAL_THRESHOLD


@pytest.mark.parametrize(
    "remark",
    ["", "Onboarding", "1042", "Quote 10421", "Quote 11042", "PO-77812", "XPO-7781", "Order 104 2", "FAQ 1042"],
)
def test_an_invoice_that_does_not_surely_name_it_waits_for_a_person(remark: str) -> None:
    assert LEAST <= confidence(remark) < USUAL_THRESHOLD


def test_the_invoices_own_number_proves_nothing() -> None:
    assert confidence(number="INV-1042") == confidence()
    assert confidence(number="Q1042-DP") > USUAL_THRESHOLD


def test_another_amount_lets_a_person_decide_unless_the_credit_itself_is_named() -> None:
    assert confidence("Quote 1042", due=aud(500000), total=aud(500000)) < USUAL_THRESHOLD
    assert confidence("PF_CR-REF1", due=aud(500000), total=aud(500000)) >= USUAL_THRESHOLD


def test_an_invoice_from_before_the_quote_was_accepted_or_long_after_is_less_likely() -> None:
    usual = confidence("Quote 1042")
    assert confidence("Quote 1042", issued_on=DAY - timedelta(days=2)) < usual - 25
    assert confidence("Quote 1042", issued_on=DAY - timedelta(days=1)) == usual
    assert confidence("Quote 1042", issued_on=DAY + timedelta(days=60)) == usual
    assert confidence("Quote 1042", issued_on=DAY + timedelta(days=61)) < usual


def test_what_belongs_to_others_or_to_another_currency_is_never_a_pair() -> None:
    assert judge([credit()], [invoice(company=2, remark="Quote 1042")]) == []
    assert judge([credit()], [invoice(due=Money(62500, "USD"), remark="Quote 1042")]) == []


def test_saying_it_twice_does_not_make_it_surer_than_saying_it_plainly() -> None:
    other = {"due": aud(500000), "total": aud(500000)}
    assert confidence("PF_CR-REF1, Quote 1042, PO-7781", **other) == confidence("PF_CR-REF1", **other) < 100


def test_a_second_invoice_that_is_as_likely_leaves_both_to_a_person() -> None:
    judged = judge([credit()], [invoice(1, "Quote 1042"), invoice(2, "Quote 1042")])
    assert [one.confidence for one in judged] == [IN_DOUBT, IN_DOUBT]
    assert "Another invoice is about as likely." in judged[0].reasons


def test_a_second_credit_that_is_as_likely_leaves_both_to_a_person() -> None:
    judged = judge([credit(1), credit(2)], [invoice(1, "Quote 1042")])
    assert [one.confidence for one in judged] == [IN_DOUBT, IN_DOUBT]
    assert "Another credit is about as likely." in judged[0].reasons


def test_a_pair_that_another_leaves_far_behind_is_not_shown() -> None:
    judged = judge([credit()], [invoice(1), invoice(2, "Quote 1042")])
    assert [(one.invoice, one.confidence >= USUAL_THRESHOLD) for one in judged] == [(2, True)]


def test_two_quotes_and_their_two_invoices_find_each_other() -> None:
    other = credit(2, marks=(Mark("quote", "1043"),))
    judged = judge([credit(1), other], [invoice(1, "Quote 1043"), invoice(2, "Quote 1042")])
    assert {(one.credit, one.invoice) for one in judged} == {(1, 2), (2, 1)}
    assert all(one.confidence >= USUAL_THRESHOLD for one in judged)


REMARKS = st.sampled_from(["", "Quote 1042", "PO-7781", "PF_CR-REF1", "1042", "Hardware"])
AMOUNTS = st.sampled_from([62500, 60000, 125000])
INVOICES = st.lists(st.tuples(REMARKS, AMOUNTS, st.integers(-5, 90)), min_size=1, max_size=5)
CREDITS = st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(CREDITS, INVOICES, st.randoms(use_true_random=False))
def test_the_same_credits_and_invoices_in_any_order_are_judged_alike(
    notes: list[tuple[int, bool]], bills: list[tuple[str, int, int]], order: random.Random
) -> None:
    unused = [
        credit(n, amount=aud(amount), left=aud(amount), marks=MARKS if marked else ())
        for n, (amount, marked) in enumerate(notes)
    ]
    due = [
        invoice(n, remark, due=aud(amount), total=aud(amount), issued_on=DAY + timedelta(days=days))
        for n, (remark, amount, days) in enumerate(bills)
    ]
    first = judge(unused, due)
    order.shuffle(unused)
    order.shuffle(due)
    assert judge(unused, due) == first
    assert all(LEAST <= one.confidence <= 100 for one in first)


@settings(max_examples=200, deadline=None)
@given(REMARKS, AMOUNTS, st.integers(-5, 90))
def test_a_twin_of_any_invoice_keeps_everything_below_every_threshold(remark: str, amount: int, days: int) -> None:
    one = invoice(1, remark, due=aud(amount), total=aud(amount), issued_on=DAY + timedelta(days=days))
    assert all(j.confidence < LEAST_THRESHOLD for j in judge([credit()], [one, replace(one, key=2, number="INV-2")]))


@pytest.mark.parametrize(
    ("text", "words"), [("Q1042-1", "Q1042-1"), ("q 1042 / 1", "Q1042-1"), ("See PF_CR-AB12", "PF_CR-AB12")]
)
def test_words_are_found_however_they_are_spaced(text: str, words: str) -> None:
    assert stands_in(text, words)
    assert not stands_in(f"{text}9", words)


def test_a_number_needs_the_word_that_says_what_it_is() -> None:
    assert is_named("Quote: 1042", Mark("quote", "1042"))
    assert not is_named("PO 1042", Mark("quote", "1042"))
    assert is_named("Purchase order No 1042", Mark("purchase_order", "1042"))
