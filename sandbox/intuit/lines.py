"""The lines of sales documents: checked against items, priced, taxed and summed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, bad_reference, business, required
from sandbox.intuit.fields import limited
from sandbox.intuit.taxes import Taxes
from sandbox.intuit.wire import NOTHING, cents, id_of, kept, money, optional

READ_ONLY = ("SubTotalLineDetail",)
NO_AMOUNT = ("DescriptionOnly",)


class Lines:
    """Reads the lines of one document. `net` is their sum without tax, once read."""

    def __init__(self, company: Company, taxes: Taxes) -> None:
        self.company = company
        self.taxes = taxes
        self.net = NOTHING

    def read(self, sent: list[Record]) -> list[Record]:
        """The lines as the books keep them, with the subtotal that follows them; raises InvalidError."""
        found = [self.line(place, each) for place, each in enumerate(sent, 1) if not is_read_only(each)]
        if not any(line["DetailType"] == "SalesItemLineDetail" for line in found):
            raise required("Line")
        subtotal = {"Amount": str(self.net), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
        return [*found, subtotal]

    def line(self, place: int, sent: Record) -> Record:
        """One line; raises InvalidError."""
        kind = sent.get("DetailType")
        head: Record = {"Id": str(sent.get("Id") or place), "LineNum": place, "DetailType": kind}
        if sent.get("Description"):
            head["Description"] = limited("Description", sent["Description"], 4000)
        if kind in NO_AMOUNT:
            return {**head, "DescriptionLineDetail": {}}
        if kind != "SalesItemLineDetail":
            told = f"Invalid Enumeration : {kind}"
            raise InvalidError("2170", "Invalid Enumeration", told, element="Line.DetailType")
        detail = sent.get("SalesItemLineDetail")
        if not isinstance(detail, dict):
            raise required("SalesItemLineDetail")
        return self.sale(head, sent, detail)

    def sale(self, head: Record, sent: Record, detail: Record) -> Record:
        """A line that sells an item."""
        if sent.get("Amount") in (None, ""):
            raise required("Amount")
        item = self.item(detail)
        amount = money("Amount", sent["Amount"])
        tax = self.taxes.of_line(detail, item)
        gross = optional(detail, "TaxInclusiveAmt") if self.taxes.inclusive else None
        net = self.taxes.take(tax, cents(gross) if gross else amount)
        self.net += net
        made: Record = {
            **kept({name: value for name, value in detail.items() if name in ("ServiceDate", "ClassRef") and value}),
            "ItemRef": {"value": item["Id"], "name": item["Name"]},
            "ItemAccountRef": item["IncomeAccountRef"],
            "TaxCodeRef": {"value": tax.code} if tax.code else None,
            **priced(detail, amount),
        }
        if self.taxes.inclusive:
            made["TaxInclusiveAmt"] = str(cents(gross) if gross else amount)
        return {**head, "Amount": str(net), "SalesItemLineDetail": {k: v for k, v in made.items() if v is not None}}

    def item(self, detail: Record) -> Record:
        """What the line sells; raises InvalidError when it cannot be sold."""
        if not id_of(detail.get("ItemRef")):
            raise required("ItemRef")
        item = self.company.pointed("Item", detail["ItemRef"], "Items")
        if item["Type"] == "Category":
            raise business("Categories can't be used on transactions. Choose a product or service.")
        if not id_of(item.get("IncomeAccountRef")):
            raise business("The product or service has no income account. Choose an income account for it.")
        self.company.pointed("Account", item["IncomeAccountRef"], "Accounts")
        return item


def is_read_only(sent: Record) -> bool:
    """Whether QuickBooks makes this line itself and passes over one that is sent."""
    return sent.get("DetailType") in READ_ONLY


def priced(detail: Record, amount: Decimal) -> Record:
    """Quantity and unit price, which must come to the amount when both are told; raises InvalidError (6070)."""
    quantity, price = optional(detail, "Qty"), optional(detail, "UnitPrice")
    if quantity and price and cents(quantity * price) != amount:
        message = "Amount calculation incorrect in the request"
        told = f"{message} : Amount is not equal to UnitPrice * Qty. Supplied value:{amount}"
        raise InvalidError("6070", message, told)
    if quantity and not price:
        price = (amount / quantity).quantize(Decimal("0.0000001"))
    found = {"Qty": quantity, "UnitPrice": price}
    return {name: str(value) for name, value in found.items() if value is not None}


def tax_detail(taxes: Taxes, sent: Any) -> tuple[Record, Decimal]:
    """What the document shows of its tax, and the tax; an override must add up. Raises InvalidError."""
    told = sent if isinstance(sent, dict) else {}
    wanted = told.get("TaxLine") or []
    if taxes.none and (wanted or optional(told, "TotalTax")):
        message = "Invalid TxnTaxDetail Error"
        raise InvalidError("6170", message, "TxnTaxDetail is not allowed when GlobalTaxCalculation is NotApplicable")
    code = id_of(told.get("TxnTaxCodeRef"))
    if code and code not in taxes.usable_for_document():
        raise bad_reference(f"TaxCode element id {code} not found")
    lines = [overridden(each) for each in wanted] if wanted else taxes.lines()
    total = sum((Decimal(line["Amount"]) for line in lines), NOTHING)
    if wanted and told.get("TotalTax") not in (None, "") and money("TotalTax", told["TotalTax"]) != total:
        raise business("The total tax does not match the sum of the tax lines.")
    shown: Record = {"TotalTax": str(total), "TaxLine": lines}
    if taxes.american and lines:
        shown["TxnTaxCodeRef"] = {"value": code or taxes.usable_for_document()[0]}
    return shown, total


def overridden(sent: Record) -> Record:
    """A tax line that the app worked out itself."""
    return {**kept(sent), "Amount": str(money("Amount", sent.get("Amount"))), "DetailType": "TaxLineDetail"}
