"""The coloured badges of Payer Admin: how a payer's cards and bank accounts stand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from payers.models import PayerAccess
from payments.models import SavedMethod
from wisepay.events import add_once


@dataclass(frozen=True, slots=True)
class StatusBadge:
    """One badge: its colour, the sign drawn in it, the words that say the same, and how many, where that is shown."""

    colour: str
    icon: str
    text: str
    weight: int
    count: int = 0


NONE = StatusBadge("white", "dash", "None", 0)
SAVED = StatusBadge("blue", "circle", "Saved, not used yet", 1)
USED = StatusBadge("green", "tick", "Used without errors", 2)
EXPIRING = StatusBadge("orange", "warning", "Expires within 60 days", 3)
ERROR = StatusBadge("orange", "warning", "The last payment failed", 4)
EXPIRED = StatusBadge("red", "cross", "Expired", 5)
FAILED = StatusBadge("red", "cross", "The last payment failed", 6)
INVALID = StatusBadge("red", "cross", "No longer accepted", 7)
NOT_REGISTERED = StatusBadge("white", "question", "Not registered yet", 0)


def get_method_badge(method: SavedMethod, *, today: date) -> StatusBadge:
    """How one saved method stands on `today`, a day in the merchant's zone."""
    if method.state == "invalid":
        return INVALID
    if method.expires_on and method.expires_on < today:
        return EXPIRED
    if method.last_failure:
        return FAILED if method.is_card else ERROR
    if method.expires_on and method.expires_on <= today + SavedMethod.EXPIRY_WARNING:
        return EXPIRING
    return USED if method.last_used_at else SAVED


def get_worst_badge(badges: Iterable[StatusBadge]) -> StatusBadge:
    """The badge that most needs a look; white when there is none."""
    return max(badges, key=lambda badge: badge.weight, default=NONE)


@dataclass(frozen=True, slots=True)
class AccessBadges:
    """The badges of one row of Payer Company Access."""

    card: StatusBadge
    bank: StatusBadge
    auto_pay: StatusBadge
    payer: StatusBadge


def get_access_badges(
    access: PayerAccess, methods: Iterable[SavedMethod], *, today: date, auto_pay: StatusBadge = NONE
) -> AccessBadges:
    """The badges of an access whose methods these are, and whose company pays automatically as `auto_pay` shows."""
    found = list(methods)
    card = get_worst_badge(get_method_badge(m, today=today) for m in found if m.is_card)
    bank = get_worst_badge(get_method_badge(m, today=today) for m in found if not m.is_card)
    payer = get_worst_badge([card, bank]) if access.state == "active" else NOT_REGISTERED
    is_whole = access.scope == PayerAccess.Scope.COMPANY
    return AccessBadges(card=card, bank=bank, auto_pay=auto_pay if is_whole else NONE, payer=payer)


def build_auto_pay_badge(count: int, *, is_payers: bool) -> StatusBadge:
    """The badge of a company with `count` Auto-Pay mappings; `is_payers`: its payer made them."""
    if not count:
        return NONE
    text = f"{count} mapping{'' if count == 1 else 's'}"
    colour, who = ("purple", ", set by the payer") if is_payers else ("green", "")
    return StatusBadge(colour, "again", text + who, 2, count)


AutoPayReader = Callable[[Sequence[int]], Mapping[int, StatusBadge]]
AUTO_PAY_READERS: list[AutoPayReader] = []


def register_auto_pay_reader[R: AutoPayReader](reader: R) -> R:
    """Register a function that answers the Auto-Pay badges of companies, by their ids.

    Companies without mappings may be missing from the answer.
    """
    add_once(AUTO_PAY_READERS, reader)
    return reader


def get_auto_pay_badges(companies: Sequence[int]) -> dict[int, StatusBadge]:
    """The Auto-Pay badge of each of these companies that pays automatically."""
    return {pk: badge for reader in AUTO_PAY_READERS for pk, badge in reader(companies).items()}
