"""The PDF of PSA in place of the ledger's, where the merchant wants payers to see it."""

from datetime import datetime

from accounting.invoices.pdf import document_source
from accounting.models import LedgerInvoice
from psa.joins import find_joined, is_surely_same
from psa.models import PsaConnection
from psa.session import open_psa_session
from wisepay.errors import Disconnected, Rejected


@document_source
def read_psa_document(invoice: LedgerInvoice, *, now: datetime) -> bytes | None:
    """Read PSA's PDF of an invoice of the books, for somebody who may see that one.

    None where the merchant does not want it, PSA has none, or the number alone says that it is the same: another
    company's document is never shown. Raises Unavailable.
    """
    rows = PsaConnection.objects.select_related("merchant")
    connection = rows.filter(merchant=invoice.merchant_id, state="connected", shows_documents=True).first()
    joined = find_joined(connection, invoice) if connection is not None else None
    if connection is None or joined is None or not is_surely_same(joined, invoice):
        return None
    try:
        with open_psa_session(connection, priority="document", now=now) as psa:
            return psa.read_invoice_pdf(joined.invoice_id)
    except (Disconnected, Rejected):
        return None
