"""The recurring part of a quote: how much, how often, how many times, and when that ends."""

from dataclasses import dataclass
from datetime import date, timedelta
from zlib import crc32

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wisepay.clock import add_months, format_date
from wisepay.money import Money

INTERVALS = ("week", "month", "quarter", "year")
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def get_payment_day(first: date, interval: str, number: int) -> date:
    """The day of payment `number`, counted from 1, when the first one is made on `first`."""
    if interval == "week":
        return first + timedelta(weeks=number - 1)
    return add_months(first, MONTHS[interval] * (number - 1))


@dataclass(frozen=True, slots=True)
class RecurringPart:
    """`money` every `interval`, `periods` times; without `periods` until somebody ends it.

    `starts_on` is the day of the first payment, None where that is the day of the agreement; `agreement` is what the
    merchant calls it.
    """

    money: Money
    interval: str
    periods: int | None
    starts_on: date | None = None
    agreement: str = ""

    @property
    def total(self) -> Money | None:
        """All payments together; None where nobody has said how many there are."""
        return Money(self.money.amount * self.periods, self.money.currency) if self.periods else None

    def get_last_day(self, first: date) -> date | None:
        """The day of the last payment when the first one is made on `first`; None where there is no last one."""
        return get_payment_day(first, self.interval, self.periods) if self.periods else None

    def get_first_day(self, today: date) -> date:
        """The day of the first payment when it is agreed to on `today`: nothing is due before that."""
        return max(self.starts_on, today) if self.starts_on else today

    def get_key(self, today: date) -> str:
        """What a page shows of it on `today`, as a word that its form sends back."""
        last = self.get_last_day(self.get_first_day(today))
        parts = (self.money.amount, self.money.currency, self.interval, self.periods or "", last)
        key = "-".join(str(part or "") for part in parts)
        if not self.has_extras:
            return key
        return f"{key}-{self.get_first_day(today)}-{crc32(self.agreement.encode()) & 0xFFFFFF:x}"

    @property
    def has_extras(self) -> bool:
        """Whether a day or a name was agreed to besides how much and how often."""
        return self.starts_on is not None or bool(self.agreement)

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

    def describe_start(self, today: date) -> str:
        """When it starts and what it is for, in a sentence for the payer; empty where nothing was said of either."""
        words = {"day": format_date(self.get_first_day(today)), "agreement": self.agreement}
        if self.starts_on and self.agreement:
            return _("The first of these payments is due on %(day)s. They are for: %(agreement)s.") % words
        if self.starts_on:
            return _("The first of these payments is due on %(day)s.") % words
        return _("These payments are for: %(agreement)s.") % words if self.agreement else ""

    def describe_end(self, today: date) -> str:
        """When it ends, in a sentence for the payer."""
        last = self.get_last_day(self.get_first_day(today))
        if last is None or self.periods is None:
            return _("It goes on until you or they end it.")
        words = {"total": self.total, "count": self.periods, "day": format_date(last)}
        if self.periods == 1:
            return _("That is one payment.")
        if self.starts_on:
            return _("That is %(total)s in all. It ends after payment %(count)d, on %(day)s.") % words
        return (
            _("That is %(total)s in all. It ends after payment %(count)d, on %(day)s if the first is made today.")
            % words
        )
