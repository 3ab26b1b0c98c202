"""Decisions without tables: days, clock changes, competing mappings, methods that can't pay, limits, retries."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounting.autopay.decisions import (
    RUN_TIME,
    ChargePlan,
    find_day_of_month,
    get_instant,
    get_next_late_run,
    get_retry_run,
    get_run_date,
    plan_charge,
)
from accounting.autopay.planning import (
    CancelSchedule,
    CreateSchedule,
    HoldSchedule,
    UpdateSchedule,
    find_schedule_change,
)
from accounting.autopay.retries import HARD_DECLINES, FailedCharge, get_failure_kind, plan_next_step
from accounting.autopay.snapshots import (
    AutoPayRules,
    CurrentSchedule,
    DecisionContext,
    InvoiceSnapshot,
    MappingSnapshot,
    MethodSnapshot,
    ScheduledCharge,
    SkipReason,
    TermSnapshot,
)

SYDNEY = ZoneInfo("Australia/Sydney")
NOW = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)  # 1 pm on 10 March in Sydney
KEY = ("org", "theme")
TERM = TermSnapshot(1, "Net 7", False, "due_date", 0, True, True)
CARD = MethodSnapshot(1, "card", "Visa ···· 4242", True, date(2034, 12, 31))
OTHER = MethodSnapshot(2, "card", "Mastercard ···· 4444", True, date(2034, 12, 31))
BANK = MethodSnapshot(3, "au_becs_debit", "Practice Bank ···· 6789", True, None)
INVOICE = InvoiceSnapshot(1, 7, "AUD", "open", 10_000, 0, date(2026, 3, 10), date(2026, 3, 20), KEY)
MAPPING = MappingSnapshot(1, 7, None, 1, None, False)
CURRENT = CurrentSchedule(5, "scheduled", 10_000, datetime(2026, 3, 19, 19, tzinfo=UTC), 1, 1, False, False)


def build_context(
    *mappings: MappingSnapshot, term: TermSnapshot = TERM, methods: tuple[MethodSnapshot, ...] = (), **rules: object
) -> DecisionContext:
    """The decision context of one company."""
    methods_by_id = {method.id: method for method in (CARD, OTHER, BANK)} | {method.id: method for method in methods}
    chosen = replace(AutoPayRules(SYDNEY), **rules)  # type: ignore[arg-type]
    return DecisionContext(chosen, {KEY: term}, {7: list(mappings or (MAPPING,))}, methods_by_id)


def plan_for(
    invoice: InvoiceSnapshot = INVOICE, of: DecisionContext | None = None, *, now: datetime = NOW
) -> ChargePlan:
    """The decision, which has to be to charge."""
    found = plan_charge(invoice, of or build_context(), now=now)
    assert isinstance(found, ChargePlan), found
    return found


def skip_for(
    invoice: InvoiceSnapshot = INVOICE, of: DecisionContext | None = None, *, now: datetime = NOW
) -> SkipReason:
    """The decision, which has to be not to charge."""
    found = plan_charge(invoice, of or build_context(), now=now)
    assert isinstance(found, SkipReason), found
    return found


# ---- days -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "since", "expected"),
    [
        (31, "2026-01-15", "2026-01-31"),
        (31, "2026-02-01", "2026-02-28"),
        (31, "2028-02-01", "2028-02-29"),
        (31, "2026-04-30", "2026-04-30"),
        (30, "2026-01-31", "2026-02-28"),
        (15, "2026-12-16", "2027-01-15"),
        (15, "2026-12-15", "2026-12-15"),
        (1, "2026-12-31", "2027-01-01"),
    ],
)
def test_the_day_of_the_month_is_the_last_one_where_a_month_is_too_short(day: int, since: str, expected: str) -> None:
    assert find_day_of_month(day, since=date.fromisoformat(since)) == date.fromisoformat(expected)


def test_every_day_of_every_month_of_years_is_found_on_or_after_its_invoice() -> None:
    for offset in range(0, 1500):
        since = date(2026, 1, 1) + timedelta(days=offset)
        for day in (1, 15, 28, 29, 30, 31):
            found = find_day_of_month(day, since=since)
            assert since <= found <= since + timedelta(days=31)
            assert found.day == day or (found + timedelta(days=1)).day == 1


def test_modes_count_from_their_date() -> None:
    dates = {"issued_on": date(2026, 3, 10), "due_on": date(2026, 3, 24)}
    assert get_run_date("due_date", 0, **dates) == date(2026, 3, 24)
    assert get_run_date("days_after", 7, **dates) == date(2026, 3, 17)
    assert get_run_date("day_of_month", 5, **dates) == date(2026, 4, 5)
    assert get_run_date("due_date", 0, issued_on=date(2026, 3, 10), due_on=None) is None
    assert get_run_date("days_after", 7, issued_on=None, due_on=date(2026, 3, 24)) is None


def test_a_run_is_at_six_on_the_merchants_clock_on_both_sides_of_a_clock_change() -> None:
    # Sydney's summer time ends on 5 April 2026 and begins on 4 October.
    assert get_instant(date(2026, 4, 4), RUN_TIME, SYDNEY) == datetime(2026, 4, 3, 19, tzinfo=UTC)
    assert get_instant(date(2026, 4, 5), RUN_TIME, SYDNEY) == datetime(2026, 4, 4, 20, tzinfo=UTC)
    assert get_instant(date(2026, 10, 3), RUN_TIME, SYDNEY) == datetime(2026, 10, 2, 20, tzinfo=UTC)
    assert get_instant(date(2026, 10, 4), RUN_TIME, SYDNEY) == datetime(2026, 10, 3, 19, tzinfo=UTC)


def test_a_late_run_is_at_three_in_the_afternoon_of_the_following_day() -> None:
    assert get_next_late_run(NOW, SYDNEY) == datetime(2026, 3, 11, 4, tzinfo=UTC)
    before_midnight = datetime(2026, 4, 4, 12, 30, tzinfo=UTC)  # 11.30 pm on the 4th, the clocks change that night
    assert get_next_late_run(before_midnight, SYDNEY) == datetime(2026, 4, 5, 5, tzinfo=UTC)


def test_a_retry_keeps_its_hour_when_the_clocks_change_and_an_hour_that_is_skipped_is_the_one_after() -> None:
    evening = datetime(2026, 4, 3, 9, tzinfo=UTC)  # 8 pm on the 3rd in Sydney
    assert get_retry_run(evening, SYDNEY, days=1) == datetime(2026, 4, 3, 19, tzinfo=UTC)
    assert get_retry_run(evening, SYDNEY, days=3) == datetime(2026, 4, 5, 20, tzinfo=UTC)
    assert get_instant(date(2026, 10, 4), time(2, 30), SYDNEY).astimezone(SYDNEY).time() == time(3, 30)


# ---- decisions --------------------------------------------------------------------------------------


def test_an_invoice_is_charged_on_its_due_date_to_the_mapped_method() -> None:
    found = plan_for()
    assert (found.run_at, found.amount, found.method_id) == (datetime(2026, 3, 19, 19, tzinfo=UTC), 10_000, 1)


def test_real_time_waits_for_the_delay_with_cards_and_not_with_debits() -> None:
    term = replace(TERM, is_real_time=True)
    assert plan_for(of=build_context(term=term, delay=timedelta(hours=4))).run_at == NOW + timedelta(hours=4)
    debit = replace(MAPPING, primary_id=BANK.id)
    assert plan_for(of=build_context(debit, term=term, delay=timedelta(hours=4))).run_at == NOW


def test_past_due_invoices_are_scheduled_only_where_the_merchant_wants_it_and_not_for_ever() -> None:
    late = replace(INVOICE, due_on=date(2026, 3, 1))
    assert skip_for(late).code == "past_due"
    context = build_context(schedules_past_due=True, maximum_days_past_due=30)
    assert plan_for(late, context).run_at == datetime(2026, 3, 11, 4, tzinfo=UTC)
    assert plan_for(replace(INVOICE, due_on=date(2026, 2, 8)), context).is_relative_to_now
    assert skip_for(replace(INVOICE, due_on=date(2026, 2, 7)), context).code == "past_due"
    assert plan_for(replace(INVOICE, due_on=date(2026, 3, 10))).run_at == datetime(2026, 3, 11, 4, tzinfo=UTC), (
        "due today"
    )


@pytest.mark.parametrize(
    ("amount", "code"), [(499, "below_minimum"), (500, ""), (50_000, ""), (50_001, "above_maximum")]
)
def test_amounts_outside_the_limits_are_left_to_people(amount: int, code: str) -> None:
    found = plan_charge(
        replace(INVOICE, due=amount), build_context(limits={"AUD": (500, 50_000), "JPY": (1, 2)}), now=NOW
    )
    assert getattr(found, "code", "") == code


def test_what_is_on_its_way_already_is_not_charged() -> None:
    assert plan_for(replace(INVOICE, in_flight=4_000)).amount == 6_000
    assert skip_for(replace(INVOICE, in_flight=10_000)).code == "paying"


def test_an_invoice_without_a_company_a_mapping_or_a_term_says_so() -> None:
    assert skip_for(replace(INVOICE, company_id=None)).code == "unmatched"
    assert skip_for(replace(INVOICE, company_id=8)).code == "unmatched"
    assert skip_for(replace(INVOICE, term_key=("org", "else"))).code == "no_term"
    assert skip_for(replace(INVOICE, term_key=("other", "theme"))).code == "no_term"
    assert skip_for(of=build_context(replace(MAPPING, term_id=9))).code == "unmatched"


def test_the_specific_mapping_beats_all_the_merchants_the_payers_and_the_older_the_newer() -> None:
    for_all, specific = replace(MAPPING, id=1), replace(MAPPING, id=2, term_id=1, primary_id=2, is_from_payer=True)
    found = plan_for(of=build_context(for_all, specific))
    assert found.mapping_id == 2
    assert "goes before" in found.note
    payers, merchants = replace(MAPPING, id=1, is_from_payer=True), replace(MAPPING, id=2)
    found = plan_for(of=build_context(payers, merchants))
    assert found.mapping_id == 2
    assert "merchant's" in found.note
    older, newer = replace(MAPPING, id=3), replace(MAPPING, id=4)
    found = plan_for(of=build_context(newer, older))
    assert found.mapping_id == 3
    assert "older" in found.note


@pytest.mark.parametrize(
    ("primary", "words"),
    [
        (replace(CARD, is_active=False), "can't be used"),
        (replace(CARD, expires_on=date(2026, 3, 19)), "expired"),
        (replace(BANK, id=1, kind="us_bank_account"), "can't pay in AUD"),
    ],
)
def test_the_secondary_method_is_charged_where_the_primary_cannot_pay(primary: MethodSnapshot, words: str) -> None:
    found = plan_for(of=build_context(replace(MAPPING, secondary_id=2), methods=(primary,)))
    assert found.method_id == 2
    assert words in found.note
    alone = skip_for(of=build_context(methods=(primary,)))
    assert alone.code in ("method", "currency")
    assert words in alone.reason


def test_a_card_is_good_until_the_last_day_of_its_month_and_judged_on_the_day_of_the_charge() -> None:
    last_day = replace(CARD, expires_on=date(2026, 3, 20))
    assert plan_for(of=build_context(methods=(last_day,))).method_id == 1
    assert skip_for(replace(INVOICE, due_on=date(2026, 3, 21)), build_context(methods=(last_day,))).code == "method"


def test_a_debit_in_another_currency_is_a_currency_gap() -> None:
    euros = replace(INVOICE, currency="EUR")
    assert skip_for(euros, build_context(replace(MAPPING, primary_id=BANK.id))).code == "currency"
    assert plan_for(euros).method_id == CARD.id


def test_a_method_that_its_term_does_not_take_is_put_on_hold_unless_the_secondary_is_taken() -> None:
    only_banks = replace(TERM, takes_cards=False)
    assert plan_for(of=build_context(term=only_banks)).hold_reason == "Card payments are not enabled for Net 7."
    found = plan_for(of=build_context(replace(MAPPING, secondary_id=BANK.id), term=only_banks))
    assert (found.method_id, found.hold_reason) == (BANK.id, "")


def plan_now(*mappings: MappingSnapshot, scheduled: ScheduledCharge, **rules: object) -> ChargePlan | SkipReason:
    """The decision about a scheduled payment that is charged now."""
    return plan_charge(INVOICE, build_context(*mappings, **rules), now=NOW, scheduled=scheduled)  # type: ignore[arg-type]


def test_what_was_scheduled_is_charged_now_with_its_method_and_never_more_than_was_planned() -> None:
    both = replace(MAPPING, secondary_id=2)
    planned = ScheduledCharge(2, 0, None, maximum_amount=4_000, mapping_id=1)
    found = plan_now(both, scheduled=planned)
    assert isinstance(found, ChargePlan)
    assert (found.run_at, found.amount, found.method_id) == (NOW, 4_000, 2)
    reset = plan_now(both, scheduled=replace(planned, maximum_amount=None, mapping_id=None))
    assert isinstance(reset, ChargePlan)
    assert (reset.amount, reset.method_id) == (10_000, 1), "from the start, whatever is due"
    too_small = plan_now(both, scheduled=planned, limits={"AUD": (5_000, None)})
    assert getattr(too_small, "code", "") == "below_minimum"


def test_a_debit_that_was_presented_too_often_is_not_charged_now_but_another_method_is() -> None:
    debit = replace(MAPPING, primary_id=BANK.id)
    scheduled = ScheduledCharge(BANK.id, 3, NOW - timedelta(days=20), maximum_amount=10_000, mapping_id=1)
    assert getattr(plan_now(debit, scheduled=scheduled), "code", "") == "presentment"
    assert isinstance(plan_now(debit, scheduled=replace(scheduled, presentations=2)), ChargePlan)
    assert isinstance(plan_now(MAPPING, scheduled=replace(scheduled, mapping_id=9)), ChargePlan)


# ---- comparing --------------------------------------------------------------------------------------


def hours_before(hours: float) -> datetime:
    """So many hours before the scheduled run."""
    return CURRENT.run_at - timedelta(hours=hours)


def test_until_eighteen_hours_before_amount_date_and_method_follow_the_invoice() -> None:
    now = hours_before(18.1)
    decision = ChargePlan(CURRENT.run_at + timedelta(days=2), 12_000, 2, 2)
    assert find_schedule_change(CURRENT, decision, now=now) == UpdateSchedule(
        5, 10_000, 12_000, decision.run_at, 2, 2, "The invoice changed, and the amount with it."
    )


def test_in_the_last_eighteen_hours_the_amount_only_falls_and_nothing_else_moves() -> None:
    now = hours_before(18)
    more = ChargePlan(CURRENT.run_at + timedelta(days=2), 12_000, 2, 2)
    assert find_schedule_change(CURRENT, more, now=now) is None
    less = find_schedule_change(CURRENT, replace(more, amount=3_000), now=now)
    assert isinstance(less, UpdateSchedule)
    assert (less.amount, less.run_at, less.method_id) == (3_000, CURRENT.run_at, 1)
    assert isinstance(find_schedule_change(CURRENT, SkipReason("over", "Paid."), now=now), CancelSchedule)


def test_a_date_that_was_counted_from_now_does_not_wander() -> None:
    decision = ChargePlan(NOW + timedelta(days=10), 10_000, 1, 1, is_relative_to_now=True)
    assert find_schedule_change(CURRENT, decision, now=hours_before(48)) is None


def test_a_date_that_was_counted_from_now_moves_a_later_run_forward() -> None:
    due_today = ChargePlan(CURRENT.run_at - timedelta(days=1), 10_000, 1, 1, is_relative_to_now=True)
    sooner = find_schedule_change(CURRENT, due_today, now=hours_before(48))
    assert isinstance(sooner, UpdateSchedule)
    assert sooner.run_at == due_today.run_at


@pytest.mark.parametrize(
    ("state", "by_person", "creates"),
    [
        ("cancelled", False, True),
        ("cancelled", True, False),
        ("failed", False, False),
        ("failed", True, False),
        ("settled", False, True),
    ],
)
def test_what_failed_and_what_a_person_cancelled_comes_back_only_by_a_person(
    state: str, by_person: bool, creates: bool
) -> None:
    current = replace(CURRENT, state=state, is_resolved_by_person=by_person)
    assert isinstance(find_schedule_change(current, ChargePlan(NOW, 100, 1, 1), now=NOW), CreateSchedule) == creates


def test_pending_ones_are_left_alone_and_while_payments_are_off_only_what_is_over_ends() -> None:
    assert find_schedule_change(replace(CURRENT, state="pending"), SkipReason("over", ""), now=NOW) is None
    assert find_schedule_change(CURRENT, SkipReason("unmatched", ""), now=NOW, is_paused=True) is None
    assert find_schedule_change(None, ChargePlan(NOW, 100, 1, 1), now=NOW, is_paused=True) is None
    assert isinstance(find_schedule_change(CURRENT, SkipReason("over", ""), now=NOW, is_paused=True), CancelSchedule)
    assert isinstance(find_schedule_change(CURRENT, SkipReason("unmatched", ""), now=NOW), CancelSchedule)
    assert find_schedule_change(CURRENT, SkipReason("past_due", ""), now=NOW) is None
    assert isinstance(
        find_schedule_change(CURRENT, ChargePlan(CURRENT.run_at, 10_000, 1, 1, hold_reason="No."), now=NOW),
        HoldSchedule,
    )


# ---- failures ---------------------------------------------------------------------------------------


def failed_charge(code: str, **more: object) -> FailedCharge:
    """A failure of a card, tried once."""
    usual = FailedCharge(
        code, is_debit=False, tries=1, presentations=1, first_presented_at=NOW, maximum_retries=9, has_secondary=True
    )
    return replace(usual, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", sorted(HARD_DECLINES))
def test_hard_failures_are_never_tried_again_with_that_card(code: str) -> None:
    assert plan_next_step(failed_charge(code), now=NOW).kind == "secondary"
    assert plan_next_step(failed_charge(code, has_secondary=False), now=NOW).kind == "stop"


@pytest.mark.parametrize("code", ["insufficient_funds", "issuer_not_available", "processing_error", "a_new_code"])
def test_soft_failures_wait_longer_each_time_and_then_the_secondary_pays(code: str) -> None:
    steps = [plan_next_step(failed_charge(code, tries=tries, maximum_retries=5), now=NOW) for tries in range(1, 7)]
    assert [(step.kind, step.days) for step in steps] == [
        ("again", 1),
        ("again", 3),
        ("again", 5),
        ("again", 7),
        ("again", 7),
        ("secondary", 0),
    ]


def test_a_payer_who_has_to_be_there_is_asked_and_a_fault_of_ours_stops() -> None:
    assert plan_next_step(failed_charge("authentication_required"), now=NOW).kind == "ask"
    assert plan_next_step(failed_charge("gateway_key"), now=NOW).kind == "stop"


@pytest.mark.parametrize(
    "code", ["account_closed", "no_account", "debit_not_authorized", "mandate_invalid", "unheard_of"]
)
def test_other_returns_of_a_debit_are_never_presented_again(code: str) -> None:
    assert get_failure_kind(code, is_debit=True) == "hard"
    assert plan_next_step(failed_charge(code, is_debit=True), now=NOW).kind == "secondary"


def test_a_debit_without_funds_is_presented_twice_more_within_180_days() -> None:
    kinds = [
        plan_next_step(failed_charge("insufficient_funds", is_debit=True, presentations=n), now=NOW).kind
        for n in (1, 2, 3)
    ]
    assert kinds == ["again", "again", "secondary"]
    old = NOW - timedelta(days=180)
    assert (
        plan_next_step(failed_charge("insufficient_funds", is_debit=True, first_presented_at=old), now=NOW).kind
        == "secondary"
    )
