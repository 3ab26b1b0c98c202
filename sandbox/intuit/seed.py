"""The practice companies as a new world has them: accounts, items, taxes, terms, no business yet."""

from __future__ import annotations

from typing import Any

from sandbox.core.fixtures import AU, CA, GB, NZ, SG, US

Record = dict[str, Any]
CREATED = "2024-07-01T00:00:00+00:00"

COMPANIES: list[Record] = [
    {
        **AU,
        "realm": "9341452000000061",
        "currencies": {"AUD": "1", "USD": "1.5", "NZD": "0.92", "JPY": "0.01"},
        "numbered": True,
        "taxes": [
            ("GST", "10", "sale"),
            ("GST free", "0", "sale"),
            ("Out of Scope", "0", "sale"),
            ("GST on non-capital", "10", "purchase"),
        ],
        "payable": "GST Liabilities Payable",
    },
    {
        **NZ,
        "realm": "9341452000000064",
        "currencies": {"NZD": "1", "AUD": "1.08", "USD": "1.65"},
        "numbered": True,
        "taxes": [("15% S", "15", "sale"), ("0% Z", "0", "sale"), ("No VAT", "0", "sale"), ("15% P", "15", "purchase")],
        "payable": "GST Payable",
    },
    {
        **US,
        "realm": "9341452000000001",
        "currencies": {"USD": "1"},
        "numbered": False,
        "taxes": [("Texas", "8.25", "sale")],
        "payable": "Sales Tax Payable",
    },
    {
        **GB,
        "realm": "9341452000000044",
        "currencies": {"GBP": "1", "EUR": "0.86", "USD": "0.79"},
        "numbered": True,
        "taxes": [
            ("20.0% S", "20", "sale"),
            ("5.0% R", "5", "sale"),
            ("0.0% Z", "0", "sale"),
            ("No VAT", "0", "sale"),
            ("20.0% S purchases", "20", "purchase"),
        ],
        "payable": "VAT Control",
    },
    {
        **CA,
        "realm": "9341452000000012",
        "currencies": {"CAD": "1", "USD": "1.36"},
        "numbered": False,
        "taxes": [
            ("HST ON", "13", "sale"),
            ("Zero-rated", "0", "sale"),
            ("Out of Scope", "0", "sale"),
            ("HST ON purchases", "13", "purchase"),
        ],
        "payable": "GST/HST Payable",
    },
    {
        **SG,
        "realm": "9341452000000065",
        "currencies": {"SGD": "1", "USD": "1.34"},
        "numbered": True,
        "taxes": [
            ("9% SR", "9", "sale"),
            ("0% ZR", "0", "sale"),
            ("Out of Scope", "0", "sale"),
            ("9% TX", "9", "purchase"),
        ],
        "payable": "GST Payable",
    },
]

# number, name, type, subtype, classification
ACCOUNTS = [
    ("090", "Business Bank Account", "Bank", "Checking", "Asset"),
    ("200", "Sales", "Income", "SalesOfProductIncome", "Revenue"),
    ("210", "Managed Services", "Income", "ServiceFeeIncome", "Revenue"),
    ("220", "Hardware Sales", "Income", "SalesOfProductIncome", "Revenue"),
    ("265", "Card Surcharges", "Other Income", "OtherMiscellaneousIncome", "Revenue"),
    ("310", "Cost of Goods Sold", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Expense"),
    ("404", "Bank Fees", "Expense", "BankCharges", "Expense"),
    ("610", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset"),
    ("614", "Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset"),
    ("615", "Wise-Pay Clearing", "Bank", "CashOnHand", "Asset"),
    ("620", "Prepaid Expenses", "Other Current Asset", "PrepaidExpenses", "Asset"),
    ("800", "Accounts Payable (A/P)", "Accounts Payable", "AccountsPayable", "Liability"),
    ("815", "Wise-Pay Prepayments", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    ("820", "", "Other Current Liability", "GlobalTaxPayable", "Liability"),
    ("899", "Closed Clearing (deleted)", "Bank", "CashOnHand", "Asset"),
]
BANK, RECEIVABLE, UNDEPOSITED, CLEARING, PREPAYMENTS, CLOSED = "1", "8", "9", "10", "13", "15"

# name, type, number of the income account, active
ITEMS = [
    ("Services", "Service", "210", True),
    ("Hardware", "NonInventory", "220", True),
    ("Wise-Pay Prepayment", "Service", "815", True),
    ("Card Surcharge", "Service", "265", True),
    ("Imported without an account", "Service", "", True),
    ("Retired Service (deleted)", "Service", "210", False),
    ("Everything for the office", "Category", "", True),
]
TERMS = [("Due on receipt", 0), ("Net 15", 15), ("Net 30", 30), ("Net 60", 60)]


def build_companies() -> Record:
    """The section of a new world."""
    return {"companies": {row["realm"]: build_company(row) for row in COMPANIES}}


def build_company(facts: Record) -> Record:
    """One company's books without documents. Ids are the same in every world."""
    accounts = [build_account(facts, str(place), *row) for place, row in enumerate(ACCOUNTS, 1)]
    accounts += build_foreign_receivables(facts)
    rates = [build_tax_rate(str(place), *row) for place, row in enumerate(facts["taxes"], 1)]
    tables: Record = {
        name: {} for name in ("Customer", "Invoice", "CreditMemo", "RefundReceipt", "Payment", "Purchase")
    }
    return {
        "slug": facts["slug"],
        "facts": facts,
        "preferences": {"BookCloseDate": None, "AutoApplyCredit": False, "CustomTxnNumbers": True, "suspended": False},
        "next": {"name": 57, "transaction": 130, "list": 100},
        "deleted": [],
        "others": [],
        "index": {},
        "CompanyInfo": {"1": build_profile(facts)},
        "Account": build_table(accounts),
        "Item": build_table([build_item(facts, accounts, str(place), *row) for place, row in enumerate(ITEMS, 1)]),
        "TaxRate": build_table(rates),
        "TaxCode": build_table(build_tax_codes(facts, rates)),
        "CompanyCurrency": build_table(
            [
                {**build_base(str(place), code), "Code": code}
                for place, code in enumerate(sorted(set(facts["currencies"]) - {facts["currency"]}), 1)
            ]
        ),
        "Term": build_table([build_term(str(place), *row) for place, row in enumerate(TERMS, 1)]),
        **tables,
    }


def build_table(rows: list[Record]) -> Record:
    """Rows by id."""
    return {row["Id"]: row for row in rows}


def build_base(key: str, name: str = "") -> Record:
    """What every object of the API has."""
    times = {"CreateTime": CREATED, "LastUpdatedTime": CREATED}
    found = {"Id": key, "SyncToken": "0", "sparse": False, "domain": "QBO", "MetaData": times}
    return {**found, "Name": name, "Active": True} if name else found


def build_profile(facts: Record) -> Record:
    """What `CompanyInfo` tells."""
    address = {"Id": "1", "Line1": "1 Practice Street", "Country": facts["country"]}
    return {
        **build_base("1"),
        "CompanyName": facts["name"],
        "LegalName": facts["name"],
        "CompanyAddr": address,
        "Country": facts["country"],
        "FiscalYearStartMonth": "July" if facts["country"] == "AU" else "January",
        "CompanyStartDate": "2024-07-01",
        "SupportedLanguages": "en",
        "Email": {"Address": "bookkeeper@example.test"},
        "NameValue": [{"Name": "NeoEnabled", "Value": "true"}, {"Name": "IndustryType", "Value": "IT services"}],
    }


def build_account(facts: Record, key: str, number: str, name: str, kind: str, subtype: str, side: str) -> Record:
    """One line of the chart of accounts; not every company numbers them."""
    label = name or facts["payable"]
    return {
        **build_base(key, label),
        "FullyQualifiedName": label,
        "SubAccount": False,
        "Classification": side,
        "AccountType": kind,
        "AccountSubType": subtype,
        "CurrentBalance": "0.00",
        "CurrentBalanceWithSubAccounts": "0.00",
        "CurrencyRef": {"value": facts["currency"]},
        "Active": key != CLOSED,
        **({"AcctNum": number} if facts["numbered"] else {}),
    }


def build_foreign_receivables(facts: Record) -> list[Record]:
    """What customers owe in other currencies has accounts of its own."""
    codes = [code for code in facts["currencies"] if code != facts["currency"]]
    place = int(RECEIVABLE) - 1
    return [
        {
            **build_account(facts, str(key), "", f"{ACCOUNTS[place][1]} - {code}", *ACCOUNTS[place][2:]),
            "CurrencyRef": {"value": code},
        }
        for key, code in enumerate(codes, len(ACCOUNTS) + 1)
    ]


def build_item(
    facts: Record, accounts: list[Record], key: str, name: str, kind: str, number: str, active: bool
) -> Record:
    """Something to sell."""
    place = next((place for place, row in enumerate(ACCOUNTS) if number and row[0] == number), None)
    income = {} if place is None else {"value": accounts[place]["Id"], "name": accounts[place]["Name"]}
    return {
        **build_base(key, name),
        "FullyQualifiedName": name,
        "Description": "" if kind == "Category" else name,
        "Type": kind,
        "Taxable": facts["country"] == "US" and kind == "NonInventory",
        "UnitPrice": "0",
        "TrackQtyOnHand": False,
        "Active": active,
        **({"IncomeAccountRef": income} if income else {}),
    }


def build_tax_rate(key: str, name: str, percent: str, side: str) -> Record:
    """One tax rate; the percentage is stored as text."""
    return {
        **build_base(key, name),
        "Description": name,
        "RateValue": percent,
        "DisplayType": "ReadOnly",
        "_side": side,
    }


def build_tax_codes(facts: Record, rates: list[Record]) -> list[Record]:
    """The tax codes: one for each rate, and in the United States the two that lines may carry."""
    found = [build_tax_code(row["Id"], row["Name"], row, row["_side"]) for row in rates]
    if facts["country"] != "US":
        return found
    # Automated sales tax decides the rate; a line only says whether it is taxable.
    return [build_tax_code("TAX", "TAX", rates[0], "sale"), build_tax_code("NON", "NON", None, "sale"), *found]


def build_tax_code(key: str, name: str, rate_row: Record | None, side: str) -> Record:
    """One tax code with its rate."""
    rate_reference = {"value": rate_row["Id"], "name": rate_row["Name"]} if rate_row else {}
    detail: list[Record] = [{"TaxRateRef": rate_reference, "TaxTypeApplicable": "TaxOnAmount", "TaxOrder": 0}]
    rates = {"TaxRateDetail": detail if rate_row else []}
    nothing: Record = {"TaxRateDetail": []}
    return {
        **build_base(key, name),
        "Description": name,
        "Taxable": rate_row is not None,
        "TaxGroup": rate_row is not None,
        "SalesTaxRateList": rates if side == "sale" else nothing,
        "PurchaseTaxRateList": rates if side == "purchase" else nothing,
    }


def build_term(key: str, name: str, days: int) -> Record:
    """Terms of payment."""
    return {**build_base(key, name), "Type": "STANDARD", "DueDays": days, "DiscountDays": 0}
