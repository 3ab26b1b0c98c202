"""Tables of the accounting floor."""

from accounting.models.autopay import (
    LIVE_SCHEDULED,
    AutoPayLimit,
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    LedgerTerm,
    ScheduledPayment,
    UnmatchedInvoice,
)
from accounting.models.configuration import LedgerAccount, LedgerItem, LedgerTaxCode
from accounting.models.credits import CreditMatch, CreditSettings
from accounting.models.documents import InvoiceDocument
from accounting.models.jobs import Download, LedgerJob, PaymentSync
from accounting.models.mirror import (
    LedgerApplication,
    LedgerContact,
    LedgerCredit,
    LedgerInvoice,
    MirrorCursor,
    MirroredDocument,
    PendingChange,
    UnreadableRecord,
)
from accounting.models.payment_allocations import PaymentAllocation
from accounting.models.posting import AccountingSettings, CreditNote, ManualTask, Posting
from accounting.models.reconciliation import Acknowledgement, LedgerPayment, LedgerPaymentCursor

__all__ = [
    "LIVE_SCHEDULED",
    "AccountingSettings",
    "Acknowledgement",
    "AutoPayLimit",
    "AutoPayMapping",
    "AutoPaySettings",
    "BillingTerm",
    "CreditMatch",
    "CreditNote",
    "CreditSettings",
    "Download",
    "InvoiceDocument",
    "LedgerAccount",
    "LedgerApplication",
    "LedgerContact",
    "LedgerCredit",
    "LedgerInvoice",
    "LedgerItem",
    "LedgerJob",
    "LedgerPayment",
    "LedgerPaymentCursor",
    "LedgerTaxCode",
    "LedgerTerm",
    "ManualTask",
    "MirrorCursor",
    "MirroredDocument",
    "PaymentAllocation",
    "PaymentSync",
    "PendingChange",
    "Posting",
    "ScheduledPayment",
    "UnmatchedInvoice",
    "UnreadableRecord",
]
