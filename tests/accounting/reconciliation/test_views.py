"""Reconciliation on the console, as CSV, and by command."""

import csv
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounting.models import LedgerPaymentCursor, Posting
from payments.models import BalanceTransactionCursor, Payout
from tests.accounting.reconciliation.builders import ReconciliationScenario
from tests.accounting.reconciliation.payment_cases import ZONE, PaymentCase, build_month
from tests.tenants import Tenant, give_role
from wisepay.models import OutboxMessage


@pytest.fixture
def trade(tenant: Tenant) -> ReconciliationScenario:
    """A month with one payment that is not in the books."""
    made = ReconciliationScenario(tenant, list(build_month(30, timezone.now())), timezone.now(), foreign_charges=1)
    made.cases[20].posting = ""
    made.build()
    made.read_stripe()
    return made


def find_mistaken_case(trade: ReconciliationScenario) -> PaymentCase:
    return trade.cases[20]


def get_page(tenant: Tenant, tail: str = "", **query: str) -> str:
    answer = tenant.admin.get(tenant.url(f"reconciliation/{tail}"), query)
    assert answer.status_code == 200
    return answer.getvalue().decode()


def run_command(tenant: Tenant, *args: str) -> tuple[int, str]:
    """What the command says, and its exit code."""
    out = io.StringIO()
    try:
        call_command("reconcile", tenant.merchant.reference, *args, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_the_month_shows_what_differs_first_with_the_way_there(tenant: Tenant, trade: ReconciliationScenario) -> None:
    day = find_mistaken_case(trade).day
    page = get_page(tenant, month=f"{day:%Y-%m}")
    assert "Not in the books" in page
    assert tenant.url(f"payments/{find_mistaken_case(trade).reference}") in page
    assert page.index("Not in the books") < page.index("Days")
    assert "Money in by method" in page
    assert "<rect" in page
    assert "style=" not in page


def test_a_day_shows_every_movement(tenant: Tenant, trade: ReconciliationScenario) -> None:
    deal = find_mistaken_case(trade)
    page = get_page(tenant, f"days/{deal.day}")
    assert "Not in the books" in page
    assert page.count('scope="row"') >= 2
    assert get_page(tenant, "days/2001-01-01").count("No money moved") == 1


def test_a_payout_shows_its_lines_and_that_it_adds_up(tenant: Tenant, trade: ReconciliationScenario) -> None:
    payout = Payout.objects.order_by("-created_at")[3]
    page = get_page(tenant, f"payouts/{payout.stripe_payout_id}")
    assert "It adds up" in page
    assert tenant.admin.get(tenant.url("reconciliation/payouts/po_other")).status_code == 404


def test_the_accounts_page_explains_both_accounts(tenant: Tenant, trade: ReconciliationScenario) -> None:
    page = get_page(tenant, "accounts", month=f"{find_mistaken_case(trade).day:%Y-%m}")
    assert "Clearing account, AUD" in page
    assert "Prepayments account, AUD" in page
    assert "Why it is not zero" in page
    assert page.index("Closing") < page.index("Opening")


@pytest.mark.parametrize("tail", ["?month=2026-13", "?month=x", "?month=0001-01", "days/2026-02-30", "days/9999-01-01"])
def test_what_is_no_day_is_not_found(tenant: Tenant, tail: str) -> None:
    assert tenant.admin.get(tenant.url(f"reconciliation/{tail}")).status_code == 404


def test_before_stripe_was_read_the_page_says_so(tenant: Tenant) -> None:
    assert "Stripe was not read yet" in get_page(tenant)
    tenant.admin.post(tenant.url("reconciliation/readings"))
    waiting = OutboxMessage.objects.filter(handler__in=["payments.read_movements", "accounting.read_ledger_payments"])
    assert waiting.filter(state="pending").count() == 2


def test_the_csv_has_every_item_and_every_difference(tenant: Tenant, trade: ReconciliationScenario) -> None:
    day = find_mistaken_case(trade).day
    rows = list(csv.DictReader(io.StringIO(get_page(tenant, "export.csv", month=f"{day:%Y-%m}"))))
    items = [row for row in rows if row["row"] == "item"]
    charged = [deal for deal in trade.cases if f"{deal.at.astimezone(ZONE):%Y-%m}" == f"{day:%Y-%m}"]
    assert len([row for row in items if row["what"] == "charge"]) >= len(charged)
    ours = [row for row in items if row["payment"]]
    assert {row["payment"] for row in ours} >= {deal.reference for deal in charged}
    assert all(row["payer"] and row["subject"] for row in ours), "whose money it is"
    known = set(Posting.objects.values_list("number", flat=True))
    assert {row["pf_number"] for row in ours} - {""} <= known
    assert any(row["pf_number"] for row in ours)
    [missing] = [row for row in rows if row["what"] == "posting_missing"]
    assert (missing["row"], missing["currency"]) == ("difference", "AUD")
    assert missing["books"] == f"-{find_mistaken_case(trade).amount / 100:.2f}"


def test_no_cell_of_the_csv_is_a_formula(tenant: Tenant, trade: ReconciliationScenario) -> None:
    Posting.objects.filter(kind="payment", payment=trade.cases[4].payment).update(number="=1+1", state="rejected")
    text = get_page(tenant, "export.csv", month=f"{trade.cases[4].day:%Y-%m}")
    assert "'=1+1" in text
    assert ",=1+1" not in text


def test_the_command_says_what_differs_and_ends_with_one(tenant: Tenant, trade: ReconciliationScenario) -> None:
    first, last = str(trade.cases[0].day), str(timezone.now().astimezone(ZONE).date())
    code, output = run_command(tenant, "--from", first, "--to", last, "--no-read")
    assert code == 1
    assert "Not in the books" in output
    assert "2 open differences" in output
    code, output = run_command(tenant, "--from", first, "--to", last, "--no-read", "--csv")
    assert code == 1
    assert output.splitlines()[0].startswith("row,day,")


def test_the_command_ends_with_nothing_when_all_agrees(tenant: Tenant, trade: ReconciliationScenario) -> None:
    day = str(trade.cases[3].day)
    assert run_command(tenant, "--from", day, "--to", day, "--no-read")[0] == 0


def test_the_command_ends_with_two_when_it_cannot_judge(tenant: Tenant) -> None:
    assert run_command(tenant, "--no-read") == (2, "Stripe was not read yet. Leave --no-read out.")
    assert run_command(tenant, "--from", "2026-02-02", "--to", "2026-02-01", "--no-read")[0] == 2
    tenant.merchant.reference = "nobody"
    assert run_command(tenant)[0] == 2


def test_others_see_nothing_of_it(tenant: Tenant, stranger: Tenant) -> None:
    answer: Any = stranger.admin.get(tenant.url("reconciliation/"))
    assert answer.status_code == 404
    give_role(tenant.merchant, "user")
    assert tenant.admin.get(tenant.url("reconciliation/")).status_code == 403
    assert "Reconciliation" not in tenant.admin.get(tenant.url("quotes/"), follow=True).content.decode()


def test_the_command_ends_with_two_when_the_books_could_not_be_read(
    tenant: Tenant, trade: ReconciliationScenario
) -> None:
    tenant.merchant.connections.all().delete()
    day = str(trade.cases[3].day)
    code, output = run_command(tenant, "--from", day, "--to", day)
    assert (code, output) == (2, "Books: No accounting package is connected.")


def test_days_of_another_stripe_account_are_not_judged(tenant: Tenant, trade: ReconciliationScenario) -> None:
    BalanceTransactionCursor.objects.update(begins_at=trade.now)
    day = str(find_mistaken_case(trade).day)
    assert "Nothing is known of then" in get_page(tenant, f"days/{day}")
    code, output = run_command(tenant, "--from", day, "--to", day, "--no-read")
    assert code == 2
    assert "Another Stripe account" in output


def test_before_the_books_were_read_the_page_says_what_it_believes(
    tenant: Tenant, trade: ReconciliationScenario
) -> None:
    LedgerPaymentCursor.objects.update(known_until=None)
    assert "what was posted counts as booked" in get_page(tenant, f"days/{trade.cases[3].day}")
