"""The day and the instant at which an invoice is charged. Days are in the merchant's zone, instants in UTC."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wisepay.clock import get_local_date

RUN_TIME = time(6)  # on the day itself
LATE_RUN_TIME = time(15)  # on the day after, for what is past its day


def get_run_date(mode: str, days: int, *, issued_on: date | None, due_on: date | None) -> date | None:
    """The day that a billing term means for an invoice; None where the invoice lacks the date it is counted from."""
    if mode == "due_date":
        return due_on
    if issued_on is None:
        return None
    if mode == "days_after":
        return issued_on + timedelta(days=days)
    return find_day_of_month(days, since=issued_on)


def find_day_of_month(day: int, *, since: date) -> date:
    """The first such day of a month on or after `since`; a month that is too short has its last day instead."""
    found = get_month_day(since.year, since.month, day)
    if found >= since:
        return found
    return get_month_day(since.year + since.month // 12, since.month % 12 + 1, day)


def get_month_day(year: int, month: int, day: int) -> date:
    """That day of the month, or its last."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def get_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of the local time `at` on that day in `zone`. An hour that the clocks skip is the one after."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def get_next_late_run(now: datetime, zone: ZoneInfo) -> datetime:
    """The next run for what is past its day: 3 pm on the following day."""
    return get_instant(get_local_date(now, zone) + timedelta(days=1), LATE_RUN_TIME, zone)


def get_retry_run(now: datetime, zone: ZoneInfo, *, days: int) -> datetime:
    """The morning run that many days from now."""
    return get_instant(get_local_date(now, zone) + timedelta(days=days), RUN_TIME, zone)
