"""The practice organisations as a new world has them: accounts, taxes, themes, no business yet."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.core.fixtures import AU, CA, GB, NZ, SG, US

Record = dict[str, Any]
CREATED = "2024-07-01T00:00:00.000+00:00"

VERSIONS = {"GB": "UK", "CA": "GLOBAL", "SG": "GLOBAL"}  # of Xero, where it is not called like the country

COMPANIES: list[Record] = [
    {
        **AU,
        "zone": "AUSEASTERNSTANDARDTIME",
        "currencies": ["AUD", "USD", "NZD", "JPY"],
        "year_end": (30, 6),
        "sale": "OUTPUT",
        "expense": "INPUT",
        "free": "BASEXCLUDED",
        "taxes": [
            ("OUTPUT", "GST on Income", "10"),
            ("INPUT", "GST on Expenses", "10"),
            ("EXEMPTOUTPUT", "GST Free Income", "0"),
            ("EXEMPTEXPENSES", "GST Free Expenses", "0"),
            ("BASEXCLUDED", "BAS Excluded", "0"),
            ("NONE", "No Tax", "0"),
        ],
    },
    {
        **NZ,
        "zone": "NEWZEALANDSTANDARDTIME",
        "currencies": ["NZD", "AUD", "USD"],
        "year_end": (31, 3),
        "sale": "OUTPUT2",
        "expense": "INPUT2",
        "free": "NONE",
        "taxes": [
            ("OUTPUT2", "15% GST on Income", "15"),
            ("INPUT2", "15% GST on Expenses", "15"),
            ("ZERORATED", "Zero Rated", "0"),
            ("NONE", "No GST", "0"),
        ],
    },
    {
        **US,
        "zone": "CENTRALSTANDARDTIME",
        "currencies": ["USD", "CAD"],
        "year_end": (31, 12),
        "sale": "OUTPUT",
        "expense": "INPUT",
        "free": "NONE",
        "taxes": [
            ("OUTPUT", "Tax on Sales", "8.25"),
            ("INPUT", "Tax on Purchases", "8.25"),
            ("NONE", "Tax Exempt", "0"),
        ],
    },
    {
        **GB,
        "zone": "GMTSTANDARDTIME",
        "currencies": ["GBP", "EUR", "USD"],
        "year_end": (31, 3),
        "sale": "OUTPUT2",
        "expense": "INPUT2",
        "free": "NONE",
        "taxes": [
            ("OUTPUT2", "20% (VAT on Income)", "20"),
            ("INPUT2", "20% (VAT on Expenses)", "20"),
            ("RROUTPUT", "5% (VAT on Income)", "5"),
            ("RRINPUT", "5% (VAT on Expenses)", "5"),
            ("ZERORATEDOUTPUT", "Zero Rated Income", "0"),
            ("ZERORATEDINPUT", "Zero Rated Expenses", "0"),
            ("NONE", "No VAT", "0"),
        ],
    },
    {
        **CA,
        "zone": "EASTERNSTANDARDTIME",
        "currencies": ["CAD", "USD"],
        "year_end": (31, 12),
        "sale": "OUTPUT",
        "expense": "INPUT",
        "free": "NONE",
        "taxes": [
            ("OUTPUT", "HST on Sales", "13"),
            ("INPUT", "HST on Purchases", "13"),
            ("NONE", "Tax Exempt", "0"),
        ],
    },
    {
        **SG,
        "zone": "SINGAPORESTANDARDTIME",
        "currencies": ["SGD", "USD"],
        "year_end": (31, 12),
        "sale": "OUTPUTY24",
        "expense": "INPUTY24",
        "free": "NONE",
        "taxes": [
            ("OUTPUTY24", "Standard-Rated Supplies", "9"),
            ("INPUTY24", "Standard-Rated Purchases", "9"),
            ("ZERORATEDOUTPUT", "Zero-Rated Supplies", "0"),
            ("NONE", "Out of Scope", "0"),
        ],
    },
]

# code, name, type, class, tax ("sale", "expense" or "free" of the company), what is special about it
ACCOUNTS: list[tuple[str, str, str, str, str, Record]] = [
    ("090", "Business Bank Account", "BANK", "ASSET", "free", {"BankAccountType": "BANK"}),
    ("200", "Sales", "REVENUE", "REVENUE", "sale", {}),
    ("210", "Managed Services", "REVENUE", "REVENUE", "sale", {}),
    ("220", "Hardware Sales", "SALES", "REVENUE", "sale", {}),
    ("265", "Card Surcharges", "OTHERINCOME", "REVENUE", "sale", {}),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "EXPENSE", "expense", {}),
    ("404", "Bank Fees", "EXPENSE", "EXPENSE", "free", {}),
    ("610", "Accounts Receivable", "CURRENT", "ASSET", "free", {"SystemAccount": "DEBTORS"}),
    ("615", "Wise-Pay Clearing", "CURRENT", "ASSET", "free", {"EnablePaymentsToAccount": True}),
    ("620", "Prepaid Expenses", "CURRENT", "ASSET", "free", {}),
    ("800", "Accounts Payable", "CURRLIAB", "LIABILITY", "free", {"SystemAccount": "CREDITORS"}),
    ("815", "Wise-Pay Prepayments", "CURRLIAB", "LIABILITY", "free", {}),
    ("820", "Sales Tax", "CURRLIAB", "LIABILITY", "free", {"SystemAccount": "GST"}),
    (
        "899",
        "Closed Clearing",
        "CURRENT",
        "ASSET",
        "free",
        {"EnablePaymentsToAccount": True, "Status": "ARCHIVED"},
    ),
]


def build_organisations() -> Record:
    """The section of a new world."""
    built = [build_organisation(company) for company in COMPANIES]
    return {"organisations": {row["Organisation"]["OrganisationID"]: row for row in built}}


def build_organisation(company: Record) -> Record:
    """One organisation's books without documents. Its ids are the same in every world."""
    space = uuid.uuid5(uuid.NAMESPACE_DNS, company["slug"] + ".practice.invalid")
    tables: Record = {name: {} for name in ("contacts", "invoices", "credit_notes", "payments")}
    return {
        "slug": company["slug"],
        "lock_date": None,
        "Organisation": build_profile(company, str(space)),
        "accounts": {row["AccountID"]: row for row in (build_account(company, space, *each) for each in ACCOUNTS)},
        "tax_rates": [build_tax_rate(*each) for each in company["taxes"]],
        "currencies": company["currencies"],
        "branding_themes": build_themes(space),
        "index": {},
        **tables,
    }


def build_profile(company: Record, tenant: str) -> Record:
    """The body of `GET /Organisation`."""
    day, month = company["year_end"]
    return {
        "OrganisationID": tenant,
        "Name": company["name"],
        "LegalName": company["name"],
        "PaysTax": True,
        "Version": VERSIONS.get(company["country"], company["country"]),
        "OrganisationType": "COMPANY",
        "OrganisationEntityType": "COMPANY",
        "BaseCurrency": company["currency"],
        "CountryCode": company["country"],
        "IsDemoCompany": True,
        "OrganisationStatus": "ACTIVE",
        "FinancialYearEndDay": day,
        "FinancialYearEndMonth": month,
        "SalesTaxBasis": "ACCRUALS",
        "SalesTaxPeriod": "QUARTERLY",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Exclusive",
        "CreatedDateUTC": CREATED,
        "Timezone": company["zone"],
        "ShortCode": "!" + tenant[:5],
        "Class": "DEMO",
        "Edition": "BUSINESS",
    }


def build_account(
    company: Record,
    space: uuid.UUID,
    code: str,
    name: str,
    kind: str,
    side: str,
    tax_key: str,
    special: Record,
) -> Record:
    """One line of the chart of accounts."""
    bank = {"BankAccountNumber": "000-000-00000000", "CurrencyCode": company["currency"]} if kind == "BANK" else {}
    return {
        "AccountID": str(uuid.uuid5(space, code)),
        "Code": code,
        "Name": name,
        "Status": "ACTIVE",
        "Type": kind,
        "TaxType": company[tax_key],
        "Class": side,
        "EnablePaymentsToAccount": False,
        "ShowInExpenseClaims": False,
        "HasAttachments": False,
        "AddToWatchlist": name.startswith("Wise-Pay"),
        "UpdatedDateUTC": CREATED,
        **bank,
        **special,
    }


def build_tax_rate(code: str, name: str, rate: str) -> Record:
    """One tax rate; the percentage is stored as text."""
    is_purchase = code.startswith(("INPUT", "RRINPUT", "EXEMPTEXPENSES")) or code == "ZERORATEDINPUT"
    is_sale = code.startswith(("OUTPUT", "RROUTPUT", "EXEMPTOUTPUT")) or code == "ZERORATEDOUTPUT"
    return {
        "Name": name,
        "TaxType": code,
        "ReportTaxType": get_report_type(code),
        "CanApplyToAssets": not is_sale,
        "CanApplyToEquity": not is_sale,
        "CanApplyToExpenses": not is_sale,
        "CanApplyToLiabilities": True,
        "CanApplyToRevenue": not is_purchase,
        "Rate": rate,
        "Status": "ACTIVE",
    }


def get_report_type(code: str) -> str:
    """The kind of tax that reports know for a type: the rates of every year and the reduced ones are one."""
    for plain, codes in {"OUTPUT": ("OUTPUT", "RROUTPUT"), "INPUT": ("INPUT", "RRINPUT")}.items():
        if code.startswith(codes):
            return plain
    return "EXEMPTOUTPUT" if code == "ZERORATED" else code


def build_themes(space: uuid.UUID) -> list[Record]:
    """The branding themes, the standard one first."""
    return [
        {
            "BrandingThemeID": str(uuid.uuid5(space, name)),
            "Name": name,
            "Type": "INVOICE",
            "SortOrder": place,
            "CreatedDateUTC": CREATED,
        }
        for place, name in enumerate(("Standard", "Wise-Pay"))
    ]
