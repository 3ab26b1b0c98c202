"""Reconciliation on the console, as CSV, and by command."""

import csv
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounting.models import MoneyCursor, Posting
from payments.models import MovementCursor, Payout
from tests.accounting.reconciliation.deals import ZONE, Deal, month_of_deals
from tests.accounting.reconciliation.stage import Trade
from tests.people import House
from wisepay.models import OutboxMessage


@pytest.fixture
def trade(house: House) -> Trade:
    """A month with one payment that is not in the books."""
    made = Trade(house, list(month_of_deals(30, timezone.now())), timezone.now(), strangers=1)
    made.deals[20].posting = ""
    made.build()
    made.read()
    return made


def spoilt(trade: Trade) -> Deal:
    return trade.deals[20]


def get(house: House, tail: str = "", **query: str) -> str:
    answer = house.admin.get(house.url(f"reconciliation/{tail}"), query)
    assert answer.status_code == 200
    return answer.getvalue().decode()


def run(house: House, *args: str) -> tuple[int, str]:
    """What the command says, and its exit code."""
    out = io.StringIO()
    try:
        call_command("reconcile", house.merchant.reference, *args, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_the_month_shows_what_differs_first_with_the_way_there(house: House, trade: Trade) -> None:
    day = spoilt(trade).day
    page = get(house, month=f"{day:%Y-%m}")
    assert "Not in the books" in page
    assert house.url(f"payments/{spoilt(trade).reference}") in page
    assert page.index("Not in the books") < page.index("Days")
    assert "Money in by method" in page
    assert "<rect" in page
    assert "style=" not in page


def test_a_day_shows_every_movement(house: House, trade: Trade) -> None:
    deal = spoilt(trade)
    page = get(house, f"days/{deal.day}")
    assert "Not in the books" in page
    assert page.count('scope="row"') >= 2
    assert get(house, "days/2001-01-01").count("No money moved") == 1


def test_a_payout_shows_its_lines_and_that_it_adds_up(house: House, trade: Trade) -> None:
    payout = Payout.objects.order_by("-made_at")[3]
    page = get(house, f"payouts/{payout.stripe_payout_id}")
    assert "It adds up" in page
    assert house.admin.get(house.url("reconciliation/payouts/po_other")).status_code == 404


def test_the_accounts_page_explains_both_accounts(house: House, trade: Trade) -> None:
    page = get(house, "accounts", month=f"{spoilt(trade).day:%Y-%m}")
    assert "Clearing account, AUD" in page
    assert "Prepayments account, AUD" in page
    assert "Why it is not zero" in page
    assert page.index("Closing") < page.index("Opening")


@pytest.mark.parametrize("tail", ["?month=2026-13", "?month=x", "?month=0001-01", "days/2026-02-30", "days/9999-01-01"])
def test_what_is_no_day_is_not_found(house: House, tail: str) -> None:
    assert house.admin.get(house.url(f"reconciliation/{tail}")).status_code == 404


def test_before_stripe_was_read_the_page_says_so(house: House) -> None:
    assert "Stripe was not read yet" in get(house)
    house.admin.post(house.url("reconciliation/readings"))
    waiting = OutboxMessage.objects.filter(handler__in=["payments.read_movements", "accounting.read_ledger_payments"])
    assert waiting.filter(state="pending").count() == 2


def test_the_csv_has_every_item_and_every_difference(house: House, trade: Trade) -> None:
    day = spoilt(trade).day
    rows = list(csv.DictReader(io.StringIO(get(house, "export.csv", month=f"{day:%Y-%m}"))))
    items = [row for row in rows if row["row"] == "item"]
    charged = [deal for deal in trade.deals if f"{deal.at.astimezone(ZONE):%Y-%m}" == f"{day:%Y-%m}"]
    assert len([row for row in items if row["what"] == "charge"]) >= len(charged)
    [missing] = [row for row in rows if row["what"] == "posting_missing"]
    assert (missing["row"], missing["currency"]) == ("difference", "AUD")
    assert missing["books"] == f"-{spoilt(trade).amount / 100:.2f}"


def test_no_cell_of_the_csv_is_a_formula(house: House, trade: Trade) -> None:
    Posting.objects.filter(kind="payment", payment=trade.deals[4].payment).update(number="=1+1", state="rejected")
    text = get(house, "export.csv", month=f"{trade.deals[4].day:%Y-%m}")
    assert "'=1+1" in text
    assert ",=1+1" not in text


def test_the_command_says_what_differs_and_ends_with_one(house: House, trade: Trade) -> None:
    first, last = str(trade.deals[0].day), str(timezone.now().astimezone(ZONE).date())
    code, said = run(house, "--from", first, "--to", last, "--no-read")
    assert code == 1
    assert "Not in the books" in said
    assert "2 open differences" in said
    code, said = run(house, "--from", first, "--to", last, "--no-read", "--csv")
    assert code == 1
    assert said.splitlines()[0].startswith("row,day,")


def test_the_command_ends_with_nothing_when_all_agrees(house: House, trade: Trade) -> None:
    day = str(trade.deals[3].day)
    assert run(house, "--from", day, "--to", day, "--no-read")[0] == 0


def test_the_command_ends_with_two_when_it_cannot_judge(house: House) -> None:
    assert run(house, "--no-read") == (2, "Stripe was not read yet. Leave --no-read out.")
    assert run(house, "--from", "2026-02-02", "--to", "2026-02-01", "--no-read")[0] == 2
    house.merchant.reference = "nobody"
    assert run(house)[0] == 2


def test_others_see_nothing_of_it(house: House, stranger: House) -> None:
    answer: Any = stranger.admin.get(house.url("reconciliation/"))
    assert answer.status_code == 404
    house.merchant.memberships.update(role="user")
    assert house.admin.get(house.url("reconciliation/")).status_code == 403
    assert "Reconciliation" not in house.admin.get(house.url("quotes/"), follow=True).content.decode()


def test_the_command_ends_with_two_when_the_books_could_not_be_read(house: House, trade: Trade) -> None:
    house.merchant.connections.all().delete()
    day = str(trade.deals[3].day)
    code, said = run(house, "--from", day, "--to", day)
    assert (code, said) == (2, "Books: No accounting package is connected.")


def test_days_of_another_stripe_account_are_not_judged(house: House, trade: Trade) -> None:
    MovementCursor.objects.update(begins_at=trade.now)
    day = str(spoilt(trade).day)
    assert "Nothing is known of then" in get(house, f"days/{day}")
    code, said = run(house, "--from", day, "--to", day, "--no-read")
    assert code == 2
    assert "Another Stripe account" in said


def test_before_the_books_were_read_the_page_says_what_it_believes(house: House, trade: Trade) -> None:
    MoneyCursor.objects.update(known_until=None)
    assert "what was posted counts as booked" in get(house, f"days/{trade.deals[3].day}")
