"""The payer's dashboard: what each widget shows to whom, in how many queries, and the page of one payment."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payers.models import PayerAccess
from payments.models import Payment
from tests.bench.test_counts import OURS, statements
from tests.payments.portal.factories import (
    BANK,
    HTMX_HEADERS,
    OWN_PAYMENTS,
    PortalPayer,
    create_attempt,
    create_company,
    create_paid_attempt,
    create_payer,
    create_payment,
    create_reversed_attempt,
    record_result,
)
from tests.tenants import Tenant

# What every page of the portal asks: session, person, payer, whether registered, accesses, and the menu's merchants.
ACCESS_QUERIES = 5
LISTS = ("/my/", "/my/outstanding", "/my/scheduled", "/my/past", "/my/transactions", "/my/transactions.csv")


def get_reference(payment: Payment) -> str:
    """What marks a payment in a list."""
    return str(payment.details["reference"])


@pytest.fixture
def ada(tenant: Tenant) -> PortalPayer:
    """A payer who sees all of Harbour Dental."""
    found = create_payer("ada@harbourdental.example", "Ada Payer")
    found.give_access(create_company(tenant, "Harbour Dental"))
    return found


@pytest.fixture
def harbour(ada: PortalPayer) -> PayerAccess:
    return PayerAccess.objects.select_related("company__merchant").get(user=ada.user)


# ---- who sees which rows -----------------------------------------------------------------------


def test_the_anonymous_sign_in_and_people_who_are_no_payers_find_nothing(tenant: Tenant, stranger: Tenant) -> None:
    for path in LISTS:
        assert Client().get(path)["Location"] == f"/accounts/login/?next={path}"
        assert stranger.admin.get(path).status_code == 404, path


def test_each_scope_opens_the_rows_of_its_company_and_no_others(tenant: Tenant, stranger: Tenant) -> None:
    ada = create_payer("ada@example.com")
    whole, own, none = (create_company(tenant, name) for name in ("Whole Co", "Own Co", "Foreign Co"))
    other = create_company(stranger, "Other Co")
    ada.give_access(whole)
    ada.give_access(own, OWN_PAYMENTS)
    ada.give_access(other)
    ada.give_access(none, state="removed")
    rows = {
        "whole, of nobody": (create_payment(whole), True),
        "whole, tried by another": (create_payment(whole), True),
        "own, of nobody": (create_payment(own), False),
        "own, tried by another": (create_payment(own), False),
        "own, tried by me": (create_payment(own), True),
        "of another merchant": (create_payment(other), True),
        "removed": (create_payment(none), False),
        "removed, tried by me": (create_payment(none), False),
        "of a company I never saw": (create_payment(create_company(stranger, "Secret Co")), False),
    }
    colleague = create_payer("colleague@example.com").user
    for name in rows:
        if "tried" in name:
            record_result(
                create_attempt(rows[name][0], by=ada.user if "by me" in name else colleague),
                "failed",
                code="expired_card",
            )
    pages = {path: ada.get(path) for path in ("/my/outstanding", "/my/transactions", "/my/transactions.csv")}
    for page in pages.values():
        for name, (row, is_seen) in rows.items():
            assert (row.purpose in page) == is_seen, name
    for name, (row, is_seen) in rows.items():
        assert ada.client.get(f"/my/payments/{row.reference}").status_code == (200 if is_seen else 404), name


def test_paid_rows_receipts_and_files_follow_the_same_scopes(tenant: Tenant) -> None:
    ada, bob = create_payer("ada@example.com"), create_payer("bob@example.com")
    where = create_company(tenant, "Own Co")
    ada.give_access(where, OWN_PAYMENTS)
    bob.give_access(where)
    own, theirs = create_payment(where), create_payment(where)
    create_paid_attempt(own, by=ada.user)
    create_paid_attempt(theirs, by=bob.user)
    assert (own.purpose in ada.get_widget("past"), theirs.purpose in ada.get_widget("past")) == (True, False)
    assert (own.purpose in bob.get_widget("past"), theirs.purpose in bob.get_widget("past")) == (True, True)
    for tail in ("", "/receipt", "/receipt.pdf"):
        assert ada.client.get(f"/my/payments/{own.reference}{tail}").status_code == 200
        assert ada.client.get(f"/my/payments/{theirs.reference}{tail}").status_code == 404


def test_removed_access_sees_nothing_at_once(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company)
    assert row.purpose in ada.get_widget("outstanding")
    PayerAccess.objects.filter(pk=harbour.pk).update(state="removed")
    assert "There is no company to show" in ada.get("/my/")
    for path in LISTS[1:]:
        assert row.purpose not in ada.get(path)
    assert ada.client.get(f"/my/payments/{row.reference}").status_code == 404


def test_a_merchant_admin_sees_as_the_payer_and_only_their_own_merchant(
    tenant: Tenant, stranger: Tenant, ada: PortalPayer, harbour: PayerAccess
) -> None:
    ours, theirs = create_payment(harbour.company), create_payment(create_company(stranger, "Elsewhere"))
    ada.give_access(theirs.company)
    tenant.admin.post(tenant.url(f"payers/see/{harbour.reference}"), {"reason": "asked"})
    page = tenant.admin.get("/my/outstanding").content.decode()
    assert ours.purpose in page
    assert theirs.purpose not in page
    assert tenant.admin.get(f"/my/payments/{theirs.reference}").status_code == 404
    assert tenant.admin.post("/my/methods").status_code == 403


def test_an_invited_payer_completes_their_details_first(tenant: Tenant) -> None:
    new = create_payer("new@example.com", state="invited")
    new.give_access(create_company(tenant, "New Co"))
    assert new.client.get("/my/")["Location"].startswith("/welcome/details")


# ---- outstanding -------------------------------------------------------------------------------


def test_outstanding_shows_amounts_due_date_and_the_way_to_pay(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company, full_amount=125000)
    page = ada.get_widget("outstanding")
    due = row.expires_at.astimezone(harbour.company.merchant.zone)
    assert "A$625.00" in page
    assert "A$1,250.00" in page
    assert f"{due.day} {due:%b %Y}" in page
    assert f'href="/pay/{row.reference}?from=portal"' in page
    assert "Merchant</th>" not in page


def test_the_merchants_column_is_there_when_there_are_two(
    ada: PortalPayer, harbour: PayerAccess, stranger: Tenant
) -> None:
    row = create_payment(create_company(stranger, "Elsewhere"))
    ada.give_access(row.company)
    create_payment(harbour.company)
    page = ada.get_widget("outstanding")
    assert "Merchant</th>" in page
    assert "Other IT" in page


@pytest.mark.parametrize(
    ("state", "is_listed"),
    [("open", True), ("over", False), ("cancelled", False), ("succeeded", False), ("saved", False)],
)
def test_only_what_is_owed_is_outstanding(ada: PortalPayer, harbour: PayerAccess, state: str, is_listed: bool) -> None:
    row = create_payment(harbour.company, days=-1 if state == "over" else 5)
    if state == "succeeded":
        create_paid_attempt(row)
    elif state != "over":
        Payment.objects.filter(pk=row.pk).update(state=state)
    assert (row.purpose in ada.get_widget("outstanding")) == is_listed


def test_a_bank_debit_on_its_way_says_when_it_was_sent_and_cannot_be_paid_again(
    ada: PortalPayer, harbour: PayerAccess
) -> None:
    row = create_payment(harbour.company, days=-1)
    sent = record_result(create_attempt(row), "processing", method=BANK).submitted_at
    assert sent
    page = ada.get_widget("outstanding")
    local = sent.astimezone(harbour.company.merchant.zone)
    assert f"Processing: bank debit sent {local.day} {local:%b}" in page
    assert "Pay Quote" not in page


def test_a_bank_debit_that_came_back_says_why_and_can_be_paid_again(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company)
    going = record_result(create_attempt(row), "processing", method=BANK)
    record_result(going, "failed", method=BANK, code="account_closed")
    page = ada.get_widget("outstanding")
    assert "The bank account is closed." in page
    assert 'data-state="failed"' in page
    assert "Pay Quote" in page


def test_a_reversed_payment_is_owed_again_and_stays_among_the_past_ones(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company, days=-1)
    create_reversed_attempt(row)
    page = ada.get_widget("outstanding")
    assert 'data-state="reversed"' in page
    assert "it is owed again" in page
    assert "Pay Quote" in page
    past = ada.get_widget("past")
    assert 'data-state="reversed"' in past
    assert get_reference(row) in past


def test_what_waits_for_the_payers_bank_can_be_continued(ada: PortalPayer, harbour: PayerAccess) -> None:
    record_result(create_attempt(create_payment(harbour.company)), "requires_action")
    page = ada.get_widget("outstanding")
    assert "Your bank wants to confirm that it is you." in page
    assert "Pay Quote" in page


def test_outstanding_is_sorted_by_due_date_in_pages_of_25(ada: PortalPayer, harbour: PayerAccess) -> None:
    rows = [create_payment(harbour.company, days=40 - number) for number in range(27)]
    first, second = ada.get_widget("outstanding"), ada.get_widget("outstanding", "?page=2")
    order = [get_reference(row) for row in reversed(rows)]
    assert [f">{name}<" in first for name in order] == [True] * 25 + [False] * 2
    assert [f">{name}<" in second for name in order] == [False] * 25 + [True] * 2
    assert [first.index(f">{name}<") for name in order[:25]] == sorted(first.index(f">{name}<") for name in order[:25])
    assert "/my/outstanding?page=2" in first
    assert "/my/outstanding?page=1" in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "99999999999999999999", "²", "1e3"])
def test_a_page_that_is_none_is_an_empty_or_the_first_one(ada: PortalPayer, harbour: PayerAccess, page: str) -> None:
    create_payment(harbour.company)
    for name in ("outstanding", "past", "scheduled"):
        assert ada.client.get(f"/my/{name}", {"page": page}).status_code == 200


# ---- scheduled and past ------------------------------------------------------------------------


def test_scheduled_says_what_will_be_there(ada: PortalPayer) -> None:
    page = ada.get_widget("scheduled")
    assert "Nothing is scheduled." in page
    assert "/my/autopay" in page


def test_past_has_a_row_for_every_attempt_that_took_money(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company)
    record_result(create_attempt(row), "failed", code="expired_card")
    create_reversed_attempt(row)
    row.refresh_from_db()
    create_paid_attempt(row)
    page = ada.get_widget("past")
    assert page.count(f">{get_reference(row)}<") == 2
    assert 'data-state="succeeded"' in page
    assert 'data-state="reversed"' in page
    assert 'data-state="failed"' not in page


@pytest.mark.parametrize(("back", "words"), [(100, "A$1.00 refunded"), (62500, "Refunded in full")])
def test_past_says_what_went_back(ada: PortalPayer, harbour: PayerAccess, back: int, words: str) -> None:
    row = create_payment(harbour.company)
    create_paid_attempt(row)
    Payment.objects.filter(pk=row.pk).update(refunded_amount=back)
    assert words in ada.get_widget("past")


def test_past_is_newest_first_across_companies_and_pages(
    ada: PortalPayer, harbour: PayerAccess, tenant: Tenant
) -> None:
    second = create_company(tenant, "Second Co")
    ada.give_access(second)
    begin = timezone.now() - timedelta(days=40)
    rows = [create_payment(harbour.company if number % 2 else second) for number in range(30)]
    for number, row in enumerate(rows):
        create_paid_attempt(row, at=begin + timedelta(days=number))
    order = [f">{get_reference(row)}<" for row in reversed(rows)]
    first, last = ada.get_widget("past"), ada.get_widget("past", "?page=2")
    assert [first.index(name) for name in order[:25]] == sorted(first.index(name) for name in order[:25])
    assert [name in last for name in order] == [False] * 25 + [True] * 5


# ---- without a script, and as parts ------------------------------------------------------------


def test_widgets_are_parts_for_htmx_and_pages_for_everybody_else(ada: PortalPayer) -> None:
    for name in ("outstanding", "scheduled", "past"):
        assert "<html" in ada.get(f"/my/{name}")
        assert "<html" not in ada.get_widget(name)
        assert f'href="/my/{name}"' in ada.get("/my/")


def test_names_of_payers_and_purposes_are_text_and_not_markup(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company, purpose="Quote 1 v1: <script>alert(1)</script>")
    for path in ("/my/outstanding", "/my/transactions", f"/my/payments/{row.reference}"):
        page = ada.get(path)
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;" in page


# ---- one payment -------------------------------------------------------------------------------


def test_one_payment_tells_every_attempt_in_words(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company)
    record_result(create_attempt(row), "failed", code="expired_card")
    record_result(create_attempt(row), "cancelled")
    page = ada.get(f"/my/payments/{row.reference}")
    assert "This card has expired." in page
    assert "Given up before anything was charged." in page
    assert "Receipt" not in page
    create_paid_attempt(row)
    page = ada.get(f"/my/payments/{row.reference}")
    assert "Visa ···· 4242" in page
    assert f"/my/payments/{row.reference}/receipt.pdf" in page
    assert "Pay Quote" not in page


@pytest.mark.parametrize("state", ["open", "cancelled", "saved", "succeeded", "reversed"])
def test_one_payment_has_a_page_in_every_state(ada: PortalPayer, harbour: PayerAccess, state: str) -> None:
    row = create_payment(harbour.company)
    Payment.objects.filter(pk=row.pk).update(state=state, paid_amount=row.amount, paid_at=timezone.now())
    assert row.purpose in ada.get(f"/my/payments/{row.reference}")
    assert row.purpose in ada.get("/my/transactions")


def test_a_method_that_is_being_saved_for_what_recurs_is_under_way(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company, amount=0, needs_account=True)
    row.setups.create(
        account=harbour.company.merchant.gateway_account,
        company=harbour.company,
        idempotency_key="stage-setup",
        state="requires_action",
        state_at=timezone.now(),
        ip="127.0.0.1",
    )
    assert "Your bank wants to confirm" in ada.get_widget("outstanding")
    assert "Your bank wants to confirm" in ada.get(f"/my/payments/{row.reference}")


def test_a_refund_that_the_gateway_began_is_told(ada: PortalPayer, harbour: PayerAccess) -> None:
    row = create_payment(harbour.company)
    taken = create_paid_attempt(row)
    row.refunds.create(
        attempt=taken, amount=100, reason="Spilt", idempotency_key="r1", state="failed", state_at=timezone.now()
    )
    page = ada.get(f"/my/payments/{row.reference}")
    assert "The refund could not be given back" in page
    assert "Spilt" not in page


# ---- costs -------------------------------------------------------------------------------------


def count_queries(ada: PortalPayer, path: str, **headers: str) -> int:
    """Statements of one request, after one that warmed up."""
    ada.client.get(path, headers=headers)
    with CaptureQueriesContext(connection) as seen:
        assert ada.client.get(path, headers=headers).status_code == 200
    return statements(seen)


@pytest.mark.parametrize("many", [1, 200])
def test_the_dashboard_costs_the_same_at_any_number_of_rows(ada: PortalPayer, tenant: Tenant, many: int) -> None:
    companies = [create_company(tenant, f"Company {number}") for number in range(min(many, 10))]
    for where in companies:
        ada.give_access(where)
    for number in range(many):
        row = create_payment(companies[number % len(companies)])
        if number % 3 == 0:
            create_paid_attempt(row, at=timezone.now() - timedelta(days=number % 50))
        elif number % 3 == 1:
            record_result(create_attempt(row), "failed", code="expired_card")
    assert count_queries(ada, "/my/") <= 8
    for name in ("outstanding", "scheduled", "past"):
        assert count_queries(ada, f"/my/{name}", **HTMX_HEADERS) <= ACCESS_QUERIES + 4, name


def test_the_first_paint_is_at_most_60_kilobytes(ada: PortalPayer) -> None:
    html = ada.client.get("/my/").content
    files = {name.decode() for name in OURS.findall(html) if b"htmx" not in name}
    assert len(files) >= 4
    sizes = [Path(str(finders.find(name))).stat().st_size for name in files]
    assert len(html) + sum(sizes) <= 60 * 1024
