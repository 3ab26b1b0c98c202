"""Match scoring: what counts, what is left to people, and that order does not matter."""

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.credits.references import QuoteReference, contains_reference, is_mentioned
from accounting.credits.scoring import (
    AMBIGUOUS_CONFIDENCE,
    MIN_CONFIDENCE,
    CreditCandidate,
    InvoiceCandidate,
    score_matches,
)
from accounting.models.credits import DEFAULT_THRESHOLD, MIN_THRESHOLD
from wisepay.money import Money

ACCEPTED_ON = date(2026, 3, 10)
REFERENCES = (
    QuoteReference("quote", "1042"),
    QuoteReference("purchase_order", "PO-7781"),
    QuoteReference("opportunity", "55120"),
)


def build_aud(amount: int) -> Money:
    """Minor units of Australian dollars."""
    return Money(amount, "AUD")


def build_credit(key: int = 1, **changes: Any) -> CreditCandidate:
    """The credit of quote 1042."""
    usual = CreditCandidate(
        key, 1, f"PF_CR-REF{key}", f"PF-REF{key}", REFERENCES, build_aud(62500), build_aud(62500), ACCEPTED_ON
    )
    return replace(usual, **changes)


def build_invoice(key: int = 1, remark: str = "", **changes: Any) -> InvoiceCandidate:
    """A down-payment invoice of the day after."""
    usual = InvoiceCandidate(
        key, 1, f"INV-{key}", remark, build_aud(62500), build_aud(62500), ACCEPTED_ON + timedelta(days=1)
    )
    return replace(usual, **changes)


def get_confidence(remark: str = "", **changes: Any) -> int:
    """The confidence of the usual credit and an invoice like this, 0 when it is not proposed."""
    return sum(one.confidence for one in score_matches([build_credit()], [build_invoice(remark=remark, **changes)]))


@pytest.mark.parametrize(
    "remark",
    ["Quote 1042", "quote #1042 v1", "Q-1042-1", "Down payment for Quotation no. 1042", "PO 7781", "po7781",
     "Opportunity 55120", "PF_CR-REF1", "pf cr ref1", "PF-REF1"],
)  # fmt: skip
def test_an_invoice_that_names_the_quote_over_the_same_amount_is_sure_enough(remark: str) -> None:
    assert get_confidence(remark) >= DEFAULT_THRESHOLD


@pytest.mark.parametrize(
    "remark",
    ["", "Onboarding", "1042", "Quote 10421", "Quote 11042", "PO-77812", "XPO-7781", "Order 104 2", "FAQ 1042"],
)
def test_an_invoice_that_does_not_surely_name_it_waits_for_a_person(remark: str) -> None:
    assert MIN_CONFIDENCE <= get_confidence(remark) < DEFAULT_THRESHOLD


def test_the_invoices_own_number_proves_nothing() -> None:
    assert get_confidence(number="INV-1042") == get_confidence()
    assert get_confidence(number="Q1042-DP") > DEFAULT_THRESHOLD


def test_another_amount_lets_a_person_decide_unless_the_credit_itself_is_named() -> None:
    assert get_confidence("Quote 1042", due=build_aud(500000), total=build_aud(500000)) < DEFAULT_THRESHOLD
    assert get_confidence("PF_CR-REF1", due=build_aud(500000), total=build_aud(500000)) >= DEFAULT_THRESHOLD


def test_an_invoice_from_before_the_quote_was_accepted_or_long_after_is_less_likely() -> None:
    usual = get_confidence("Quote 1042")
    assert get_confidence("Quote 1042", issued_on=ACCEPTED_ON - timedelta(days=2)) < usual - 25
    assert get_confidence("Quote 1042", issued_on=ACCEPTED_ON - timedelta(days=1)) == usual
    assert get_confidence("Quote 1042", issued_on=ACCEPTED_ON + timedelta(days=60)) == usual
    assert get_confidence("Quote 1042", issued_on=ACCEPTED_ON + timedelta(days=61)) < usual


def test_what_belongs_to_others_or_to_another_currency_is_never_a_pair() -> None:
    assert score_matches([build_credit()], [build_invoice(company=2, remark="Quote 1042")]) == []
    assert score_matches([build_credit()], [build_invoice(due=Money(62500, "USD"), remark="Quote 1042")]) == []


def test_saying_it_twice_does_not_make_it_surer_than_saying_it_plainly() -> None:
    other = {"due": build_aud(500000), "total": build_aud(500000)}
    assert get_confidence("PF_CR-REF1, Quote 1042, PO-7781", **other) == get_confidence("PF_CR-REF1", **other) < 100


def test_a_second_invoice_that_is_as_likely_leaves_both_to_a_person() -> None:
    scores = score_matches([build_credit()], [build_invoice(1, "Quote 1042"), build_invoice(2, "Quote 1042")])
    assert [one.confidence for one in scores] == [AMBIGUOUS_CONFIDENCE, AMBIGUOUS_CONFIDENCE]
    assert "Another invoice is about as likely." in scores[0].reasons


def test_a_second_credit_that_is_as_likely_leaves_both_to_a_person() -> None:
    scores = score_matches([build_credit(1), build_credit(2)], [build_invoice(1, "Quote 1042")])
    assert [one.confidence for one in scores] == [AMBIGUOUS_CONFIDENCE, AMBIGUOUS_CONFIDENCE]
    assert "Another credit is about as likely." in scores[0].reasons


def test_a_pair_that_another_leaves_far_behind_is_not_shown() -> None:
    scores = score_matches([build_credit()], [build_invoice(1), build_invoice(2, "Quote 1042")])
    assert [(one.invoice, one.confidence >= DEFAULT_THRESHOLD) for one in scores] == [(2, True)]


def test_two_quotes_and_their_two_invoices_find_each_other() -> None:
    other = build_credit(2, references=(QuoteReference("quote", "1043"),))
    scores = score_matches([build_credit(1), other], [build_invoice(1, "Quote 1043"), build_invoice(2, "Quote 1042")])
    assert {(one.credit, one.invoice) for one in scores} == {(1, 2), (2, 1)}
    assert all(one.confidence >= DEFAULT_THRESHOLD for one in scores)


REMARKS = st.sampled_from(["", "Quote 1042", "PO-7781", "PF_CR-REF1", "1042", "Hardware"])
AMOUNTS = st.sampled_from([62500, 60000, 125000])
INVOICES = st.lists(st.tuples(REMARKS, AMOUNTS, st.integers(-5, 90)), min_size=1, max_size=5)
CREDITS = st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(CREDITS, INVOICES, st.randoms(use_true_random=False))
def test_the_same_credits_and_invoices_in_any_order_score_alike(
    notes: list[tuple[int, bool]], bills: list[tuple[str, int, int]], order: random.Random
) -> None:
    unused = [
        build_credit(n, amount=build_aud(amount), remaining=build_aud(amount), references=REFERENCES if marked else ())
        for n, (amount, marked) in enumerate(notes)
    ]
    due = [
        build_invoice(
            n, remark, due=build_aud(amount), total=build_aud(amount), issued_on=ACCEPTED_ON + timedelta(days=days)
        )
        for n, (remark, amount, days) in enumerate(bills)
    ]
    first = score_matches(unused, due)
    order.shuffle(unused)
    order.shuffle(due)
    assert score_matches(unused, due) == first
    assert all(MIN_CONFIDENCE <= one.confidence <= 100 for one in first)


@settings(max_examples=200, deadline=None)
@given(REMARKS, AMOUNTS, st.integers(-5, 90))
def test_a_twin_of_any_invoice_keeps_everything_below_every_threshold(remark: str, amount: int, days: int) -> None:
    one = build_invoice(
        1, remark, due=build_aud(amount), total=build_aud(amount), issued_on=ACCEPTED_ON + timedelta(days=days)
    )
    assert all(
        j.confidence < MIN_THRESHOLD
        for j in score_matches([build_credit()], [one, replace(one, key=2, number="INV-2")])
    )


@pytest.mark.parametrize(
    ("text", "words"), [("Q1042-1", "Q1042-1"), ("q 1042 / 1", "Q1042-1"), ("See PF_CR-AB12", "PF_CR-AB12")]
)
def test_words_are_found_however_they_are_spaced(text: str, words: str) -> None:
    assert contains_reference(text, words)
    assert not contains_reference(f"{text}9", words)


def test_a_number_needs_the_word_that_says_what_it_is() -> None:
    assert is_mentioned("Quote: 1042", QuoteReference("quote", "1042"))
    assert not is_mentioned("PO 1042", QuoteReference("quote", "1042"))
    assert is_mentioned("Purchase order No 1042", QuoteReference("purchase_order", "1042"))
