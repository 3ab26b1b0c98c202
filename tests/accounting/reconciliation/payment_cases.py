"""One payment as Stripe, we and the books each have it; whoever makes something wrong of a deal changes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from wisepay.addresses import new_reference

ZONE = ZoneInfo("Australia/Sydney")
CLEARING = "615"
PAYER, OTHER_PAYER = "payer", "somebody else"
OTHER_ACCOUNT = "another account"


@dataclass
class PaymentCase:
    """One payment: what is so of it at Stripe, here, and in the books; whoever makes something wrong changes it."""

    number: int
    at: datetime
    amount: int
    reference: str = field(default_factory=new_reference)
    charged: int = 0
    charged_currency: str = "AUD"
    charges: int = 1
    refunded: int = 0
    refunded_at_stripe: int = 0
    is_disputed: bool = False
    state: str = "succeeded"
    posting: str = "posted"
    ledger_payment: dict[str, Any] = field(default_factory=dict)
    ledger_payment_count: int = 1
    used: int = 0
    used_by: str = PAYER
    ids: dict[str, str] = field(default_factory=dict)
    attempt: int = 0
    payment: int = 0
    intent: str = ""

    def __post_init__(self) -> None:
        self.charged = self.charged or self.amount
        # Numbers that no books have given, for what was never put there.
        names = ("invoice", "credit_note", "payment", "refund")
        self.ids = {name: f"9{place}{self.number:06d}" for place, name in enumerate(names)}

    @property
    def stem(self) -> str:
        """The numbers of its documents without what comes before."""
        return self.reference[:12].upper()

    @property
    def day(self) -> date:
        """The day that its documents carry."""
        return self.at.astimezone(ZONE).date()


def build_stripe_entries(case: PaymentCase, place: int) -> list[dict[str, Any]]:
    """What Stripe has of a deal, as the practice Stripe is told it."""
    at = int(case.at.timestamp())
    fields = {"amount": case.charged, "currency": case.charged_currency.lower(), "reference": case.reference}
    fields["method"] = "card" if case.number % 3 else "us_bank_account"
    found: list[dict[str, Any]] = [{"kind": "charge", "at": at + n * 60, **fields} for n in range(case.charges)]
    if case.refunded_at_stripe:
        fields = {"amount": case.refunded_at_stripe, "reference": f"refund{case.reference}"[:20]}
        found.append({"kind": "refund", "of": place, "at": at + 3_600, **fields})
    if case.is_disputed:
        found.append({"kind": "dispute", "of": place, "at": at + 7_200})
    return found


def build_month(count: int, now: datetime) -> Sequence[PaymentCase]:
    """So many clean deals of the last month, the youngest five days old; every ninth was refunded in part."""
    begin = now - timedelta(days=32)
    step = timedelta(days=27) / count
    deals = [PaymentCase(number, begin + step * number, 10_000 + 137 * number % 90_000) for number in range(count)]
    for deal in deals:
        if deal.number % 9 == 0:
            deal.refunded = deal.refunded_at_stripe = 1_000
        deal.used = deal.amount - deal.refunded if deal.number % 2 else 0
    return deals
