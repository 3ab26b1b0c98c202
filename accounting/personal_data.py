"""What accounting's tables hold of people: the mirror of the merchant's books, and who of its staff decided."""

from wisepay.personal_data.registry import PersonalData, declare_not_personal, declare_personal

STAFF = "Who of the merchant's people decided: a record of the books."
declare_personal(
    PersonalData(
        "accounting.LedgerContact",
        "A copy of the merchant's own books: erased there, it is read again as erased.",
        "keep",
        fields=("name", "folded_name", "email"),
        address=("email__iexact",),
    ),
    PersonalData(
        "accounting.UnreadableRecord",
        "What of the merchant's own books could not be read, until it is mended there.",
        "delete",
        fields=("name",),
        address=("name__iexact",),
    ),
    PersonalData("accounting.AutoPayMapping", STAFF, "keep", fields=("created_by",), person=("created_by",)),
    PersonalData(
        "accounting.ScheduledPayment",
        STAFF,
        "keep",
        fields=("confirmed_by", "resolved_by"),
        person=("confirmed_by", "resolved_by"),
    ),
    PersonalData("accounting.ManualTask", STAFF, "keep", fields=("done_by", "note"), person=("done_by",)),
    PersonalData("accounting.CreditMatch", STAFF, "keep", fields=("decided_by",), person=("decided_by",)),
    PersonalData("accounting.Download", STAFF, "keep", fields=("requested_by",), person=("requested_by",)),
    PersonalData("accounting.PaymentSync", STAFF, "keep", fields=("requested_by",), person=("requested_by",)),
    PersonalData("accounting.PaymentAllocation", STAFF, "keep", fields=("confirmed_by",), person=("confirmed_by",)),
    PersonalData(
        "accounting.Acknowledgement",
        STAFF,
        "keep",
        fields=("acknowledged_by", "retracted_by", "reason"),
        person=("acknowledged_by", "retracted_by"),
        hidden=("content_hash", "identity_hash"),
    ),
)
declare_not_personal(
    "Documents, amounts and lists of a company's books.",
    "accounting.LedgerInvoice",
    "accounting.InvoiceDocument",
    "accounting.LedgerCredit",
    "accounting.LedgerApplication",
    "accounting.LedgerTerm",
    "accounting.LedgerAccount",
    "accounting.LedgerItem",
    "accounting.LedgerTaxCode",
    "accounting.LedgerPayment",
    "accounting.CreditNote",
    "accounting.Posting",
    "accounting.UnmatchedInvoice",
)
declare_not_personal(
    "A merchant's settings, and how far something was read.",
    "accounting.MirrorCursor",
    "accounting.PendingChange",
    "accounting.AutoPaySettings",
    "accounting.AutoPayLimit",
    "accounting.BillingTerm",
    "accounting.AccountingSettings",
    "accounting.CreditSettings",
    "accounting.LedgerPaymentCursor",
)
