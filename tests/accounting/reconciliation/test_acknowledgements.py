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
from accounting.reconciliation.acknowledgements import record_acknowledgement, sign_difference
from accounting.reconciliation.differences import Difference, DifferenceKind
from accounting.reconciliation.report import ReconciliationReport
from tests.accounting.reconciliation.builders import ReconciliationScenario
from tests.accounting.reconciliation.payment_cases import CLEARING, PaymentCase, build_month
from tests.accounting.reconciliation.test_discrepancies import reconcile_month
from tests.accounting.reconciliation.test_views import get_page, run_command
from tests.tenants import Tenant
from wisepay.models import AuditEntry

REASON = "The bookkeeper paid it from petty cash."


@pytest.fixture
def trade(tenant: Tenant) -> ReconciliationScenario:
    """A month with one payment over another amount in the books, and one that is not in them."""
    made = ReconciliationScenario(tenant, list(build_month(12, timezone.now())), timezone.now())
    made.cases[7].posting = ""
    made.build()
    made.read_stripe()
    edit_amount(made.cases[4], by=9)
    return made


def edit_amount(deal: PaymentCase, *, by: int) -> None:
    """A bookkeeper makes a payment so much smaller."""
    LedgerPayment.objects.filter(ledger_id=deal.ids["payment"]).update(amount=deal.amount - by)


def open_kinds(report: ReconciliationReport) -> list[str]:
    return sorted(row.kind.value for row in report.open_differences)


def get_difference(trade: ReconciliationScenario, kind: DifferenceKind) -> Difference:
    [row] = [row for row in reconcile_month(trade).differences if row.kind == kind]
    return row


def find_signed_difference(page: str, label: str) -> str:
    """What the form of the difference with this label would send back."""
    row = next(part for part in page.split("<tr>") if f">{label}</span>" in part and "Mark as known" in part)
    found = re.search(r'name="shown" value="([^"]+)"', row)
    assert found
    return found[1]


def post_form(tenant: Tenant, tail: str, **form: str) -> HttpResponse:
    answer: Any = tenant.admin.post(tenant.url(f"reconciliation/{tail}"), form)
    assert isinstance(answer, HttpResponse)
    return answer


def acknowledge(trade: ReconciliationScenario, kind: DifferenceKind, why: str = REASON) -> Acknowledgement:
    """Somebody knows of the one difference of this kind."""
    shown = sign_difference(trade.tenant.merchant, get_difference(trade, kind))
    return record_acknowledgement(
        trade.tenant.merchant, shown=shown, reason=why, by=trade.tenant.user, now=timezone.now()
    )


def test_a_known_difference_is_shown_apart_and_not_counted_as_open(
    tenant: Tenant, trade: ReconciliationScenario
) -> None:
    day = trade.cases[4].day
    page = get_page(tenant, month=f"{day:%Y-%m}")
    answer = post_form(
        tenant,
        "acknowledgements",
        shown=find_signed_difference(page, DifferenceKind.DOCUMENT_AMOUNT.label),
        reason=REASON,
    )
    assert answer.headers["Location"] == tenant.url(f"reconciliation/?month={day:%Y-%m}")
    report = reconcile_month(trade)
    assert open_kinds(report) == ["posting_missing"]
    assert [row.kind for row in report.known_differences] == [DifferenceKind.DOCUMENT_AMOUNT]
    page = get_page(tenant, f"days/{day}")
    assert "Known differences" in page
    assert REASON in page
    assert "Nothing is open" in page
    assert "Mark as known" not in page


def test_who_knows_since_when_and_why_is_saved_and_audited(tenant: Tenant, trade: ReconciliationScenario) -> None:
    word = acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT)
    assert (word.acknowledged_by, word.reason, word.amount, word.currency) == (tenant.user, REASON, -9, "AUD")
    post_form(
        tenant,
        "acknowledgements",
        shown=sign_difference(tenant.merchant, get_difference(trade, DifferenceKind.POSTING_MISSING)),
        reason="Soon.",
    )
    entry = AuditEntry.objects.get(action="reconciliation.known")
    assert (entry.user, entry.detail) == (tenant.user, "Soon.")
    assert entry.subject.startswith("posting_missing")
    assert reconcile_month(trade).is_clean


def test_a_word_is_taken_back_and_stays_in_the_audit_log(tenant: Tenant, trade: ReconciliationScenario) -> None:
    word = acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT)
    path = f"acknowledgements/{word.reference}/removals"
    assert post_form(tenant, path, back="day").headers["Location"] == tenant.url(f"reconciliation/days/{word.on}")
    post_form(tenant, path)
    word.refresh_from_db()
    assert word.retracted_by == tenant.user
    assert open_kinds(reconcile_month(trade)) == ["document_amount", "posting_missing"]
    assert AuditEntry.objects.filter(action="reconciliation.open_again").count() == 1
    assert acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT).pk != word.pk


def test_it_is_open_again_by_itself_when_the_amount_changes(tenant: Tenant, trade: ReconciliationScenario) -> None:
    acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT)
    edit_amount(trade.cases[4], by=10)
    row = get_difference(trade, DifferenceKind.DOCUMENT_AMOUNT)
    assert row.known is None
    assert row.known_before is not None
    assert row.known_before.reason == REASON
    page = get_page(tenant, month=f"{row.day:%Y-%m}")
    assert "knew of it before it changed" in page
    edit_amount(trade.cases[4], by=9)
    assert get_difference(trade, DifferenceKind.DOCUMENT_AMOUNT).known is not None


def test_a_second_one_like_it_is_not_known(tenant: Tenant, trade: ReconciliationScenario) -> None:
    def enter(ledger_id: str) -> None:
        LedgerPayment.objects.create(
            merchant=tenant.merchant,
            organisation_id=tenant.connection.organisation_id,
            ledger_id=ledger_id,
            is_received=True,
            is_standing=True,
            amount=4_200,
            currency="AUD",
            on=trade.cases[0].day,
            account=CLEARING,
            document_number="INV-1",
            read_at=trade.now - timedelta(hours=1),
        )

    enter("by-hand-1")
    acknowledge(trade, DifferenceKind.CLEARING_FOREIGN)
    enter("by-hand-2")
    report = reconcile_month(trade)
    assert [row.kind for row in report.known_differences] == [DifferenceKind.CLEARING_FOREIGN]
    assert open_kinds(report).count("clearing_foreign") == 1


def test_two_people_who_say_the_same_leave_one_word(tenant: Tenant, trade: ReconciliationScenario) -> None:
    row = get_difference(trade, DifferenceKind.DOCUMENT_AMOUNT)
    words = {acknowledge(trade, row.kind, why).pk for why in (REASON, "Something else.")}
    assert len(words) == 1
    assert Acknowledgement.objects.get().reason == REASON


def test_without_a_reason_or_with_another_merchants_difference_nothing_is_known(
    tenant: Tenant, stranger: Tenant, trade: ReconciliationScenario
) -> None:
    row = get_difference(trade, DifferenceKind.DOCUMENT_AMOUNT)
    assert (
        post_form(tenant, "acknowledgements", shown=sign_difference(tenant.merchant, row), reason="  ").status_code
        == 302
    )
    theirs = sign_difference(stranger.merchant, row)
    assert post_form(tenant, "acknowledgements", shown=theirs, reason=REASON).status_code == 404
    assert post_form(tenant, "acknowledgements", shown=theirs[:-1], reason=REASON).status_code == 404
    assert not Acknowledgement.objects.exists()
    word = acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT)
    assert post_form(stranger, f"acknowledgements/{word.reference}/removals").status_code == 404
    assert get_difference(trade, DifferenceKind.DOCUMENT_AMOUNT).known is not None


def test_the_csv_says_what_is_known_by_whom_and_why(tenant: Tenant, trade: ReconciliationScenario) -> None:
    acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT, "=HYPERLINK(1)")
    days = ("--from", str(trade.cases[0].day), "--to", str(trade.cases[-1].day), "--no-read")
    rows = list(csv.DictReader(io.StringIO(run_command(tenant, *days, "--csv")[1])))
    assert all(None not in row and None not in row.values() for row in rows)
    [known] = [row for row in rows if row["row"] == "known"]
    assert (known["what"], known["known_by"]) == ("document_amount", str(tenant.user))
    assert known["known_because"] == "'=HYPERLINK(1)"
    assert [row["what"] for row in rows if row["row"] == "difference"] == ["posting_missing"]


def test_the_command_counts_what_is_open_and_says_what_is_known(tenant: Tenant, trade: ReconciliationScenario) -> None:
    days = ("--from", str(trade.cases[0].day), "--to", str(trade.cases[-1].day), "--no-read")
    code, output = run_command(tenant, *days)
    assert (code, output.splitlines()[-1]) == (1, "2 open differences")
    acknowledge(trade, DifferenceKind.DOCUMENT_AMOUNT)
    code, output = run_command(tenant, *days)
    assert (code, output.splitlines()[-1]) == (1, "1 open difference; 1 known")
    assert REASON in output
    acknowledge(trade, DifferenceKind.POSTING_MISSING, "It is booked next week.")
    code, output = run_command(tenant, *days)
    assert code == 0
    assert re.fullmatch(r"Nothing is open; the figures are A\$[\d.,]+ apart; 2 known", output.splitlines()[-1])
    assert "agrees" not in output.splitlines()[-1]
