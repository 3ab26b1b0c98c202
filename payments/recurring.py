"""The recurring part of a quote: how much, how often, how many times, and when that ends."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wisepay.clock import add_months, format_date
from wisepay.money import Money

INTERVALS = ("week", "month", "quarter", "year")
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class RecurringPart:
    """`money` every `interval`, `periods` times; without `periods` until somebody ends it."""

    money: Money
    interval: str
    periods: int | None

    @property
    def total(self) -> Money | None:
        """All payments together; None where nobody has said how many there are."""
        return Money(self.money.amount * self.periods, self.money.currency) if self.periods else None

    def get_last_day(self, first: date) -> date | None:
        """The day of the last payment when the first one is made on `first`; None where there is no last one."""
        if not self.periods:
            return None
        if self.interval == "week":
            return first + timedelta(weeks=self.periods - 1)
        return add_months(first, MONTHS[self.interval] * (self.periods - 1))

    def get_key(self, today: date) -> str:
        """What a page shows of it on `today`, as a word that its form sends back."""
        parts = (self.money.amount, self.money.currency, self.interval, self.periods or "", self.get_last_day(today))
        return "-".join(str(part or "") for part in parts)

    @property
    def every(self) -> str:
        """The interval, in words: "every month"."""
        return {
            "week": _("every week"),
            "month": _("every month"),
            "quarter": _("every three months"),
            "year": _("every year"),
        }[self.interval]

    @property
    def frequency(self) -> str:
        """How often, in words: "every month, 12 times"."""
        if self.periods is None:
            return self.every
        times = ngettext("%(count)d time", "%(count)d times", self.periods) % {"count": self.periods}
        return f"{self.every}, {times}"

    def describe_end(self, today: date) -> str:
        """When it ends, in a sentence for the payer."""
        last = self.get_last_day(today)
        if last is None or self.periods is None:
            return _("It goes on until you or they end it.")
        words = {"total": self.total, "count": self.periods, "day": format_date(last)}
        if self.periods == 1:
            return _("That is one payment.")
        return (
            _("That is %(total)s in all. It ends after payment %(count)d, on %(day)s if the first is made today.")
            % words
        )
