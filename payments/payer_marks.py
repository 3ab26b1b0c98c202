"""The coloured marks of Payer Admin: how a payer's cards and bank accounts stand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from payers.models import PayerAccess
from payments.models import SavedMethod

SOON = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark: its colour, the sign drawn in it, the words that say the same, and how many, where that is shown."""

    colour: str
    icon: str
    text: str
    weight: int
    count: int = 0


NONE = Mark("white", "dash", "None", 0)
SAVED = Mark("blue", "circle", "Saved, not used yet", 1)
USED = Mark("green", "tick", "Used without errors", 2)
EXPIRING = Mark("orange", "warning", "Expires within 60 days", 3)
ERROR = Mark("orange", "warning", "The last payment failed", 4)
EXPIRED = Mark("red", "cross", "Expired", 5)
FAILED = Mark("red", "cross", "The last payment failed", 6)
INVALID = Mark("red", "cross", "No longer accepted", 7)
NOT_REGISTERED = Mark("white", "question", "Not registered yet", 0)


def mark_of_method(method: SavedMethod, *, today: date) -> Mark:
    """How one saved method stands on `today`, a day in the merchant's zone."""
    if method.state == "invalid":
        return INVALID
    if method.expires_on and method.expires_on < today:
        return EXPIRED
    if method.last_failure:
        return FAILED if method.is_card else ERROR
    if method.expires_on and method.expires_on <= today + SOON:
        return EXPIRING
    return USED if method.last_used_at else SAVED


def worst(marks: Iterable[Mark]) -> Mark:
    """The mark that most needs a look; none at all is white."""
    return max(marks, key=lambda mark: mark.weight, default=NONE)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one row of Payer Company Access."""

    card: Mark
    bank: Mark
    auto_pay: Mark
    payer: Mark


def marks_of(access: PayerAccess, methods: Iterable[SavedMethod], *, today: date, auto_pay: Mark = NONE) -> Marks:
    """The marks of an access whose methods these are, and whose company pays by itself like that."""
    kept = list(methods)
    card = worst(mark_of_method(m, today=today) for m in kept if m.is_card)
    bank = worst(mark_of_method(m, today=today) for m in kept if not m.is_card)
    payer = worst([card, bank]) if access.state == "active" else NOT_REGISTERED
    is_whole = access.scope == PayerAccess.Scope.COMPANY
    return Marks(card=card, bank=bank, auto_pay=auto_pay if is_whole else NONE, payer=payer)


def mark_of_mappings(count: int, *, is_payers: bool) -> Mark:
    """How a company stands that so many Auto-Pay mappings let pay by itself."""
    if not count:
        return NONE
    words = f"{count} mapping{'' if count == 1 else 's'}"
    colour, who = ("purple", ", set by the payer") if is_payers else ("green", "")
    return Mark(colour, "again", words + who, 2, count)


AutoPayReader = Callable[[Sequence[int]], Mapping[int, Mark]]
READERS: list[AutoPayReader] = []


def auto_pay_reader[R: AutoPayReader](reader: R) -> R:
    """Register who tells the Auto-Pay marks of companies, by their ids; those without mappings may be left out."""
    if reader not in READERS:
        READERS.append(reader)
    return reader


def auto_pay_marks(companies: Sequence[int]) -> dict[int, Mark]:
    """The Auto-Pay mark of each company that pays by itself."""
    return {pk: mark for reader in READERS for pk, mark in reader(companies).items()}


def may_use(access: PayerAccess, method: SavedMethod) -> bool:
    """Whether the person of an access may pay with the method: their own, and for whole companies shared ones."""
    if method.company_id != access.company_id:
        return False
    return method.owner_id == access.user_id or (method.is_shared and access.scope == PayerAccess.Scope.COMPANY)
