"""On which day and at which instant an invoice is charged. Days are the merchant's, instants UTC."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

RUN_AT = time(6)  # on the day itself
LATE_AT = time(15)  # on the day after, for what is past its day


def run_day(mode: str, days: int, *, issued_on: date | None, due_on: date | None) -> date | None:
    """The day that a billing term means for an invoice; None where the invoice lacks the date it is counted from."""
    if mode == "due_date":
        return due_on
    if issued_on is None:
        return None
    if mode == "days_after":
        return issued_on + timedelta(days=days)
    return day_of_month(days, since=issued_on)


def day_of_month(day: int, *, since: date) -> date:
    """The first such day on or after `since`; a month that is too short has its last day instead."""
    found = in_month(since.year, since.month, day)
    if found >= since:
        return found
    return in_month(since.year + since.month // 12, since.month % 12 + 1, day)


def in_month(year: int, month: int, day: int) -> date:
    """That day of the month, or its last."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """`at` on the clocks of `zone` on that day. An hour that the clocks skip is the one after."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The day that it is in `zone`."""
    return at.astimezone(zone).date()


def next_late_run(now: datetime, zone: ZoneInfo) -> datetime:
    """The next run for what is past its day: 3 pm on the following day."""
    return instant(local_day(now, zone) + timedelta(days=1), LATE_AT, zone)


def retry_run(now: datetime, zone: ZoneInfo, *, days: int) -> datetime:
    """The morning run that many days from now."""
    return instant(local_day(now, zone) + timedelta(days=days), RUN_AT, zone)
