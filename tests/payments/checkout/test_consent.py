"""Consent: each act shows and records exactly the terms that apply to it, and refuses any other acceptance."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Terms
from merchants.terms.services import create_terms_version, get_current_terms, render_terms
from payers.models import TermsAcceptance
from payments.consent import TERMS_OF_ACTS, Act
from payments.models import Attempt, SavedMethod, Setup
from payments.recurring import RecurringPart
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import (
    ONLY_RECURRING,
    RECURRING,
    USD,
    SignedInPayer,
    create_bank_token,
    create_card_token,
)
from tests.tenants import Checkout, Tenant, merge_body
from wisepay.clock import format_date, get_local_date
from wisepay.money import Money

USD_RECURRING = merge_body(USD, RECURRING)
Path = tuple[str, dict[str, Any], str, bool, set[str]]
# What is done, the quote, the method, whether it is saved, and the kinds of terms that apply.
PATHS: dict[str, Path] = {
    "card": ("attempts", {}, "card", False, {"payment"}),
    "debit": ("attempts", USD, "bank_debit", False, {"direct_debit"}),
    "card and save": ("attempts", {}, "card", True, {"payment", "saved_card"}),
    "debit and save": ("attempts", USD, "bank_debit", True, {"direct_debit", "saved_bank_account"}),
    "recurring by card": ("attempts", RECURRING, "card", True, {"payment", "saved_card", "automatic_payments"}),
    "recurring by debit": (
        "attempts",
        USD_RECURRING,
        "bank_debit",
        True,
        {"direct_debit", "saved_bank_account", "automatic_payments"},
    ),
    "only recurring": ("setups", ONLY_RECURRING, "card", True, {"saved_card", "automatic_payments"}),
}


@pytest.fixture
def payer(tenant: Tenant) -> SignedInPayer:
    return SignedInPayer(tenant)


def send(payer: SignedInPayer, checkout: Checkout, path: Path, **more: Any) -> Any:
    """Press the button with everything ticked that applies, but for `more`."""
    where, _, method, saves, _ = path
    token = create_card_token(payer.tenant) if method == "card" else create_bank_token(payer.tenant)
    form = {"method": method, "confirmation_token": token, "saves": "1" if saves else ""}
    form = payer.build_form(checkout, **payer.agree(checkout, form)) | more
    return payer.client.post(f"{checkout.path}/{where}", form)


def is_nothing_recorded() -> bool:
    """Whether nothing was started, saved or accepted."""
    models = (Attempt, Setup, SavedMethod, TermsAcceptance)
    return not any(model.objects.exists() for model in models)


def test_every_act_by_every_method_has_its_terms() -> None:
    assert {act for act, _ in TERMS_OF_ACTS} == set(Act)
    assert all((act, method) in TERMS_OF_ACTS for act in Act for method in ("card", "bank_debit"))
    debits = [kinds for (_, method), kinds in TERMS_OF_ACTS.items() if method == "bank_debit"]
    assert all("direct_debit" in kinds for kinds in debits)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_what_is_done_records_exactly_its_terms_with_what_was_shown(
    tenant: Tenant, payer: SignedInPayer, path: Path, deliver: Callable[..., int]
) -> None:
    where, changes, _, _, kinds = path
    checkout = tenant.open_checkout(**changes)
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    answer = send(payer, checkout, path)
    assert answer.status_code == 200, answer.content
    operation = (Attempt if where == "attempts" else Setup).objects.get()
    rows = list(TermsAcceptance.objects.filter(operation=operation.reference).select_related("terms__merchant"))
    assert {row.terms.kind for row in rows} == kinds
    payment = checkout.payment
    recurring = payment.recurring
    for row in rows:
        assert f'value="{row.terms.pk}"' in page
        assert render_terms(row.terms).splitlines()[0] in page.replace("&#x27;", "'")
        assert (row.email, row.user, row.ip, row.terms.version) == (payer.email, payer.user, "127.0.0.1", 1)
        assert row.money == (Money(payment.amount, payment.currency) if payment.amount else None)
        assert row.last4 == operation.last4 != ""
        assert row.accepted_at == operation.created_at
        for line in row.shown.splitlines():
            assert line in page.replace("&#x27;", "'")
        assert bool(recurring) == ("A$349.00 every month, 12 times" in row.shown or "$349.00 every" in row.shown)
        if recurring:
            today = get_local_date(row.accepted_at, tenant.merchant.zone)
            last = recurring.get_last_day(today)
            assert last is not None
            assert (row.recurring, row.interval, row.periods, row.ends_on) == (recurring.money, "month", 12, last)
            assert format_date(last) in row.shown
            assert "once" not in row.shown.split()
    main = operation.acceptance
    assert main is not None
    assert main.terms.kind in kinds


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_no_other_acceptance_is_taken(tenant: Tenant, payer: SignedInPayer, stranger: Tenant, path: Path) -> None:
    checkout = tenant.open_checkout(**path[1])
    kinds = sorted(path[4])
    old = [get_current_terms(tenant.merchant, kind).pk for kind in kinds]
    create_terms_version(tenant.merchant, kind=kinds[0], text="Other words.", by=tenant.user, now=timezone.now())
    good = [get_current_terms(tenant.merchant, kind).pk for kind in kinds]
    foreign = get_current_terms(stranger.merchant, kinds[0]).pk
    other = get_current_terms(tenant.merchant, Terms.Kind.USER_ACCOUNT).pk
    cases: dict[str, list[Any]] = {
        "none": [],
        "some": good[1:],
        "old": old,
        "another kind": [*good[1:], other],
        "another kind as well": [*good, other],
        "another merchant's": [foreign, *good[1:]],
        "unknown": [*good, 2**62],
        "garbage": ["-1; ☃", *good[1:]],
        "twice": [*good, good[0]],
    }
    for name, ids in cases.items():
        answer = send(payer, checkout, path, accepted_terms=ids)
        assert answer.status_code == 422, name
        [error] = answer.json()["errors"]["accepted_terms"]
        assert "accept them" in error["message"], name
        assert "Other words." in answer.json()["consent"], name
    assert is_nothing_recorded()


@pytest.mark.parametrize("value", ["-1", "0", "9" * 30, "1.5", "\0", "١٢", " ", "null", "1,2"])
def test_nonsense_at_every_form_with_terms_is_answered_in_words(
    tenant: Tenant, checkout: Checkout, payer: SignedInPayer, value: str
) -> None:
    payer.grant_access(checkout.payment)
    card = create_card_token(tenant)
    company = checkout.payment.company.reference
    who = {"name": "G", "email": "g@example.com"}
    posts: list[tuple[Client, str, dict[str, Any]]] = [
        (Client(), f"{checkout.path}/attempts", who | {"amount": checkout.payment.amount, "confirmation_token": card}),
        (Client(), f"{checkout.path}/register", who),
        (payer.client, "/my/methods", {"company": company, "method": "card", "confirmation_token": card}),
    ]
    for client, path, form in posts:
        answer = client.post(path, form | {"accepted_terms": value})
        assert answer.status_code == 422, path
        assert "accept them" in answer.content.decode()
    assert is_nothing_recorded()


def test_a_guests_card_payment_shows_and_records_the_payment_terms(checkout: Checkout, tenant: Tenant) -> None:
    page = Client().get(f"{checkout.path}/guest").content.decode()
    assert "By paying you accept the payment terms of Northwind IT." in page
    assert "You authorise Northwind IT to charge A$625.00 to this card, once." in page
    assert checkout.pay().status_code == 200
    [row] = TermsAcceptance.objects.all()
    assert (row.terms.kind, row.acts, row.user, row.email) == (
        "payment",
        "pay",
        None,
        "accounts@harbourdental.example",
    )
    assert (row.money, row.method_kind, row.last4) == (Money(62500, "AUD"), "card", "4242")
    detail = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}")).content.decode()
    assert "accounts@harbourdental.example accepted Payment terms v1" in detail
    assert "You authorise Northwind IT to charge A$625.00 to this card, once." in detail


@pytest.mark.parametrize(("choice", "kinds"), [("card", {"payment"}), ("bank_debit", {"direct_debit"})])
def test_a_saved_method_is_charged_under_the_terms_of_the_charge(
    tenant: Tenant, payer: SignedInPayer, choice: str, kinds: set[str]
) -> None:
    send(payer, tenant.open_checkout(**USD), PATHS[f"{'card' if choice == 'card' else 'debit'} and save"])
    [method] = payer.methods
    second = tenant.open_checkout(**USD)
    refused = payer.pay(second, saved_method=method.reference, accepted_terms=[])
    assert (refused.status_code, second.attempts) == (422, [])
    assert payer.pay(second, saved_method=method.reference).status_code == 200
    [attempt] = second.attempts
    rows = TermsAcceptance.objects.filter(operation=attempt.reference)
    assert {row.terms.kind for row in rows} == kinds
    assert all(method.last4 in row.shown and row.last4 == method.last4 for row in rows)


def test_a_quote_whose_recurring_part_changed_is_looked_at_again(tenant: Tenant, payer: SignedInPayer) -> None:
    body = merge_body(RECURRING, {"quote": {"id": "same", "number": 77}})
    checkout = tenant.open_checkout(**body)
    old = get_consent_fields(checkout.payment, saves=True)
    tenant.open_checkout(**merge_body(body, {"recurring": {"total": "999.00"}}))
    answer = payer.pay_and_save(checkout, **old)
    assert (answer.status_code, is_nothing_recorded()) == (422, True)
    assert "What recurs has changed" in answer.json()["message"]
    assert "A$999.00 every month" in answer.json()["consent"]
    assert payer.pay_and_save(checkout).status_code == 200


def test_a_quote_that_recurs_says_how_often_and_until_when(tenant: Tenant, payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout(**RECURRING)
    for tail in ("", "/register"):
        page = Client().get(f"{checkout.path}{tail}").content.decode()
        assert all(words in page for words in ("Then every month", "A$349.00", "Number of payments", "A$4,188.00"))
        assert "pay-brief" not in page
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    assert "pay-brief" not in page
    assert "A$349.00 every month, 12 times" in page
    assert ", once" not in page


@pytest.mark.parametrize(
    ("interval", "periods", "frequency", "days"),
    [
        ("week", 4, "every week, 4 times", 21),
        ("month", 1, "every month, 1 time", 0),
        ("quarter", 2, "every three months, 2 times", None),
        ("year", None, "every year", None),
    ],
)
def test_recurring_parts_in_words(interval: str, periods: int | None, frequency: str, days: int | None) -> None:
    part = RecurringPart(Money(100, "USD"), interval, periods)
    first = timezone.now().date()
    assert part.frequency == frequency
    if days is not None:
        assert part.get_last_day(first) == first + timedelta(days=days)
    assert (part.get_last_day(first) is None) == (periods is None)
    assert ("goes on until" in part.describe_end(first)) == (periods is None)
