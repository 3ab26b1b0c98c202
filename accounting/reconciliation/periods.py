"""Periods of days in the merchant's time zone; Stripe's times are UTC, and every item has one day."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from wisepay.clock import get_day_start, get_local_date

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the merchant's zone, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("a period ends before it begins")

    @property
    def begin(self) -> datetime:
        """Return the instant at which the first day begins, in UTC."""
        return get_day_start(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """Return the instant at which the last day is over, in UTC."""
        return get_day_start(self.last + ONE_DAY, self.zone)

    @property
    def days(self) -> list[date]:
        """Return every day, in order."""
        return [self.first + ONE_DAY * n for n in range((self.last - self.first).days + 1)]

    def get_day(self, instant: datetime) -> date:
        """Return the merchant's day of an instant."""
        return get_local_date(instant, self.zone)


def get_month(day: date, zone: ZoneInfo) -> Period:
    """Return the month that the day is in."""
    last = monthrange(day.year, day.month)[1]
    return Period(day.replace(day=1), day.replace(day=last), zone)
