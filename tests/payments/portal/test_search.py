"""Transaction Search: every filter, every order, pages, bad input, and the file for spreadsheets."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payers.models import PayerAccess, PayerCompany
from payments.models import Payment
from payments.portal.search_views import BYTE_ORDER_MARK, CSV_HEADINGS
from tests.bench.test_counts import statements
from tests.payments.portal.factories import (
    BANK,
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

PATH = "/my/transactions"
NOON = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)  # in Sydney it is noon of that day


@pytest.fixture
def ada(tenant: Tenant) -> PortalPayer:
    found = create_payer("ada@harbourdental.example", "Ada Payer")
    found.give_access(create_company(tenant, "Harbour Dental"))
    return found


@pytest.fixture
def harbour(ada: PortalPayer) -> PayerCompany:
    return PayerAccess.objects.select_related("company__merchant").get(user=ada.user).company


def find_listed(ada: PortalPayer, rows: dict[str, Payment], **query: Any) -> set[str]:
    """The names of the payments that the page lists; the file has the same ones."""
    page = ada.client.get(PATH, query).content.decode()
    listed = {name for name, row in rows.items() if f"/my/payments/{row.reference}" in page}
    references = {line["Payment reference"] for line in export_csv(ada, **query)}
    assert listed == {name for name, row in rows.items() if row.reference in references}
    return listed


def get_order(ada: PortalPayer, rows: dict[str, Payment], **query: Any) -> list[str]:
    """The names in the order of the page."""
    page = ada.client.get(PATH, query).content.decode()
    places = {page.find(f"/my/payments/{row.reference}"): name for name, row in rows.items()}
    places.pop(-1, None)
    return [places[place] for place in sorted(places)]


def export_csv(ada: PortalPayer, **query: Any) -> list[dict[str, str]]:
    """The lines of the file."""
    answer: Any = ada.client.get(f"{PATH}.csv", query)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith(BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK))))


@pytest.fixture
def rows(ada: PortalPayer, harbour: PayerCompany, tenant: Tenant, stranger: Tenant) -> dict[str, Payment]:
    """Payments in every state, of three companies at two merchants."""
    second, elsewhere = create_company(tenant, "Acme Logistics"), create_company(stranger, "Zenith Water")
    ada.give_access(second)
    ada.give_access(elsewhere)
    payments = {
        "open": create_payment(harbour, purpose="Quote 1042 v1: Managed services onboarding"),
        "over": create_payment(harbour, days=-1, amount=100),
        "withdrawn": create_payment(harbour, state="cancelled", amount=200),
        "card": create_payment(harbour, amount=125000),
        "debit": create_payment(second, amount=99900),
        "settling": create_payment(second, amount=5000),
        "reversed": create_payment(second, amount=300),
        "refunded": create_payment(elsewhere, amount=50000, currency="NZD"),
        "saved": create_payment(elsewhere, state="saved", amount=0),
        "yen": create_payment(elsewhere, amount=625, currency="JPY"),
    }
    create_paid_attempt(payments["card"], at=NOON)
    create_paid_attempt(payments["debit"], method=BANK)
    record_result(create_attempt(payments["settling"]), "processing", method=BANK)
    create_reversed_attempt(payments["reversed"])
    create_paid_attempt(payments["refunded"])
    Payment.objects.filter(pk=payments["refunded"].pk).update(refunded_amount=100)
    return payments


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "open over withdrawn card debit settling reversed refunded saved yen"),
        ({"status": "open"}, "open yen"),
        ({"status": "processing"}, "settling"),
        ({"status": "paid"}, "card debit refunded"),
        ({"status": "refunded"}, "refunded"),
        ({"status": "reversed"}, "reversed"),
        ({"status": "saved"}, "saved"),
        ({"status": "over"}, "over withdrawn"),
        ({"method": "card"}, "card refunded"),
        ({"method": "bank_debit"}, "debit settling reversed"),
        ({"amount": "625.00"}, "open yen"),
        ({"amount": "1,250"}, "card"),
        ({"at_least": "999"}, "card debit"),
        ({"at_most": "3"}, "over withdrawn reversed saved"),
        ({"at_least": "500", "at_most": "625"}, "open refunded yen"),
        ({"since": "2026-03-10", "until": "2026-03-10"}, "card"),
        ({"since": "2026-03-09", "until": "2026-03-09"}, ""),
        ({"until": "2026-03-11"}, "card"),
        ({"q": "managed onboard"}, "open"),
        ({"q": "1042"}, "open"),
        ({"q": "QUOTE 1042"}, "open"),
        ({"q": "onboarding water"}, ""),
        ({"q": "acme"}, "debit settling reversed"),
        ({"q": "h wat"}, "refunded saved yen"),
        ({"q": "naged"}, ""),
        ({"q": "'); DROP TABLE x; -- & | ! <-> :*"}, ""),
        ({"q": "&"}, ""),
        ({"status": "paid", "method": "card", "amount": "1250"}, "card"),
    ],
)
def test_each_filter_leaves_what_it_says(
    ada: PortalPayer, rows: dict[str, Payment], query: dict[str, str], names: str
) -> None:
    assert find_listed(ada, rows, **query) == set(names.split())


def test_company_and_merchant_are_filters_of_what_may_be_seen(
    ada: PortalPayer, rows: dict[str, Payment], stranger: Tenant
) -> None:
    acme = rows["debit"].company.reference
    assert find_listed(ada, rows, company=acme) == {"debit", "settling", "reversed"}
    assert find_listed(ada, rows, merchant=stranger.merchant.reference) == {"refunded", "saved", "yen"}
    assert find_listed(ada, rows, merchant=stranger.merchant.reference, company=acme) == set()
    foreign = create_company(stranger, "Not mine")
    assert ada.client.get(PATH, {"company": foreign.reference}).status_code == 422


def test_references_are_found_as_they_are_shown(ada: PortalPayer, rows: dict[str, Payment]) -> None:
    for name in ("card", "yen"):
        assert name in find_listed(ada, rows, q=rows[name].reference)
        assert find_listed(ada, rows, q=rows[name].details["reference"]) == {name}


def test_sorting_goes_both_ways_over_several_companies(ada: PortalPayer, rows: dict[str, Payment]) -> None:
    at = {name: Payment.objects.get(pk=row.pk) for name, row in rows.items()}
    by_date = sorted(rows, key=lambda name: at[name].paid_at or at[name].created_at)
    by_amount = sorted(rows, key=lambda name: at[name].amount)
    assert get_order(ada, rows, sort="date") == by_date
    assert get_order(ada, rows, sort="-date") == get_order(ada, rows) == by_date[::-1]
    assert [at[n].amount for n in get_order(ada, rows, sort="amount")] == [at[n].amount for n in by_amount]
    assert [at[n].amount for n in get_order(ada, rows, sort="-amount")] == [at[n].amount for n in by_amount[::-1]]
    companies = [at[name].company.name for name in get_order(ada, rows, sort="company")]
    assert companies == sorted(companies)
    assert [at[n].company.name for n in get_order(ada, rows, sort="-company")] == sorted(companies, reverse=True)


@pytest.mark.parametrize("sort", ["date", "-date", "amount", "-amount", "company", "-company"])
def test_every_order_holds_for_many_companies_too(ada: PortalPayer, tenant: Tenant, sort: str) -> None:
    payments = {}
    for number in range(9):
        where = create_company(tenant, f"Company {9 - number}")
        ada.give_access(where)
        payments[str(number)] = create_payment(where, amount=100 + number)
    expected = [str(number) for number in range(9)]
    is_first_to_last = sort in ("date", "amount", "-company")
    assert get_order(ada, payments, sort=sort) == (expected if is_first_to_last else expected[::-1])


def test_pages_hold_50_and_keep_the_filters_in_the_address(ada: PortalPayer, harbour: PayerCompany) -> None:
    begin = timezone.now() - timedelta(days=1)
    payments = {
        str(number): create_payment(harbour, created_at=begin + timedelta(minutes=number), purpose=f"Work {number}")
        for number in range(60)
    }
    first, second = find_on_page(ada, payments, q="work"), find_on_page(ada, payments, q="work", page="2")
    assert (first, second) == ({str(n) for n in range(10, 60)}, {str(n) for n in range(10)})
    page = ada.get(f"{PATH}?q=work&amount=625")
    assert "60 payments" in page
    assert "q=work&amp;amount=625&amp;page=2" in page
    assert "/my/transactions.csv?q=work&amp;amount=625" in page


@pytest.mark.parametrize("scan_rows", [1, 30, 200])
def test_common_words_are_found_in_the_same_order_however_many_rows_are_scanned_first(
    ada: PortalPayer, harbour: PayerCompany, monkeypatch: pytest.MonkeyPatch, scan_rows: int
) -> None:
    monkeypatch.setattr("payments.portal.search.MAX_MATCHED_IDS", 5)
    monkeypatch.setattr("payments.portal.search.QUICK_SCAN_ROWS", scan_rows)
    begin = timezone.now() - timedelta(days=1)
    words = ("Common", "Other")
    payments = {
        str(n): create_payment(harbour, created_at=begin + timedelta(minutes=n), purpose=f"{words[n % 2]} {n}")
        for n in range(110)
    }
    common = [str(n) for n in range(108, -1, -2)]
    assert get_order(ada, payments, q="comm") == common[:50]
    assert get_order(ada, payments, q="comm", page="2") == common[50:]


def find_on_page(ada: PortalPayer, rows: dict[str, Payment], **query: str) -> set[str]:
    """The names on one page."""
    page = ada.client.get(PATH, query).content.decode()
    return {name for name, row in rows.items() if f"/my/payments/{row.reference}" in page}


def test_counting_stops_at_a_thousand(ada: PortalPayer, harbour: PayerCompany) -> None:
    model = create_payment(harbour)
    copies = [
        Payment(
            **{f.attname: getattr(model, f.attname) for f in Payment._meta.fields if f.name not in ("id", "reference")}
        )
        for _ in range(1001)
    ]
    Payment.objects.bulk_create(copies)
    assert "More than 1000 payments" in ada.get(PATH)
    assert "More than 1000 payments" in ada.get(f"{PATH}?q=work")
    assert ada.client.get(PATH, {"page": "999"}).status_code == 200
    some = Payment.objects.order_by("pk").values("pk")[:60]
    Payment.objects.filter(pk__in=some).update(amount=123)
    assert "60 payments" in ada.get(f"{PATH}?q=work&amount=1.23")


@pytest.mark.parametrize(
    "query",
    [
        {"amount": "abc"},
        {"amount": "-1"},
        {"amount": "1e5"},
        {"amount": "NaN"},
        {"amount": "6,95"},
        {"at_least": "1.250,00"},
        {"at_most": "12,50"},
        {"amount": "99999999999"},
        {"amount": "٣"},
        {"at_least": "."},
        {"at_most": "1.2.3"},
        {"since": "yesterday"},
        {"until": "2026-02-30"},
        {"status": "nonsense"},
        {"method": "cash"},
        {"sort": "purpose; drop"},
        {"company": "x"},
        {"q": "x" * 101},
        {"q": "a\0b"},
    ],
)
def test_bad_filters_are_told_and_nothing_is_searched(ada: PortalPayer, query: dict[str, str]) -> None:
    answer = ada.client.get(PATH, query)
    assert answer.status_code == 422
    assert "look at the marked filters" in answer.content.decode()
    assert ada.client.get(f"{PATH}.csv", query).status_code == 422


@pytest.mark.parametrize("query", [{"since": "0001-01-01"}, {"until": "9999-12-31"}, {"amount": "9999999999.999"}])
def test_the_ends_of_time_and_money_are_only_filters(ada: PortalPayer, query: dict[str, str]) -> None:
    assert ada.client.get(PATH, query).status_code == 200


def test_empty_lists_say_why(ada: PortalPayer, harbour: PayerCompany) -> None:
    assert "No payments yet" in ada.get(PATH)
    create_payment(harbour)
    page = ada.get(f"{PATH}?q=nothinglikeit")
    assert "Nothing matches these filters" in page
    assert page.count("Clear filters") == 2
    assert "Clear filters" not in ada.get(PATH)


def test_the_file_holds_what_a_bookkeeper_needs(ada: PortalPayer, rows: dict[str, Payment]) -> None:
    lines = {line["Payment reference"]: line for line in export_csv(ada)}
    assert tuple(next(iter(lines.values()))) == CSV_HEADINGS
    line = lines[rows["card"].reference]
    assert (line["Date"], line["Amount"], line["Currency"]) == ("2026-03-10", "1250.00", "AUD")
    assert (line["Status"], line["Method"], line["Company"]) == ("succeeded", "Visa ···· 4242", "Harbour Dental")
    assert lines[rows["yen"].reference]["Amount"] == "625"
    assert lines[rows["refunded"].reference]["Refunded"] == "1.00"


@pytest.mark.parametrize("bad", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1+1"])
def test_no_cell_is_a_formula(ada: PortalPayer, harbour: PayerCompany, bad: str) -> None:
    create_payment(harbour, purpose=bad)
    [line] = export_csv(ada)
    assert line["Purpose"] == f"'{bad}"


def test_the_file_is_read_in_chunks(ada: PortalPayer, harbour: PayerCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.portal.search_views.CHUNK_SIZE", 2)
    payments = {str(number): create_payment(harbour) for number in range(5)}
    assert len(export_csv(ada)) == len(payments)
    monkeypatch.setattr("payments.portal.search_views.MAX_EXPORTED", 3)
    assert len(export_csv(ada)) == 3


@pytest.mark.parametrize("many", [1, 200])
def test_a_search_costs_the_same_at_any_number_of_rows(ada: PortalPayer, harbour: PayerCompany, many: int) -> None:
    for _ in range(many):
        create_paid_attempt(create_payment(harbour))
    ada.get(PATH)
    with CaptureQueriesContext(connection) as seen:
        ada.get(f"{PATH}?q=work&status=paid&sort=-amount")
    assert statements(seen) <= 11
