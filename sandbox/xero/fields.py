"""The fields that lists may be filtered and ordered by."""

CONTACT = frozenset(
    {
        "ContactID",
        "ContactNumber",
        "AccountNumber",
        "ContactStatus",
        "Name",
        "FirstName",
        "LastName",
        "EmailAddress",
        "IsCustomer",
        "IsSupplier",
        "CompanyNumber",
        "TaxNumber",
        "UpdatedDateUTC",
        "DefaultCurrency",
    }
)
DOCUMENT = frozenset(
    {
        "Type",
        "Status",
        "Date",
        "DueDate",
        "Reference",
        "Contact",
        "CurrencyCode",
        "SubTotal",
        "TotalTax",
        "Total",
        "UpdatedDateUTC",
        "BrandingThemeID",
        "FullyPaidOnDate",
        "InvoiceID",
        "InvoiceNumber",
        "AmountDue",
        "AmountPaid",
        "AmountCredited",
        "ExpectedPaymentDate",
        "PlannedPaymentDate",
        "CreditNoteID",
        "CreditNoteNumber",
        "RemainingCredit",
        "SentToContact",
    }
)
PAYMENT = frozenset(
    {
        "PaymentID",
        "PaymentType",
        "Status",
        "Date",
        "Amount",
        "Reference",
        "IsReconciled",
        "Invoice",
        "CreditNote",
        "Account",
        "UpdatedDateUTC",
    }
)
ACCOUNT = frozenset(
    {
        "AccountID",
        "Code",
        "Name",
        "Type",
        "Status",
        "Class",
        "TaxType",
        "EnablePaymentsToAccount",
        "SystemAccount",
        "UpdatedDateUTC",
        "BankAccountNumber",
    }
)
TAX_RATE = frozenset(
    {"Name", "TaxType", "Status", "ReportTaxType", "CanApplyToRevenue", "EffectiveRate", "DisplayTaxRate"}
)
