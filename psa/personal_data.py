"""What the PSA floor's tables hold of people: who of the merchant's staff connected and decided."""

from wisepay.personal_data.registry import PersonalData, declare_not_personal, declare_personal

declare_personal(
    PersonalData(
        "psa.PsaPayment",
        "Who of the merchant's people decided: a record of the books.",
        "keep",
        fields=("decided_by", "note"),
        person=("decided_by",),
        hidden=("answer", "candidates"),
    ),
    PersonalData(
        "psa.PsaConnection",
        "Who connected ConnectWise PSA: a record of the merchant's.",
        "keep",
        fields=("connected_by",),
        address=("connected_by__iexact",),
        hidden=("callback_digest",),
    ),
    PersonalData(
        "psa.PsaConnectionEvent",
        "Who did what to a connection; deleted after some weeks.",
        "keep",
        fields=("by",),
        address=("by__iexact",),
    ),
    PersonalData(
        "psa.PsaAgreement",
        "Who of the merchant's people decided about an agreement: a record of the merchant's.",
        "keep",
        fields=("decided_by",),
        person=("decided_by",),
    ),
    PersonalData(
        "psa.PsaBillingTerm",
        "Who of the merchant's people said what a billing term means: a record of the merchant's.",
        "keep",
        fields=("decided_by",),
        person=("decided_by",),
    ),
    PersonalData(
        "psa.PsaCompanyLink",
        "Which company is which, and who of the merchant's people said so: a record of the merchant's.",
        "keep",
        fields=("decided_by",),
        person=("decided_by",),
    ),
    PersonalData(
        "psa.InvoiceSync",
        "Who of the merchant's people started and confirmed a sync of invoices: a record of the books.",
        "keep",
        fields=("requested_by", "confirmed_by"),
        person=("requested_by", "confirmed_by"),
    ),
    PersonalData(
        "psa.PsaTaxCode",
        "Who of the merchant's people said which tax code is which: a record of the books.",
        "keep",
        fields=("decided_by",),
        person=("decided_by",),
    ),
)

declare_not_personal("How far a list of PSA was read.", "psa.PsaAgreementCursor")
declare_not_personal(
    "What a merchant chose for its books, and invoices of companies.", "psa.InvoiceSyncSettings", "psa.InvoiceSyncRow"
)

declare_not_personal("Invoices of companies, as ConnectWise PSA has them.", "psa.PsaInvoice")
