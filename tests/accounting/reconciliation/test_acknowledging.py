"""Differences that somebody knows of: apart from the open ones, until they change or the word is taken back."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone

from accounting.models import Acknowledgement, LedgerPayment
from accounting.reconciliation.acknowledging import acknowledge, shown_as
from accounting.reconciliation.report import Report
from accounting.reconciliation.words import Difference, Kind
from tests.accounting.reconciliation.deals import CLEARING, Deal, month_of_deals
from tests.accounting.reconciliation.stage import Trade
from tests.accounting.reconciliation.test_discrepancies import looked_at
from tests.accounting.reconciliation.test_pages import get, run
from tests.people import House
from wisepay.models import AuditEntry

WHY = "The bookkeeper paid it from petty cash."


@pytest.fixture
def trade(house: House) -> Trade:
    """A month with one payment over another amount in the books, and one that is not in them."""
    made = Trade(house, list(month_of_deals(12, timezone.now())), timezone.now())
    made.deals[7].posting = ""
    made.build()
    made.read()
    edit(made.deals[4], by=9)
    return made


def edit(deal: Deal, *, by: int) -> None:
    """A bookkeeper makes a payment so much smaller."""
    LedgerPayment.objects.filter(ledger_id=deal.ids["payment"]).update(amount=deal.amount - by)


def open_kinds(report: Report) -> list[str]:
    return sorted(row.kind.value for row in report.open)


def one(trade: Trade, kind: Kind) -> Difference:
    [row] = [row for row in looked_at(trade).differences if row.kind == kind]
    return row


def shown_on(page: str, label: str) -> str:
    """What the form of the difference with this label would send back."""
    row = next(part for part in page.split("<tr>") if f">{label}</span>" in part and "Mark as known" in part)
    found = re.search(r'name="shown" value="([^"]+)"', row)
    assert found
    return found[1]


def post(house: House, tail: str, **form: str) -> HttpResponse:
    answer: Any = house.admin.post(house.url(f"reconciliation/{tail}"), form)
    assert isinstance(answer, HttpResponse)
    return answer


def say(trade: Trade, kind: Kind, why: str = WHY) -> Acknowledgement:
    """Somebody knows of the one difference of this kind."""
    shown = shown_as(trade.house.merchant, one(trade, kind))
    return acknowledge(trade.house.merchant, shown=shown, because=why, by=trade.house.user, now=timezone.now())


def test_a_known_difference_is_shown_apart_and_not_counted_as_open(house: House, trade: Trade) -> None:
    day = trade.deals[4].day
    page = get(house, month=f"{day:%Y-%m}")
    answer = post(house, "acknowledgements", shown=shown_on(page, Kind.DOCUMENT_AMOUNT.label), because=WHY)
    assert answer.headers["Location"] == house.url(f"reconciliation/?month={day:%Y-%m}")
    report = looked_at(trade)
    assert open_kinds(report) == ["posting_missing"]
    assert [row.kind for row in report.known] == [Kind.DOCUMENT_AMOUNT]
    page = get(house, f"days/{day}")
    assert "Known differences" in page
    assert WHY in page
    assert "Nothing is open" in page
    assert "Mark as known" not in page


def test_who_knows_since_when_and_why_is_kept_and_audited(house: House, trade: Trade) -> None:
    word = say(trade, Kind.DOCUMENT_AMOUNT)
    assert (word.said_by, word.because, word.amount, word.currency) == (house.user, WHY, -9, "AUD")
    post(house, "acknowledgements", shown=shown_as(house.merchant, one(trade, Kind.POSTING_MISSING)), because="Soon.")
    entry = AuditEntry.objects.get(act="reconciliation.known")
    assert (entry.user, entry.detail) == (house.user, "Soon.")
    assert entry.subject.startswith("posting_missing")
    assert looked_at(trade).is_clean


def test_a_word_is_taken_back_and_stays_in_the_audit_log(house: House, trade: Trade) -> None:
    word = say(trade, Kind.DOCUMENT_AMOUNT)
    path = f"acknowledgements/{word.reference}/removals"
    assert post(house, path, back="day").headers["Location"] == house.url(f"reconciliation/days/{word.on}")
    post(house, path)
    word.refresh_from_db()
    assert word.taken_back_by == house.user
    assert open_kinds(looked_at(trade)) == ["document_amount", "posting_missing"]
    assert AuditEntry.objects.filter(act="reconciliation.open_again").count() == 1
    assert say(trade, Kind.DOCUMENT_AMOUNT).pk != word.pk


def test_it_is_open_again_by_itself_when_the_amount_changes(house: House, trade: Trade) -> None:
    say(trade, Kind.DOCUMENT_AMOUNT)
    edit(trade.deals[4], by=10)
    row = one(trade, Kind.DOCUMENT_AMOUNT)
    assert row.known is None
    assert row.was is not None
    assert row.was.because == WHY
    page = get(house, month=f"{row.day:%Y-%m}")
    assert "knew of it before it changed" in page
    edit(trade.deals[4], by=9)
    assert one(trade, Kind.DOCUMENT_AMOUNT).known is not None


def test_a_second_one_like_it_is_not_known(house: House, trade: Trade) -> None:
    def enter(ledger_id: str) -> None:
        LedgerPayment.objects.create(
            merchant=house.merchant,
            organisation_id=house.connection.organisation_id,
            ledger_id=ledger_id,
            is_received=True,
            is_standing=True,
            amount=4_200,
            currency="AUD",
            on=trade.deals[0].day,
            account=CLEARING,
            document_number="INV-1",
            read_at=trade.now - timedelta(hours=1),
        )

    enter("by-hand-1")
    say(trade, Kind.CLEARING_FOREIGN)
    enter("by-hand-2")
    report = looked_at(trade)
    assert [row.kind for row in report.known] == [Kind.CLEARING_FOREIGN]
    assert open_kinds(report).count("clearing_foreign") == 1


def test_two_people_who_say_the_same_leave_one_word(house: House, trade: Trade) -> None:
    row = one(trade, Kind.DOCUMENT_AMOUNT)
    words = {say(trade, row.kind, why).pk for why in (WHY, "Something else.")}
    assert len(words) == 1
    assert Acknowledgement.objects.get().because == WHY


def test_without_a_reason_or_with_another_merchants_difference_nothing_is_known(
    house: House, stranger: House, trade: Trade
) -> None:
    row = one(trade, Kind.DOCUMENT_AMOUNT)
    assert post(house, "acknowledgements", shown=shown_as(house.merchant, row), because="  ").status_code == 302
    theirs = shown_as(stranger.merchant, row)
    assert post(house, "acknowledgements", shown=theirs, because=WHY).status_code == 404
    assert post(house, "acknowledgements", shown=theirs[:-1], because=WHY).status_code == 404
    assert not Acknowledgement.objects.exists()
    word = say(trade, Kind.DOCUMENT_AMOUNT)
    assert post(stranger, f"acknowledgements/{word.reference}/removals").status_code == 404
    assert one(trade, Kind.DOCUMENT_AMOUNT).known is not None


def test_the_csv_says_what_is_known_by_whom_and_why(house: House, trade: Trade) -> None:
    say(trade, Kind.DOCUMENT_AMOUNT, "=HYPERLINK(1)")
    days = ("--from", str(trade.deals[0].day), "--to", str(trade.deals[-1].day), "--no-read")
    rows = list(csv.DictReader(io.StringIO(run(house, *days, "--csv")[1])))
    assert all(None not in row and None not in row.values() for row in rows)
    [known] = [row for row in rows if row["row"] == "known"]
    assert (known["what"], known["known_by"]) == ("document_amount", str(house.user))
    assert known["known_because"] == "'=HYPERLINK(1)"
    assert [row["what"] for row in rows if row["row"] == "difference"] == ["posting_missing"]


def test_the_command_counts_what_is_open_and_says_what_is_known(house: House, trade: Trade) -> None:
    days = ("--from", str(trade.deals[0].day), "--to", str(trade.deals[-1].day), "--no-read")
    code, said = run(house, *days)
    assert (code, said.splitlines()[-1]) == (1, "2 open differences")
    say(trade, Kind.DOCUMENT_AMOUNT)
    code, said = run(house, *days)
    assert (code, said.splitlines()[-1]) == (1, "1 open difference; 1 known")
    assert WHY in said
    say(trade, Kind.POSTING_MISSING, "It is booked next week.")
    code, said = run(house, *days)
    assert (code, said.splitlines()[-1]) == (0, "Everything agrees; 2 known")
