"""Invoice PDFs, read from the ledger while the payer waits."""

from datetime import datetime

from accounting.ledger_session import open_ledger_session
from accounting.models import LedgerInvoice
from connections.availability import get_connection
from connections.models import Tier
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry

PRINTABLE_STATUSES = (LedgerInvoice.InvoiceStatus.OPEN, LedgerInvoice.InvoiceStatus.PAID)


class DocumentUnavailable(Exception):
    """There is no document now; the message is for the payer."""


def has_document(invoice: LedgerInvoice) -> bool:
    """Whether the ledger prints the invoice: drafts and voided invoices have no document."""
    return invoice.status in PRINTABLE_STATUSES


def get_invoice_pdf(invoice: LedgerInvoice, *, now: datetime) -> bytes:
    """Read the invoice as a PDF. Raises DocumentUnavailable."""
    if not has_document(invoice):
        raise DocumentUnavailable("A draft or voided invoice can't be downloaded.")
    try:
        connection = get_connection(invoice.merchant, tier=Tier.WISE_PAY)
        if connection.organisation_id != invoice.organisation_id:
            raise DocumentUnavailable(f"This invoice is in books that {invoice.merchant} does not use here any more.")
        with open_ledger_session(connection, priority="interactive", now=now) as ledger:
            document = ledger.read_invoice_pdf(invoice.ledger_id)
    except Unavailable as error:
        raise DocumentUnavailable("The accounting package does not answer at the moment. Please try again.") from error
    except (Disconnected, Retry) as error:
        raise DocumentUnavailable(f"{invoice.merchant}'s accounting package can't be reached at the moment.") from error
    except Rejected as error:
        raise DocumentUnavailable("The accounting package has no document of this invoice.") from error
    return document
