"""An invoice's document from the books, asked for while somebody waits."""

from datetime import datetime

from accounting.models import LedgerInvoice
from accounting.speaking import speaking
from connections.models import Tier
from connections.services import connection_for
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry

PRINTED = (LedgerInvoice.Status.OPEN, LedgerInvoice.Status.PAID)


class NoDocument(Exception):
    """There is none now; the message is for the payer."""


def has_document(invoice: LedgerInvoice) -> bool:
    """Whether the books print it: drafts and voided ones have no document."""
    return invoice.status in PRINTED


def read_document(invoice: LedgerInvoice, *, now: datetime) -> bytes:
    """The invoice as a PDF. Raises NoDocument."""
    if not has_document(invoice):
        raise NoDocument("A draft or voided invoice can't be downloaded.")
    try:
        connection = connection_for(invoice.merchant, tier=Tier.WISE_PAY)
        if connection.organisation_id != invoice.organisation_id:
            raise NoDocument(f"This invoice is in books that {invoice.merchant} does not use here any more.")
        with speaking(connection, lane="interactive", now=now) as ledger:
            document = ledger.read_invoice_pdf(invoice.ledger_id)
    except Unavailable as error:
        raise NoDocument("The accounting package does not answer at the moment. Please try again.") from error
    except (Disconnected, Retry) as error:
        raise NoDocument(f"{invoice.merchant}'s accounting package can't be reached at the moment.") from error
    except Rejected as error:
        raise NoDocument("The accounting package has no document of this invoice.") from error
    return document
