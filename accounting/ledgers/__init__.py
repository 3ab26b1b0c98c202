"""The table of ledgers, one package each. A ledger's SDK is imported when the ledger is first opened."""

from dataclasses import dataclass

from accounting.ledgers.guides import QUICKBOOKS_GUIDE, XERO_GUIDE, Guide


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """What is known of a ledger without opening it. `path` is where its class is."""

    path: str
    supports_drafts: bool
    needs_item: bool
    guide: Guide


LEDGERS = {
    "xero": LedgerInfo(
        "accounting.ledgers.xero.ledger.XeroLedger", supports_drafts=True, needs_item=False, guide=XERO_GUIDE
    ),
    "quickbooks": LedgerInfo(
        "accounting.ledgers.quickbooks.ledger.QuickBooksLedger",
        supports_drafts=False,
        needs_item=True,
        guide=QUICKBOOKS_GUIDE,
    ),
}
