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
from accounting.models.books import (
    AccountingSettings,
    CreditNote,
    Download,
    HandTask,
    LedgerAccount,
    LedgerContact,
    LedgerItem,
    LedgerTaxCode,
    Posting,
)
from accounting.models.crediting import CreditMatch, CreditSettings, PaymentSync
from accounting.models.mirror import (
    HeardChange,
    LedgerApplication,
    LedgerCredit,
    LedgerInvoice,
    MirrorCursor,
    MirroredDocument,
)
from accounting.models.money import Acknowledgement, LedgerPayment, MoneyCursor
from accounting.models.shares import Share

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
    "HandTask",
    "HeardChange",
    "LedgerAccount",
    "LedgerApplication",
    "LedgerContact",
    "LedgerCredit",
    "LedgerInvoice",
    "LedgerItem",
    "LedgerPayment",
    "LedgerTaxCode",
    "LedgerTerm",
    "MirrorCursor",
    "MirroredDocument",
    "MoneyCursor",
    "PaymentSync",
    "Posting",
    "ScheduledPayment",
    "Share",
    "UnmatchedInvoice",
]
