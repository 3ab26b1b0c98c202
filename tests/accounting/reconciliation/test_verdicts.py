"""The result of a reconciliation comes from its figures: books of a former company, tasks ticked off, books never read.

After people's reports of a flag that counts as proof: kenlasko/monize#913 and firefly-iii/firefly-iii#3078, where what
was ticked off on one side counted as reconciled on the other one, which nobody had looked at.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, LedgerPayment, LedgerPaymentCursor, ManualTask, Posting
from accounting.reconciliation.differences import DifferenceKind
from payments.models import Attempt
from tests.accounting.reconciliation.builders import ReconciliationScenario
from tests.accounting.reconciliation.payment_cases import PaymentCase, build_month
from tests.accounting.reconciliation.test_discrepancies import reconcile_month
from tests.accounting.reconciliation.test_views import get_page, run_command
from tests.tenants import Tenant

FORMER, READ_BEFORE = "former-organisation", "former-organisation-read"
Change = Callable[[ReconciliationScenario, PaymentCase], None]


def get_posting(case: PaymentCase, kind: str = "payment") -> Posting:
    return Posting.objects.get(payment=case.payment, kind=kind)


def move_to(organisation_id: str, case: PaymentCase) -> None:
    """All of it was posted to another company's books."""
    Posting.objects.filter(payment=case.payment).update(sent_to=organisation_id)
    LedgerPayment.objects.filter(posting__payment=case.payment).update(organisation_id=organisation_id)


def tick_off(trade: ReconciliationScenario, case: PaymentCase, kind: str) -> Posting:
    """Somebody said that it was done by hand."""
    posting = get_posting(case, kind)
    Posting.objects.filter(pk=posting.pk).update(state="cancelled", ledger_id="")
    ManualTask.objects.create(
        merchant=trade.tenant.merchant,
        company=trade.company,
        payment_id=case.payment,
        posting=posting,
        kind=kind,
        title=f"Book {posting}",
        state="done",
        state_at=case.at,
        done_by=trade.tenant.user,
        note="Booked it, I think.",
    )
    return posting


def leave_unread(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting__payment=case.payment).delete()
    move_to(FORMER, case)


def lose_in_former_books(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting__payment=case.payment).delete()
    move_to(READ_BEFORE, case)


def misplace_in_former_books(trade: ReconciliationScenario, case: PaymentCase) -> None:
    move_to(READ_BEFORE, case)
    LedgerPayment.objects.filter(posting__payment=case.payment).update(account="999")


def tick_payment_off(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting=tick_off(trade, case, "payment")).delete()


def tick_refund_off(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting=tick_off(trade, case, "refund")).delete()


def enter_too_little(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting=tick_off(trade, case, "payment")).update(amount=case.amount - 700)


def enter_too_much(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting=tick_off(trade, case, "payment")).update(amount=case.amount + 700)


def enter_and_delete(trade: ReconciliationScenario, case: PaymentCase) -> None:
    LedgerPayment.objects.filter(posting=tick_off(trade, case, "payment")).update(is_standing=False)


def tick_off_in_former_books(trade: ReconciliationScenario, case: PaymentCase) -> None:
    tick_payment_off(trade, case)
    Posting.objects.filter(payment=case.payment).exclude(kind="payment").update(sent_to=FORMER)


# What is seeded, how often, and the name that it must be given; thirty in all.
SEEDS: list[tuple[Change, int, DifferenceKind]] = [
    (leave_unread, 4, DifferenceKind.FORMER_UNREAD),
    (lose_in_former_books, 4, DifferenceKind.DOCUMENT_MISSING),
    (misplace_in_former_books, 3, DifferenceKind.WRONG_ACCOUNT),
    (tick_payment_off, 5, DifferenceKind.BY_HAND_MISSING),
    (tick_refund_off, 4, DifferenceKind.BY_HAND_MISSING),
    (enter_too_little, 2, DifferenceKind.POSTING_MISSING),
    (enter_too_much, 2, DifferenceKind.BOOKED_TOO_MUCH),
    (enter_and_delete, 3, DifferenceKind.BY_HAND_MISSING),
    (tick_off_in_former_books, 3, DifferenceKind.BY_HAND_MISSING),
]


def build_trade(tenant: Tenant, count: int = 70) -> ReconciliationScenario:
    """A clean month, and a former company whose books were read."""
    trade = ReconciliationScenario(tenant, list(build_month(count, timezone.now())), timezone.now())
    trade.build()
    trade.read_stripe()
    LedgerPaymentCursor.objects.create(
        merchant=tenant.merchant,
        organisation_id=READ_BEFORE,
        begins_at=trade.now - timedelta(days=60),
        known_until=trade.now,
    )
    chosen = AccountingSettings.objects.get(merchant=tenant.merchant)
    chosen.by_organisation |= {READ_BEFORE: {"clearing_account": chosen.clearing_account, "name": "Northwind Old"}}
    chosen.save()
    return trade


def test_thirty_differences_of_former_books_and_ticked_tasks_are_all_named_and_nothing_else_is(
    any_tenant: Tenant,
) -> None:
    trade = build_trade(any_tenant)
    assert reconcile_month(trade).verdict == "agrees"
    refunded = [case for case in trade.cases if case.refunded]
    others = [case for case in trade.cases if not case.refunded]
    expected: Counter[tuple[str, int]] = Counter()
    for change, count, kind in SEEDS:
        for _ in range(count):
            case = (refunded if change is tick_refund_off else others).pop()
            change(trade, case)
            expected[kind.value, case.attempt] += 1
    report = reconcile_month(trade)
    found = Counter((row.kind.value, row.attempt or 0) for row in report.differences)
    assert found - expected == Counter()
    assert expected - found == Counter()
    assert sum(found.values()) == 30
    assert report.verdict == "differs"
    assert all(row.description and row.advice for row in report.differences)
    first, last = str(report.period.first), str(report.period.last)
    code, output = run_command(any_tenant, "--from", first, "--to", last, "--no-read")
    assert (code, output.splitlines()[-1]) == (1, "30 open differences")
    assert "in the books of Northwind Old" in output


def test_figures_of_each_company_stand_apart(tenant: Tenant) -> None:
    trade = build_trade(tenant, 12)
    moved = trade.cases[5]
    move_to(READ_BEFORE, moved)
    report = reconcile_month(trade)
    assert report.verdict == "agrees"
    amounts = {total.name: (total.stripe, total.ours, total.books) for total in report.totals}
    assert amounts["Northwind Old"] == (moved.amount,) * 3
    assert set(amounts) == {"Northwind Old", tenant.connection.organisation_name}
    page = get_page(tenant, f"days/{moved.day}")
    assert "In the books of Northwind Old" in page


def test_a_document_in_a_former_companys_books_is_never_passed_over_in_silence(tenant: Tenant) -> None:
    trade = build_trade(tenant, 12)
    leave_unread(trade, trade.cases[5])
    page = get_page(tenant, f"days/{trade.cases[5].day}")
    assert "Everything agrees" not in page
    assert "In the books of a former company, not read since" in page
    day = str(trade.cases[5].day)
    assert run_command(tenant, "--from", day, "--to", day, "--no-read")[0] == 1


def test_before_the_books_were_read_nothing_agrees(tenant: Tenant) -> None:
    trade = build_trade(tenant, 12)
    LedgerPaymentCursor.objects.update(known_until=None)
    page = get_page(tenant, f"days/{trade.cases[3].day}")
    assert "Not read yet" in page
    assert "Everything agrees" not in page
    day = str(trade.cases[3].day)
    assert run_command(tenant, "--from", day, "--to", day, "--no-read")[0] == 2


def test_what_nothing_names_is_a_difference_all_the_same(tenant: Tenant) -> None:
    trade = build_trade(tenant, 12)
    case = trade.cases[5]
    later = get_posting(case)
    Posting.objects.filter(pk=later.pk).update(on=case.day + timedelta(days=60))
    LedgerPayment.objects.filter(posting=later).update(is_standing=False)
    [row] = reconcile_month(trade).differences
    assert (row.kind, row.attempt, row.gap.amount) == (DifferenceKind.UNEXPLAINED, case.attempt, -case.amount)


def test_what_was_just_ticked_off_waits_for_the_next_reading(tenant: Tenant) -> None:
    trade = build_trade(tenant, 12)
    case = trade.cases[-1]
    tick_payment_off(trade, case)
    Posting.objects.filter(pk=get_posting(case).pk).update(state_at=trade.now)
    report = reconcile_month(trade)
    assert (report.verdict, report.differences) == ("apart", [])
    assert "settled by hand" in " ".join(total.why for total in report.totals)
    page = get_page(tenant, f"days/{case.day}")
    assert "Nothing is open" in page
    assert "to the cent" not in page


@pytest.mark.parametrize("kind", [DifferenceKind.BY_HAND_MISSING])
def test_a_payment_that_was_ticked_off_says_who_has_to_look(tenant: Tenant, kind: DifferenceKind) -> None:
    trade = build_trade(tenant, 12)
    tick_payment_off(trade, trade.cases[5])
    [row] = reconcile_month(trade).differences
    assert (row.kind, row.gap.amount) == (kind, -trade.cases[5].amount)
    assert row.payer
    assert Attempt.objects.get(payment=trade.cases[5].payment).payment.reference in row.path
