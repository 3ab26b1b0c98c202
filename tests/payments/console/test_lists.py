"""The list of payments: found by what a person holds in hand, filtered, ordered, paged, and taken as a file.

After people's reports of other consoles: Automattic/woocommerce-payments#535, where neither id nor last four found a
transaction; btcpayserver/btcpayserver#1979, whose search by e-mail missed what was new; SparkDevNetwork/Rock#5642 and
opencollective/opencollective#6443, whose exports timed out or were cut; hhurz/tableExport.jquery.plugin#230, formulas.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from payers.filters import FEW
from payments.models import Attempt, BalanceTransaction, Dispute, Payment, Payout, Refund
from payments.standings import STANDINGS
from tests.bench.test_counts import statements
from tests.payments.console.test_standings import STANDINGS as CHANGES
from tests.payments.console.test_standings import read_badges
from tests.tenants import Checkout, Tenant
from wisepay.models import AuditDetails


def get_page(tenant: Tenant, query: str | dict[str, Any] = "") -> str:
    """The list as the query asks for it."""
    answer = tenant.admin.get(
        tenant.url("payments/") + (f"?{query}" if isinstance(query, str) else ""),
        query if isinstance(query, dict) else None,
    )
    assert answer.status_code == 200
    return answer.content.decode()


def list_found(tenant: Tenant, **query: Any) -> set[str]:
    """The references of the payments on the page."""
    page = get_page(tenant, query)
    return {p.reference for p in Payment.objects.all() if f"payments/{p.reference}" in page}


def read_file(tenant: Tenant, name: str, **query: Any) -> bytes:
    answer: Any = tenant.admin.get(tenant.url(f"payments/export/{name}"), query)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def read_csv(tenant: Tenant, **query: Any) -> list[dict[str, str]]:
    text = read_file(tenant, "csv", **query).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def read_sheet(workbook: bytes) -> list[dict[str, str]]:
    """The rows of a workbook's sheet, each cell by its column's letters."""
    names = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    tree = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(workbook)).read("xl/worksheets/sheet1.xml"))  # noqa: S314
    return [
        {cell.attrib["r"].rstrip("0123456789"): "".join(cell.itertext()) for cell in row.findall("m:c", names)}
        for row in tree.iterfind(".//m:row", names)
    ]


@pytest.fixture
def paid(tenant: Tenant) -> Checkout:
    """A payment of which everything is known, beside another one of which nothing is the same."""
    other = tenant.open_checkout(
        quote={"purchase_order_number": "OTHER-1"},
        customer={"account_name": "Kauri Dental", "email": "hello@kauri.example"},
        amounts={"one_time_total": "20.00", "tax": "0.00", "due_now": "10.00"},
    )
    other.pay("5555555555554444", email="kauri@kauri.example", name="Kim Kauri")
    found = tenant.open_checkout(
        quote={"purchase_order_number": "PO/77-b", "opportunity_id": "OPP-4711"},
        customer={"email": "sent.to@harbourdental.example"},
    )
    found.pay(email="ada.lind@harbourdental.example", name="Ada Lind")
    describe_money(found)
    return found


def describe_money(checkout: Checkout) -> None:
    """What the gateway says of it: a charge in a payout, a refund, a dispute."""
    attempt, now = checkout.attempts[0], timezone.now()
    account = attempt.account
    payout = Payout.objects.create(
        account=account, stripe_payout_id="po_777", amount=61_000, currency="AUD", status="paid",
        arrives_on=now.date(), created_at=now,
    )  # fmt: skip
    BalanceTransaction.objects.create(
        account=account, stripe_id="txn_777", kind="charge", amount=62_500, fee=1_094, currency="AUD",
        paid_amount=62_500, paid_currency="AUD", source_id="ch_777", happened_at=now, available_at=now,
        payout=payout, attempt=attempt,
    )  # fmt: skip
    Refund.objects.create(
        payment=attempt.payment, attempt=attempt, amount=100, idempotency_key="refund-777", state="succeeded",
        state_at=now, stripe_refund_id="re_777", ordered_by=checkout.tenant.user,
    )  # fmt: skip
    Payment.objects.filter(pk=attempt.payment_id).update(refunded_amount=100)
    Dispute.objects.create(attempt=attempt, stripe_dispute_id="dp_777", amount=62_500, state="won", state_at=now)


# What somebody holds in hand, from the payment.
IN_HAND: dict[str, Callable[[Checkout], str]] = {
    "our reference": lambda c: c.payment.reference,
    "its beginning, shouted": lambda c: c.payment.reference[:9].upper(),
    "an attempt's reference": lambda c: c.attempts[0].reference,
    "a PF number": lambda c: f"PF-{c.payment.reference[:12].upper()}",
    "a credit's number": lambda c: f"PF_CR-{c.payment.reference[:12].upper()}-2",
    "Stripe's payment": lambda c: c.attempts[0].stripe_payment_intent_id,
    "Stripe's charge": lambda c: "ch_777",
    "Stripe's balance transaction": lambda c: "txn_777",
    "Stripe's refund": lambda c: "re_777",
    "Stripe's dispute": lambda c: "dp_777",
    "Stripe's payout": lambda c: "po_777",
    "the quote's number": lambda c: str(c.quote.number),
    "the quote's number with its letter": lambda c: f"#Q{c.quote.number}",
    "the quote's name": lambda c: f"quote {c.quote.number} v1",
    "the quote's id in CPQ": lambda c: c.quote.cpq_id,
    "the purchase order": lambda c: "po/77-B",
    "the opportunity": lambda c: "OPP-4711",
    "the payer": lambda c: "Harbour Den",
    "who paid": lambda c: "lind ada",
    "their address": lambda c: "Ada.Lind@harbourdental.example",
    "its beginning": lambda c: "ada.lind@",
    "whom the quote was sent to": lambda c: "sent.to@harbourdental.example",
    "the last four": lambda c: "4242",
    "the last four as a receipt has them": lambda c: "···· 4242",
    "the amount": lambda c: "625",
    "the amount as it is shown": lambda c: "A$625.00",
    "the amount as it is typed": lambda c: "625.00 AUD",
}


@pytest.mark.parametrize("thing", IN_HAND)
def test_a_payment_is_found_by_whatever_a_person_holds_in_hand(paid: Checkout, thing: str) -> None:
    assert list_found(paid.tenant, q=IN_HAND[thing](paid)) == {paid.payment.reference}


def test_nothing_is_found_by_what_is_another_merchants(paid: Checkout, stranger: Tenant) -> None:
    assert [thing for thing, get in IN_HAND.items() if list_found(stranger, q=get(paid))] == []


def test_an_invoice_finds_the_payment_that_paid_it(paid: Checkout) -> None:
    Payment.objects.filter(pk=paid.payment.pk).update(purpose="Invoice INV-0042")
    assert list_found(paid.tenant, q="INV-0042") == {paid.payment.reference}


def test_each_state_filters_those_that_the_list_says_it_of(tenant: Tenant) -> None:
    """Of every way that a payment can stand: its own filter leaves it, no other does."""
    expected: dict[str, set[str]] = {standing: set() for standing in STANDINGS}
    for change, standing, _ in CHANGES:
        checkout = tenant.open_checkout()
        checkout.pay()
        change(checkout)
        expected[standing].add(checkout.payment.reference)
    assert {standing: list_found(tenant, standing=standing) for standing in STANDINGS} == expected
    shown = read_badges(get_page(tenant))
    assert len(shown) == len(CHANGES)


FILTERS = [
    ({"method": "card"}, True), ({"method": "bank_debit"}, False), ({"origin": "quote"}, True),
    ({"origin": "automatic"}, False), ({"at_least": "600", "at_most": "700"}, True), ({"at_least": "700"}, False),
    ({"currency": "AUD"}, True), ({"currency": "JPY"}, False), ({"company": "harbour"}, True),
    ({"company": "nobody"}, False), ({"since": "2020-01-01", "until": "2190-01-01"}, True),
    ({"until": "2020-01-01"}, False), ({"standing": "part_refunded", "q": "4242", "sort": "-amount"}, True),
]  # fmt: skip


@pytest.mark.parametrize(("query", "is_found"), FILTERS)
def test_the_filters_leave_what_they_say(paid: Checkout, query: dict[str, str], is_found: bool) -> None:
    assert (paid.payment.reference in list_found(paid.tenant, **query)) is is_found


def test_a_name_that_many_clients_have_finds_the_same(paid: Checkout) -> None:
    assert list_found(paid.tenant, company="harbour") == {paid.payment.reference}
    for number in range(FEW + 1):
        paid.tenant.company(f"Harbour {number}")
    assert list_found(paid.tenant, company="harbour") == {paid.payment.reference}
    assert list_found(paid.tenant, company="harbour", q="Kauri") == set()


@pytest.mark.parametrize("query", ["standing=gone", "since=2026-02-31", "at_least=6,95", "until=x"])
def test_a_filter_that_nobody_understands_is_said_at_its_field(paid: Checkout, query: str) -> None:
    answer = paid.tenant.admin.get(paid.tenant.url(f"payments/?{query}"))
    page = answer.content.decode()
    assert (answer.status_code, "errorlist" in page, paid.payment.reference in page) == (422, True, False)
    exported = paid.tenant.admin.get(paid.tenant.url(f"payments/export/csv?{query}"))
    assert (exported.status_code, query.split("=")[0] in exported["Location"]) == (302, True)


def create_payments(tenant: Tenant, count: int) -> list[Payment]:
    """Payments of which many have the same amount and the same day."""
    first, now = tenant.open_checkout().payment, timezone.now()
    columns = {f.attname: getattr(first, f.attname) for f in Payment._meta.concrete_fields if not f.unique}
    return Payment.objects.bulk_create(
        Payment(**columns | {
            "reference": f"row{number:017d}", "amount": 1_000 + number % 3, "full_amount": None,
            "created_at": now - timedelta(days=number % 4), "purpose": f"Row {number}",
        })
        for number in range(count)
    )  # fmt: skip


@pytest.mark.parametrize(
    "query", ["", "sort=created", "sort=-amount", "sort=amount", "sort=-date", "sort=date", "q=row"]
)
def test_paging_shows_every_row_once_in_both_directions(tenant: Tenant, query: str) -> None:
    create_payments(tenant, 120)
    Payment.objects.exclude(reference__startswith="row").update(purpose="Row of a quote")
    forward = follow_links(tenant, query, "next")
    assert [len(page) for page in forward] == [50, 50, 21]
    assert len({row for page in forward for row in page}) == 121
    backward = follow_links(tenant, forward.last_address, "prev")
    assert backward[::-1] == forward


class Followed(list[list[str]]):
    """The rows of each page, and the address of the last one."""

    last_address = ""


def follow_links(tenant: Tenant, address: str, rel: str) -> Followed:
    """Every page from this address on, by the links that people press."""
    found = Followed()
    while True:
        page = get_page(tenant, address)
        found.append(re.findall(r"payments/(\w{20})\"", page))
        found.last_address = address
        link = re.search(rf'rel="{rel}" href="\?([^"]+)"', page)
        if link is None:
            return found
        address = link[1].replace("&amp;", "&")


@pytest.mark.parametrize("after", ["x", "1~", "~", "~5", "5~x", "9" * 40, "20x26~1", "%00~1", "-1", "1e5~2"])
@pytest.mark.parametrize("sort", ["", "-amount", "date"])
def test_a_page_that_is_none_is_the_first(paid: Checkout, sort: str, after: str) -> None:
    assert paid.payment.reference in get_page(paid.tenant, f"sort={sort}&after={after}")


def test_columns_are_those_that_were_chosen(paid: Checkout) -> None:
    page = get_page(
        paid.tenant, "columns=fee&columns=payout&columns=staff&columns=pf_numbers&columns=none&columns=gateway_id"
    )
    assert all(heading in page for heading in ("Fee", "Payout", "Refunded by", "PF numbers"))
    assert "A$10.94" in page
    assert "po_777" in page
    intent = paid.attempts[0].stripe_payment_intent_id
    assert f"/test/payments/{intent}" in page
    assert 'data-label="Payer"' not in page


def test_a_page_costs_six_statements_at_most(paid: Checkout) -> None:
    for query in ("", "q=ada+lind", "q=4242&standing=succeeded", "columns=fee&columns=pf_numbers&columns=staff"):
        get_page(paid.tenant, query)
        with CaptureQueriesContext(connection) as seen:
            get_page(paid.tenant, query)
        assert statements(seen) <= 6, "\n".join(row["sql"][:150] for row in seen.captured_queries)


def test_totals_are_those_of_the_list_in_each_currency(paid: Checkout) -> None:
    yen = paid.tenant.open_checkout(
        quote={"currency": "JPY"}, amounts={"one_time_total": "9000", "tax": "0", "due_now": "5000"}
    )
    yen.pay()
    page = paid.tenant.admin.get(paid.tenant.url("payments/totals")).content.decode()
    assert all(figure in page for figure in ("A$635.00", "A$1.00", "A$634.00", "JP¥5,000"))
    few = paid.tenant.admin.get(paid.tenant.url("payments/totals?q=4242&currency=AUD")).content.decode()
    assert "A$625.00" in few
    assert "JP¥" not in few
    assert paid.tenant.admin.get(paid.tenant.url("payments/totals?since=x")).status_code == 422


def test_a_file_has_the_rows_of_the_screen_with_every_column(paid: Checkout) -> None:
    tenant = paid.tenant
    assert len(read_csv(tenant)) == 2
    [row] = read_csv(tenant, q="4242", sort="-amount", columns="fee")
    expected = {
        "Payer": "Harbour Dental Pty Ltd", "State": "Refunded in part", "Method": "Visa ···· 4242", "Amount": "625.00",
        "Currency": "AUD", "Given back": "1.00", "Fee": "10.94", "Payout": "po_777", "Purchase order": "PO/77-b",
        "Reference": paid.payment.reference, "E-mail": "ada.lind@harbourdental.example", "Paid by": "Ada Lind",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    paid_at = paid.payment.paid_at
    assert paid_at is not None
    assert row["Paid"] == f"{paid_at.astimezone(tenant.merchant.zone):%Y-%m-%d %H:%M:%S}"
    headings, cells = read_sheet(read_file(tenant, "xlsx", q="4242"))
    found = {heading: cells.get(column) for column, heading in headings.items()}
    assert (found["Amount"], found["Payer"], found["Reference"]) == (
        "625.00",
        "Harbour Dental Pty Ltd",
        paid.payment.reference,
    )
    logged = AuditDetails.objects.filter(subject="Payments").order_by("pk").values_list("detail", flat=True)
    assert list(logged) == ["CSV", "CSV; Search: 4242", "XLSX; Search: 4242"]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\uff1dcmd", " =1"])
def test_no_cell_of_a_file_is_a_formula(paid: Checkout, name: str) -> None:
    """CWE-1236: a payer is free to be called what a spreadsheet would compute."""
    Attempt.objects.filter(payment=paid.payment).update(payer_name=name)
    [row] = read_csv(paid.tenant, q="4242")
    assert row["Paid by"] == f"'{name}"
    book = zipfile.ZipFile(io.BytesIO(read_file(paid.tenant, "xlsx", q="4242")))
    assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_a_file_of_many_rows_is_read_in_batches_and_misses_none(tenant: Tenant) -> None:
    create_payments(tenant, 2_100)
    with CaptureQueriesContext(connection) as seen:
        rows = read_csv(tenant, sort="-amount")
    assert len({row["Reference"] for row in rows}) == 2_101
    assert [row["Amount"] for row in rows] == sorted((row["Amount"] for row in rows), key=float, reverse=True)
    assert statements(seen) < 20


def test_a_workbook_has_a_limit_and_says_what_to_do(paid: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merchants.lists.MAX_XLSX_ROWS", 1)
    answer = paid.tenant.admin.get(paid.tenant.url("payments/export/xlsx?sort=-amount"), follow=True)
    assert "An Excel file holds at most" in answer.content.decode()
    assert "Choose days or other filters, or take CSV." in answer.content.decode()
    assert paid.tenant.admin.get(paid.tenant.url("payments/export/pdf")).status_code == 404


def test_somebody_who_takes_files_without_end_waits(paid: Checkout, settings: Settings) -> None:
    settings.FILES_PER_PERSON_HOUR = 1
    read_file(paid.tenant, "csv")
    answer = paid.tenant.admin.get(paid.tenant.url("payments/export/csv"))
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)
