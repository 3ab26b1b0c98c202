"""The books of every organisation that a merchant is or was connected to: their clearing account, how far read."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from accounting.models import AccountingSettings, LedgerPaymentCursor
from connections.models import Connection, Tier
from merchants.models import Merchant

GRACE_PERIOD = timedelta(minutes=15)
FORMER_NAME = "a former company"


@dataclass(frozen=True, slots=True)
class OrganisationBooks:
    """One organisation's books. `clearing` is empty where no account was chosen there, or which one is not known."""

    organisation_id: str
    name: str = ""
    clearing: str = ""
    cursor: LedgerPaymentCursor | None = None
    is_current: bool = False

    @property
    def known_until(self) -> datetime | None:
        """Return how far its payments were read; None before the first reading."""
        return self.cursor.known_until if self.cursor else None

    def is_read_since(self, instant: datetime) -> bool:
        """Return whether its payments were read long enough after that instant."""
        return self.known_until is not None and instant + GRACE_PERIOD <= self.known_until

    def is_on_clearing_account(self, account: str) -> bool:
        """Return whether an account of it is the clearing account, as far as that is known."""
        return not self.clearing or account in ("", self.clearing)


@dataclass(frozen=True)
class MerchantBooks:
    """All the organisations of a merchant, the connected one, or the last that was, first of all."""

    current: OrganisationBooks
    former: dict[str, OrganisationBooks]

    def get(self, organisation_id: str) -> OrganisationBooks:
        """Return an organisation's books; without an id those of the connected one."""
        if organisation_id in ("", self.current.organisation_id):
            return self.current
        return self.former.get(organisation_id) or OrganisationBooks(organisation_id, FORMER_NAME)

    @cached_property
    def all(self) -> list[OrganisationBooks]:
        """Return every organisation's books, the connected one's first."""
        return [self.current, *self.former.values()]


def get_merchant_books(merchant: Merchant) -> MerchantBooks:
    """Return the books of a merchant's organisations. Three queries."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    cursors = {row.organisation_id: row for row in LedgerPaymentCursor.objects.filter(merchant=merchant)}
    current_id = connection.organisation_id if connection else get_last_read(list(cursors.values()))
    saved = chosen.by_organisation if chosen else {}
    former = {
        key: OrganisationBooks(
            key,
            saved.get(key, {}).get("name") or FORMER_NAME,
            saved.get(key, {}).get("clearing_account", ""),
            cursors.get(key),
        )
        for key in sorted({*cursors, *saved} - {current_id})
    }
    clearing = chosen.clearing_account if chosen and chosen.organisation_id in ("", current_id) else ""
    name = connection.organisation_name if connection else ""
    return MerchantBooks(
        OrganisationBooks(current_id, name, clearing, cursors.get(current_id), is_current=True), former
    )


def get_last_read(cursors: list[LedgerPaymentCursor]) -> str:
    """Return the organisation that was read last, if any was."""
    read = [(row.known_until, row.organisation_id) for row in cursors if row.known_until]
    unread = [row.organisation_id for row in cursors]
    return max(read)[1] if read else next(iter(unread), "")
