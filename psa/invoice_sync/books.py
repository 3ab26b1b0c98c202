"""What the books know that Sync Invoices needs: connection, invoices by number, income accounts and tax codes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from accounting.ledger_session import get_ledger_info
from accounting.ledgers.protocol import Ledger, RemoteInvoice
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from connections.availability import find_working_connection
from connections.models import Connection, Tier
from merchants.models import Merchant

INCOME_KINDS = ("REVENUE", "SALES", "OTHERINCOME")
GONE = ("voided", "deleted")


@dataclass(frozen=True, slots=True)
class BooksInvoices:
    """The invoices of the books by their number; of `unclear` numbers one cannot be read."""

    by_number: dict[str, list[RemoteInvoice]] = field(default_factory=dict)
    unclear: frozenset[str] = frozenset()
    is_unclear: bool = False

    def list_standing(self, number: str) -> list[RemoteInvoice]:
        """Those of this number that were not voided or deleted."""
        return [one for one in self.by_number.get(fold_number(number), ()) if one.status not in GONE]

    def list_gone(self, number: str) -> list[RemoteInvoice]:
        """Those of this number that were."""
        return [one for one in self.by_number.get(fold_number(number), ()) if one.status in GONE]


def fold_number(number: str) -> str:
    """A number as packages compare it: without regard to case."""
    return number.strip().casefold()


def find_books(merchant: Merchant) -> Connection | None:
    """The Company connection, or the only one while work is not divided; None while there is none that works."""
    return find_working_connection(merchant, tier=Tier.COMPANY)


def has_books(merchant: Merchant) -> bool:
    """Whether the merchant ever connected an accounting package: without one there is nothing to sync to."""
    return get_ledger_info(merchant) is not None


def read_books(ledger: Ledger, numbers: Sequence[str]) -> BooksInvoices:
    """Read the invoices with these numbers. Raises Unavailable, Rejected or Disconnected."""
    asked, found = sorted(set(numbers)), BooksInvoices()
    unclear: set[str] = set()
    is_unclear = False
    for begin in range(0, len(asked), ledger.batch_size):
        page = ledger.read_invoices_by_number(asked[begin : begin + ledger.batch_size])
        for row in page.rows:
            found.by_number.setdefault(fold_number(row.number), []).append(row)
        unclear |= {fold_number(fault.name) for fault in page.unreadable}
        is_unclear = is_unclear or any(not fault.name for fault in page.unreadable)
    return BooksInvoices(found.by_number, frozenset(unclear), is_unclear)


def has_current_lists(merchant: Merchant, organisation_id: str) -> bool:
    """Whether the lists of accounts and codes were read in this organisation."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    return chosen is not None and chosen.lists_of in ("", organisation_id)


def list_income_accounts(merchant: Merchant) -> list[LedgerAccount]:
    """The accounts that lines of invoices can be booked to."""
    return list(LedgerAccount.objects.filter(merchant=merchant, kind__in=INCOME_KINDS).order_by("number", "name"))


def list_items(merchant: Merchant) -> list[LedgerItem]:
    """The items that lines of invoices can sell."""
    return list(LedgerItem.objects.filter(merchant=merchant).order_by("name"))


def list_tax_codes(merchant: Merchant, *, is_taxed: bool) -> list[LedgerTaxCode]:
    """The tax codes with a rate above zero, or those without."""
    rows = LedgerTaxCode.objects.filter(merchant=merchant).order_by("name")
    return list(rows.filter(rate__gt=0) if is_taxed else rows.filter(rate=0))


def needs_item(merchant: Merchant) -> bool:
    """Whether lines sell an item there."""
    info = get_ledger_info(merchant)
    return info is not None and info.needs_item


def takes_line_tax(merchant: Merchant) -> bool:
    """Whether a line's tax is taken as it is."""
    info = get_ledger_info(merchant)
    return info is not None and info.takes_line_tax
