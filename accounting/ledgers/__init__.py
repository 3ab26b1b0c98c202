"""The table of ledgers, one package each. A ledger's SDK is imported when the ledger is first opened."""

from dataclasses import dataclass

from accounting.ledgers.guides import QUICKBOOKS_GUIDE, XERO_GUIDE, Guide


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """What is known of a ledger without opening it. `path` is where its class is.

    With `contacts_have_currency` a contact has documents in one currency only, so a company has one for each.
    `contact_url` is the page of a contact there, for people. With `takes_line_tax` a line's own tax is taken as it is;
    else the package computes it from the sum. With `has_pay_buttons` its online invoices can have one that leads to us.
    """

    path: str
    supports_drafts: bool
    needs_item: bool
    guide: Guide
    contacts_have_currency: bool = False
    contact_url: str = ""
    takes_line_tax: bool = False
    has_pay_buttons: bool = False


LEDGERS = {
    "xero": LedgerInfo(
        "accounting.ledgers.xero.ledger.XeroLedger",
        supports_drafts=True,
        needs_item=False,
        guide=XERO_GUIDE,
        contact_url="https://go.xero.com/app/contacts/contact/{contact_id}",
        takes_line_tax=True,
        has_pay_buttons=True,
    ),
    "quickbooks": LedgerInfo(
        "accounting.ledgers.quickbooks.ledger.QuickBooksLedger",
        supports_drafts=False,
        needs_item=True,
        guide=QUICKBOOKS_GUIDE,
        contacts_have_currency=True,
        contact_url="https://app.qbo.intuit.com/app/customerdetail?nameId={contact_id}",
    ),
}
