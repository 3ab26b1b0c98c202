"""The properties that objects have, and those that queries may ask by."""

from __future__ import annotations

from typing import Any

from sandbox.intuit.errors import (
    IntuitValidationError,
    build_too_long_error,
    build_unknown_property_error,
    build_unreadable_error,
)

SHARED = {"Id", "SyncToken", "MetaData", "sparse", "domain", "status", "CustomField", "CurrencyRef", "ClientEntityId"}
ADDRESSED = {"BillAddr", "ShipAddr", "FreeFormAddress", "ShipFromAddr"}
SALES = SHARED | ADDRESSED
SALES |= {"DocNumber", "TxnDate", "PrivateNote", "CustomerMemo", "CustomerRef", "Line", "TxnTaxDetail", "TotalAmt"}
SALES |= {"GlobalTaxCalculation", "ApplyTaxAfterDiscount", "PrintStatus", "EmailStatus", "BillEmail", "ExchangeRate"}
SALES |= {"Balance", "HomeTotalAmt", "HomeBalance", "ClassRef", "DepartmentRef", "SalesTermRef", "LinkedTxn"}
SALES |= {"TransactionLocationType", "PaymentMethodRef", "DepositToAccountRef", "TaxExemptionRef", "RecurDataRef"}

PROPERTIES: dict[str, set[str]] = {
    "Invoice": SALES
    | {"DueDate", "ShipDate", "TrackingNum", "ShipMethodRef", "Deposit", "DeliveryInfo", "InvoiceLink", "TxnSource"}
    | {"AllowIPNPayment", "AllowOnlinePayment", "AllowOnlineCreditCardPayment", "AllowOnlineACHPayment"}
    | {"BillEmailCc", "BillEmailBcc", "EInvoiceStatus"},
    "CreditMemo": SALES | {"RemainingCredit", "InvoiceRef"},
    "RefundReceipt": SALES
    | {"PaymentRefNum", "PaymentType", "TxnSource", "CheckPayment", "CreditCardPayment", "RefundReceiptLine"},
    "Payment": SHARED
    | {"CustomerRef", "TotalAmt", "UnappliedAmt", "TxnDate", "PrivateNote", "PaymentRefNum", "PaymentMethodRef", "Line"}
    | {"DepositToAccountRef", "ARAccountRef", "ExchangeRate", "ProcessPayment", "TxnSource", "TxnStatus", "LinkedTxn"}
    | {"CreditCardPayment", "TaxExemptionRef", "TransactionLocationType"},
    "Purchase": SHARED
    | {"PaymentType", "AccountRef", "EntityRef", "TxnDate", "DocNumber", "PrivateNote", "Line", "TotalAmt", "Credit"}
    | {"PaymentMethodRef", "ExchangeRate", "GlobalTaxCalculation", "TxnTaxDetail", "PrintStatus", "RemitToAddr"}
    | {"LinkedTxn", "DepartmentRef", "TxnSource", "TransactionLocationType", "IncludeInAnnualTPAR"},
    "Item": SHARED
    | {"Name", "Description", "Active", "SubItem", "FullyQualifiedName", "Taxable", "SalesTaxIncluded", "UnitPrice"}
    | {"Type", "Level", "PurchaseDesc", "PurchaseTaxIncluded", "PurchaseCost", "TrackQtyOnHand", "QtyOnHand", "Sku"}
    | {"InvStartDate", "AssetAccountRef", "ExpenseAccountRef", "IncomeAccountRef", "SalesTaxCodeRef", "ParentRef"}
    | {"PurchaseTaxCodeRef", "AbatementRate", "ReverseChargeRate", "ServiceType", "ItemCategoryType", "ClassRef"},
    "Customer": SHARED
    | {"Title", "GivenName", "MiddleName", "FamilyName", "Suffix", "FullyQualifiedName", "CompanyName", "DisplayName"}
    | {"PrintOnCheckName", "Notes", "Active", "IsProject", "Job", "BillWithParent", "Taxable", "Balance", "Level"}
    | {"BalanceWithJobs", "PreferredDeliveryMethod", "ResaleNum", "OpenBalanceDate", "PrimaryTaxIdentifier"}
    | {"BillAddr", "ShipAddr", "PrimaryPhone", "AlternatePhone", "Mobile", "Fax", "PrimaryEmailAddr", "WebAddr"}
    | {"DefaultTaxCodeRef", "SalesTermRef", "PaymentMethodRef", "ParentRef", "ARAccountRef", "CustomerTypeRef"}
    | {"TaxExemptionReasonId", "BusinessNumber"},
}

TIMES = {"Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime"}
NAMED_FIELDS = TIMES | {"Name", "Active", "FullyQualifiedName"}
DOCUMENT = TIMES | {"DocNumber", "TxnDate", "CustomerRef", "Balance", "TotalAmt"}
QUERYABLE: dict[str, set[str]] = {
    "CompanyInfo": TIMES | {"CompanyName"},
    "Account": NAMED_FIELDS
    | {"AccountType", "AccountSubType", "Classification", "CurrentBalance", "SubAccount", "AcctNum"},
    "Item": NAMED_FIELDS | {"Type", "Sku", "UnitPrice", "Taxable", "Description"},
    "TaxCode": NAMED_FIELDS | {"Description", "Taxable"},
    "TaxRate": NAMED_FIELDS | {"Description"},
    "Term": NAMED_FIELDS | {"DueDays", "Type"},
    "CompanyCurrency": NAMED_FIELDS | {"Code"},
    "Customer": TIMES
    | {"DisplayName", "CompanyName", "GivenName", "MiddleName", "FamilyName", "Suffix", "PrintOnCheckName", "Active"}
    | {"Balance", "FullyQualifiedName", "PrimaryEmailAddr", "PrimaryPhone", "BillWithParent", "Taxable", "Job"},
    "Invoice": DOCUMENT | {"DueDate", "SalesTermRef"},
    "CreditMemo": DOCUMENT,
    "RefundReceipt": DOCUMENT,
    "Payment": TIMES | {"TxnDate", "CustomerRef", "TotalAmt", "PaymentRefNum", "UnappliedAmt", "DepositToAccountRef"},
    "Purchase": TIMES | {"TxnDate", "DocNumber", "TotalAmt", "PaymentType"},
}
MAX_LENGTHS = {"DocNumber": 21, "PaymentRefNum": 21, "PrivateNote": 4000}
LISTS = ("Line", "CustomField", "LinkedTxn")
REFERENCES = (
    "CustomerRef",
    "CurrencyRef",
    "SalesTermRef",
    "DepositToAccountRef",
    "AccountRef",
    "EntityRef",
    "IncomeAccountRef",
)


def check_fields(entity: str, sent: Any) -> dict[str, Any]:
    """What was sent, its own fields known and of the right shape, empty ones left out; raises IntuitValidationError."""
    if not isinstance(sent, dict):
        raise build_unreadable_error("Can not instantiate value of this type from the JSON given")
    for name, value in sent.items():
        if name not in PROPERTIES[entity]:
            raise build_unknown_property_error(name)
        check_form(name, value)
    return {name: value for name, value in sent.items() if value not in (None, "")}


def check_form(name: str, value: Any) -> None:
    """Raises IntuitValidationError for a field of the wrong shape or length."""
    if value in (None, ""):
        return
    if name in LISTS and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        raise build_unreadable_error(f"{name} must be an array of objects")
    if name in REFERENCES and not isinstance(value, dict):
        raise build_unreadable_error(f"{name} must be an object")
    if name in MAX_LENGTHS:
        check_length(name, value, MAX_LENGTHS[name])


def check_length(name: str, value: Any, most: int) -> str:
    """The text, not longer than `most`; raises IntuitValidationError (2040, 2050)."""
    if not isinstance(value, str | int):
        raise build_unreadable_error(f"{name} must be a text")
    text = str(value)
    if len(text) > most:
        raise build_too_long_error(name, text, most)
    if any(ord(char) < 32 and char not in "\t\r\n" for char in text):
        raise IntuitValidationError(
            "2040", "Invalid String", f"Element contains invalid characters: {name}", element=name
        )
    return text
