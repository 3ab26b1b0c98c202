"""Tax on sales: a code on every line, or in the United States whether the line is taxable at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_bad_reference_error, build_business_error
from sandbox.intuit.formats import ZERO, build_reference, get_reference_id, round_cents

HUNDRED = Decimal(100)
TAX_CALCULATIONS = ("TaxExcluded", "TaxInclusive", "NotApplicable")
NO_CODE = "Make sure all your transactions have a GST rate before you save."


class LineTax(NamedTuple):
    """The tax of one line: its code, and the rate's id and percentage; no rate is no tax."""

    code: str
    rate: str
    percent: Decimal


class DocumentTaxes:
    """Gathers the tax of one document, line by line."""

    def __init__(self, company: Company, way: Any, customer: Record) -> None:
        self.company = company
        self.american = company.is_american
        self.way = "TaxExcluded" if self.american else str(way or "TaxExcluded")
        if self.way not in TAX_CALCULATIONS:
            detail = f"Invalid Enumeration : {self.way}"
            raise IntuitValidationError("2170", "Invalid Enumeration", detail, element="GlobalTaxCalculation")
        self.exempt = self.american and not customer.get("Taxable", True)
        self._sums: dict[str, tuple[LineTax, Decimal, Decimal]] = {}

    @property
    def none(self) -> bool:
        """Whether the document has no tax at all."""
        return self.way == "NotApplicable"

    @property
    def inclusive(self) -> bool:
        """Whether amounts contain the tax."""
        return self.way == "TaxInclusive"

    def get_line_tax(self, detail: Record, item: Record) -> LineTax:
        """The tax of a line; raises IntuitValidationError when its code cannot be used."""
        code = get_reference_id(detail.get("TaxCodeRef"))
        if self.american:
            return self._american(code or ("TAX" if item.get("Taxable") else "NON"))
        if self.none:
            return LineTax("", "", ZERO)
        if not code:
            raise build_business_error(NO_CODE)
        row = self.company.table("TaxCode").get(code)
        if row is None or not row["Active"]:
            raise build_bad_reference_error(f"TaxCode element id {code} not found")
        details = row["SalesTaxRateList"]["TaxRateDetail"]
        if not details:
            raise build_business_error(f"The tax code {row['Name']} can't be used on sales.")
        return self._rated(code, details)

    def _american(self, code: str) -> LineTax:
        if code not in ("TAX", "NON"):
            message = "Invalid Line TaxCode in the request"
            raise IntuitValidationError("6100", message, f"{message} : Supplied value:{code}. Specify TAX or NON.")
        if code == "NON" or self.exempt:
            return LineTax(code, "", ZERO)
        return self._rated(code, self.company.table("TaxCode")["TAX"]["SalesTaxRateList"]["TaxRateDetail"])

    def _rated(self, code: str, details: list[Record]) -> LineTax:
        rate = self.company.table("TaxRate")[get_reference_id(details[0]["TaxRateRef"])]
        return LineTax(code, rate["Id"], Decimal(rate["RateValue"]))

    def add_amount(self, tax: LineTax, amount: Decimal) -> Decimal:
        """Count a line's amount; the answer is the amount without tax."""
        net = round_cents(amount * HUNDRED / (HUNDRED + tax.percent)) if self.inclusive else amount
        _, nets, contained = self._sums.get(tax.rate, (tax, ZERO, ZERO))
        self._sums[tax.rate] = (tax, nets + net, contained + amount - net)
        return net

    def build_tax_lines(self) -> list[Record]:
        """One tax line for each rate, worked out on the sum of its lines."""
        found = []
        for tax, net, contained in self._sums.values():
            if not tax.rate:
                continue
            due = contained if self.inclusive else round_cents(net * tax.percent / HUNDRED)
            detail = {"TaxRateRef": build_reference(tax.rate), "PercentBased": True, "TaxPercent": str(tax.percent)}
            detail |= {"NetAmountTaxable": str(net)}
            found.append({"Amount": str(due), "DetailType": "TaxLineDetail", "TaxLineDetail": detail})
        return found

    def list_usable_codes(self) -> list[str]:
        """The codes that a document as a whole may name."""
        return [key for key in self.company.table("TaxCode") if key not in ("TAX", "NON")]
