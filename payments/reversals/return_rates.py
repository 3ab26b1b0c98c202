"""How many bank debits came back: the rates that schemes limit, for each kind of debit of a merchant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal

from django.db.models import Count, Q

from merchants.models import Merchant
from payments.failure_codes import ACCOUNT_CLOSED, ACCOUNT_NOT_FOUND, NOT_AUTHORISED
from payments.models import Attempt

PERIOD = timedelta(days=60)  # Nacha Operating Rules, 2.17.2
REVERSED_BY_PAYER = ("debit_not_authorized", "customer_initiated", "fraudulent", "unrecognized", "general")
# R05, R07, R10, R11 and R29; R02, R03 and R04.
UNAUTHORISED = (*sorted(NOT_AUTHORISED), *(f"dispute:{reason}" for reason in REVERSED_BY_PAYER))
ADMINISTRATIVE = (*sorted(ACCOUNT_CLOSED | ACCOUNT_NOT_FOUND), "dispute:incorrect_account_details")
SCHEMES = {
    "us_bank_account": "ACH, United States",
    "acss_debit": "Pre-authorised debits, Canada",
    "au_becs_debit": "BECS, Australia",
    "bacs_debit": "Bacs, United Kingdom",
    "nz_bank_account": "BECS, New Zealand",
    "sepa_debit": "SEPA, Europe",
}
# Percent above which an originator hears from Nacha or its bank; other schemes name none.
NACHA = "us_bank_account"
UNAUTHORISED_LIMIT, ADMINISTRATIVE_LIMIT, OVERALL_LIMIT = Decimal("0.5"), Decimal(3), Decimal(15)


@dataclass(frozen=True, slots=True)
class ReturnRate:
    """How many of the debits that were sent came back for one kind of reason; `limit` in percent, None without one."""

    name: str
    returned: int
    sent: int
    limit: Decimal | None

    @property
    def percent(self) -> Decimal:
        """The rate, rounded up to a tenth so that none looks smaller than it is."""
        share = Decimal(100 * self.returned) / max(1, self.sent)
        return share.quantize(Decimal("0.1"), rounding=ROUND_UP)

    @property
    def is_above(self) -> bool:
        """Whether the limit is passed; exactly, not as rounded."""
        return self.limit is not None and Decimal(100 * self.returned) > self.limit * max(1, self.sent)


@dataclass(frozen=True, slots=True)
class DebitReturns:
    """The rates of one kind of bank debit."""

    kind: str
    title: str
    sent: int
    rates: list[ReturnRate]

    @property
    def is_above(self) -> bool:
        """Whether any limit is passed."""
        return any(rate.is_above for rate in self.rates)


def list_debit_returns(merchant: Merchant, *, now: datetime) -> list[DebitReturns]:
    """The merchant's bank debits of the last 60 days by kind: sent, and come back in that time. One query.

    A debit counts once it was with the bank. One that comes back counts on the day it does, whenever it was sent.
    """
    since = now - PERIOD
    came_back = Q(state__in=["failed", "reversed"], state_at__gt=since)
    rows = (
        Attempt.objects.filter(payment__merchant=merchant, submitted_at__isnull=False)
        .exclude(method_kind__in=["", "card"])
        .filter(Q(submitted_at__gt=since) | came_back)
        .values_list("method_kind")
        .annotate(
            sent=Count("pk", filter=Q(submitted_at__gt=since)),
            unauthorised=Count("pk", filter=came_back & Q(failure_code__in=UNAUTHORISED)),
            administrative=Count("pk", filter=came_back & Q(failure_code__in=ADMINISTRATIVE)),
            overall=Count("pk", filter=came_back),
        )
        .order_by("method_kind")
    )
    return [build_debit_returns(*row) for row in rows]


def build_debit_returns(kind: str, sent: int, unauthorised: int, administrative: int, overall: int) -> DebitReturns:
    """The rates from what was counted."""
    has_limits = kind == NACHA
    counted = (
        ("Not authorised", unauthorised, UNAUTHORISED_LIMIT),
        ("Wrong or closed account", administrative, ADMINISTRATIVE_LIMIT),
        ("All returns", overall, OVERALL_LIMIT),
    )
    rates = [ReturnRate(name, number, sent, limit if has_limits else None) for name, number, limit in counted]
    return DebitReturns(kind, SCHEMES.get(kind, "Bank debits"), sent, rates)
