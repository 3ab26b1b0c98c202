"""Tax on sales: a code on every line, or in the United States whether the line is taxable at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, bad_reference, business
from sandbox.intuit.wire import NOTHING, cents, id_of, ref

HUNDRED = Decimal(100)
WAYS = ("TaxExcluded", "TaxInclusive", "NotApplicable")
NO_CODE = "Make sure all your transactions have a GST rate before you save."


class Tax(NamedTuple):
    """The tax of one line: its code, and the rate's id and percentage; no rate is no tax."""

    code: str
    rate: str
    percent: Decimal


class Taxes:
    """Gathers the tax of one document, line by line."""

    def __init__(self, company: Company, way: Any, customer: Record) -> None:
        self.company = company
        self.american = company.is_american
        self.way = "TaxExcluded" if self.american else str(way or "TaxExcluded")
        if self.way not in WAYS:
            told = f"Invalid Enumeration : {self.way}"
            raise InvalidError("2170", "Invalid Enumeration", told, element="GlobalTaxCalculation")
        self.exempt = self.american and not customer.get("Taxable", True)
        self._sums: dict[str, tuple[Tax, Decimal, Decimal]] = {}

    @property
    def none(self) -> bool:
        """Whether the document has no tax at all."""
        return self.way == "NotApplicable"

    @property
    def inclusive(self) -> bool:
        """Whether amounts contain the tax."""
        return self.way == "TaxInclusive"

    def of_line(self, detail: Record, item: Record) -> Tax:
        """The tax of a line; raises InvalidError when its code cannot be used."""
        code = id_of(detail.get("TaxCodeRef"))
        if self.american:
            return self._american(code or ("TAX" if item.get("Taxable") else "NON"))
        if self.none:
            return Tax("", "", NOTHING)
        if not code:
            raise business(NO_CODE)
        row = self.company.table("TaxCode").get(code)
        if row is None or not row["Active"]:
            raise bad_reference(f"TaxCode element id {code} not found")
        details = row["SalesTaxRateList"]["TaxRateDetail"]
        if not details:
            raise business(f"The tax code {row['Name']} can't be used on sales.")
        return self._rated(code, details)

    def _american(self, code: str) -> Tax:
        if code not in ("TAX", "NON"):
            message = "Invalid Line TaxCode in the request"
            raise InvalidError("6100", message, f"{message} : Supplied value:{code}. Specify TAX or NON.")
        if code == "NON" or self.exempt:
            return Tax(code, "", NOTHING)
        return self._rated(code, self.company.table("TaxCode")["TAX"]["SalesTaxRateList"]["TaxRateDetail"])

    def _rated(self, code: str, details: list[Record]) -> Tax:
        rate = self.company.table("TaxRate")[id_of(details[0]["TaxRateRef"])]
        return Tax(code, rate["Id"], Decimal(rate["RateValue"]))

    def take(self, tax: Tax, amount: Decimal) -> Decimal:
        """Count a line's amount; the answer is the amount without tax."""
        net = cents(amount * HUNDRED / (HUNDRED + tax.percent)) if self.inclusive else amount
        _, nets, contained = self._sums.get(tax.rate, (tax, NOTHING, NOTHING))
        self._sums[tax.rate] = (tax, nets + net, contained + amount - net)
        return net

    def lines(self) -> list[Record]:
        """One tax line for each rate, worked out on the sum of its lines."""
        found = []
        for tax, net, contained in self._sums.values():
            if not tax.rate:
                continue
            due = contained if self.inclusive else cents(net * tax.percent / HUNDRED)
            detail = {"TaxRateRef": ref(tax.rate), "PercentBased": True, "TaxPercent": str(tax.percent)}
            detail |= {"NetAmountTaxable": str(net)}
            found.append({"Amount": str(due), "DetailType": "TaxLineDetail", "TaxLineDetail": detail})
        return found

    def usable_for_document(self) -> list[str]:
        """The codes that a document as a whole may name."""
        return [key for key in self.company.table("TaxCode") if key not in ("TAX", "NON")]
