"""The table of ledgers, one package each. A ledger's SDK is imported when the ledger is first opened."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from accounting.ledgers.guides import QUICKBOOKS_GUIDE, XERO_GUIDE, Guide


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """What is known of a ledger without opening it. `path` is where its class is.

    With `contacts_have_currency` a contact has documents in one currency only, so a company has one for each.
    `contact_url` and those after it are its own pages, for people; empty where there is none of a single document.
    With `takes_line_tax` a line's own tax is taken as it is; else the package computes it from the sum. With
    `has_pay_buttons` its online invoices can have one that leads to us.
    """

    path: str
    supports_drafts: bool
    needs_item: bool
    guide: Guide
    contacts_have_currency: bool = False
    contact_url: str = ""
    invoice_url: str = ""
    credit_note_url: str = ""
    payment_url: str = ""
    takes_line_tax: bool = False
    has_pay_buttons: bool = False


LEDGERS = {
    "xero": LedgerInfo(
        "accounting.ledgers.xero.ledger.XeroLedger",
        supports_drafts=True,
        needs_item=False,
        guide=XERO_GUIDE,
        contact_url="https://go.xero.com/app/contacts/contact/{contact_id}",
        invoice_url="https://go.xero.com/AccountsReceivable/View.aspx?InvoiceID={document_id}",
        credit_note_url="https://go.xero.com/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={document_id}",
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
        invoice_url="https://app.qbo.intuit.com/app/invoice?txnId={document_id}",
        credit_note_url="https://app.qbo.intuit.com/app/creditmemo?txnId={document_id}",
        payment_url="https://app.qbo.intuit.com/app/recvpayment?txnId={document_id}",
    ),
}


def build_document_url(provider: str, document: Literal["invoice", "credit_note", "payment"], document_id: str) -> str:
    """The accounting package's own page of a document, for people; empty where it has none."""
    if provider not in LEDGERS or not document_id:
        return ""
    url: str = getattr(LEDGERS[provider], f"{document}_url")
    return url.format(document_id=quote(document_id, safe=""))
