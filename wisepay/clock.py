"""The product's clock, the one place that says what time it is, so that demos can move it; and the days of a zone."""

import calendar
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils import timezone


def now() -> datetime:
    """The current instant: aware, in UTC."""
    return timezone.now()


def get_day_start(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which `day` begins in `zone`.

    Where the clocks skip midnight it is the first minute of the day that exists.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def get_local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The day that it is in `zone` at `instant`."""
    return instant.astimezone(zone).date()


def format_date(day: date) -> str:
    """The day as people write it: "1 Nov 2026"."""
    return f"{day.day} {day:%b %Y}"


def add_months(day: date, count: int) -> date:
    """The same day that many months later; a month that is too short has its last day instead."""
    years, month = divmod(day.month - 1 + count, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def format_instant(instant: datetime, zone: str) -> str:
    """The instant as people write it in the zone, which it names: "1 Nov 2026, 22:08 AEDT"."""
    local = instant.astimezone(ZoneInfo(zone))
    name = local.strftime("%Z")
    named = name if name[:1].isalpha() else f"UTC{name}"
    return f"{format_date(local.date())}, {local:%H:%M} {named}"
