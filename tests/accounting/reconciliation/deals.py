"""One payment as Stripe, we and the books each have it; whoever makes something wrong of a deal changes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from wisepay.references import new_reference

ZONE = ZoneInfo("Australia/Sydney")
CLEARING = "615"
PAYER, SOMEBODY_ELSE = "payer", "somebody else"
ELSEWHERE = "another account"


@dataclass
class Deal:
    """One payment: what is so of it at Stripe, here, and in the books; whoever makes something wrong changes it."""

    number: int
    at: datetime
    amount: int
    reference: str = field(default_factory=new_reference)
    charged: int = 0
    charged_in: str = "AUD"
    charges: int = 1
    refunded: int = 0
    refunded_there: int = 0
    is_disputed: bool = False
    state: str = "succeeded"
    posting: str = "posted"
    paper: dict[str, Any] = field(default_factory=dict)
    papers: int = 1
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


def entries_of(deal: Deal, place: int) -> list[dict[str, Any]]:
    """What Stripe has of a deal, as the practice Stripe is told it."""
    at = int(deal.at.timestamp())
    said = {"amount": deal.charged, "currency": deal.charged_in.lower(), "reference": deal.reference}
    said["method"] = "card" if deal.number % 3 else "us_bank_account"
    found: list[dict[str, Any]] = [{"kind": "charge", "at": at + n * 60, **said} for n in range(deal.charges)]
    if deal.refunded_there:
        said = {"amount": deal.refunded_there, "reference": f"refund{deal.reference}"[:20]}
        found.append({"kind": "refund", "of": place, "at": at + 3_600, **said})
    if deal.is_disputed:
        found.append({"kind": "dispute", "of": place, "at": at + 7_200})
    return found


def month_of_deals(count: int, now: datetime) -> Sequence[Deal]:
    """So many clean deals of the last month, the youngest five days old; every ninth was refunded in part."""
    begin = now - timedelta(days=32)
    step = timedelta(days=27) / count
    deals = [Deal(number, begin + step * number, 10_000 + 137 * number % 90_000) for number in range(count)]
    for deal in deals:
        if deal.number % 9 == 0:
            deal.refunded = deal.refunded_there = 1_000
        deal.used = deal.amount - deal.refunded if deal.number % 2 else 0
    return deals
