"""The lines of sales documents: checked against items, priced, taxed and summed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import (
    IntuitValidationError,
    build_bad_reference_error,
    build_business_error,
    build_required_error,
)
from sandbox.intuit.fields import check_length
from sandbox.intuit.formats import ZERO, get_reference_id, parse_amount, parse_optional_number, round_cents, to_stored
from sandbox.intuit.taxes import DocumentTaxes

READ_ONLY = ("SubTotalLineDetail",)
NO_AMOUNT = ("DescriptionOnly",)


class IntuitLines:
    """Reads the lines of one document. `net` is their sum without tax, once read."""

    def __init__(self, company: Company, taxes: DocumentTaxes) -> None:
        self.company = company
        self.taxes = taxes
        self.net = ZERO

    def parse_lines(self, sent: list[Record]) -> list[Record]:
        """The lines as they are stored, with the subtotal that follows them; raises IntuitValidationError."""
        found = [self.parse_line(place, each) for place, each in enumerate(sent, 1) if not is_read_only(each)]
        if not any(line["DetailType"] == "SalesItemLineDetail" for line in found):
            raise build_required_error("Line")
        subtotal = {"Amount": str(self.net), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
        return [*found, subtotal]

    def parse_line(self, place: int, sent: Record) -> Record:
        """One line; raises IntuitValidationError."""
        kind = sent.get("DetailType")
        head: Record = {"Id": str(sent.get("Id") or place), "LineNum": place, "DetailType": kind}
        if sent.get("Description"):
            head["Description"] = check_length("Description", sent["Description"], 4000)
        if kind in NO_AMOUNT:
            return {**head, "DescriptionLineDetail": {}}
        if kind != "SalesItemLineDetail":
            reason = f"Invalid Enumeration : {kind}"
            raise IntuitValidationError("2170", "Invalid Enumeration", reason, element="Line.DetailType")
        detail = sent.get("SalesItemLineDetail")
        if not isinstance(detail, dict):
            raise build_required_error("SalesItemLineDetail")
        return self.parse_sale_line(head, sent, detail)

    def parse_sale_line(self, head: Record, sent: Record, detail: Record) -> Record:
        """A line that sells an item."""
        if sent.get("Amount") in (None, ""):
            raise build_required_error("Amount")
        item = self.get_item(detail)
        amount = parse_amount("Amount", sent["Amount"])
        tax = self.taxes.get_line_tax(detail, item)
        gross = parse_optional_number(detail, "TaxInclusiveAmt") if self.taxes.inclusive else None
        net = self.taxes.add_amount(tax, round_cents(gross) if gross else amount)
        self.net += net
        sales_detail: Record = {
            **to_stored(
                {name: value for name, value in detail.items() if name in ("ServiceDate", "ClassRef") and value}
            ),
            "ItemRef": {"value": item["Id"], "name": item["Name"]},
            "ItemAccountRef": item["IncomeAccountRef"],
            "TaxCodeRef": {"value": tax.code} if tax.code else None,
            **parse_price(detail, amount),
        }
        if self.taxes.inclusive:
            sales_detail["TaxInclusiveAmt"] = str(round_cents(gross) if gross else amount)
        shown = {name: value for name, value in sales_detail.items() if value is not None}
        return {**head, "Amount": str(net), "SalesItemLineDetail": shown}

    def get_item(self, detail: Record) -> Record:
        """What the line sells; raises IntuitValidationError when it cannot be sold."""
        if not get_reference_id(detail.get("ItemRef")):
            raise build_required_error("ItemRef")
        item = self.company.get_referenced("Item", detail["ItemRef"], "Items")
        if item["Type"] == "Category":
            raise build_business_error("Categories can't be used on transactions. Choose a product or service.")
        if not get_reference_id(item.get("IncomeAccountRef")):
            raise build_business_error("The product or service has no income account. Choose an income account for it.")
        self.company.get_referenced("Account", item["IncomeAccountRef"], "Accounts")
        return item


def is_read_only(sent: Record) -> bool:
    """Whether QuickBooks makes this line itself and passes over one that is sent."""
    return sent.get("DetailType") in READ_ONLY


def parse_price(detail: Record, amount: Decimal) -> Record:
    """Quantity and unit price, which must match the amount if both are given; raises IntuitValidationError (6070)."""
    quantity, price = parse_optional_number(detail, "Qty"), parse_optional_number(detail, "UnitPrice")
    if quantity and price and round_cents(quantity * price) != amount:
        message = "Amount calculation incorrect in the request"
        reason = f"{message} : Amount is not equal to UnitPrice * Qty. Supplied value:{amount}"
        raise IntuitValidationError("6070", message, reason)
    if quantity and not price:
        price = (amount / quantity).quantize(Decimal("0.0000001"))
    found = {"Qty": quantity, "UnitPrice": price}
    return {name: str(value) for name, value in found.items() if value is not None}


def build_tax_detail(taxes: DocumentTaxes, sent: Any) -> tuple[Record, Decimal]:
    """What the document shows of its tax, and the tax; an override must add up. Raises IntuitValidationError."""
    tax_detail = sent if isinstance(sent, dict) else {}
    overrides = tax_detail.get("TaxLine") or []
    if taxes.none and (overrides or parse_optional_number(tax_detail, "TotalTax")):
        message = "Invalid TxnTaxDetail Error"
        raise IntuitValidationError(
            "6170", message, "TxnTaxDetail is not allowed when GlobalTaxCalculation is NotApplicable"
        )
    code = get_reference_id(tax_detail.get("TxnTaxCodeRef"))
    if code and code not in taxes.list_usable_codes():
        raise build_bad_reference_error(f"TaxCode element id {code} not found")
    lines = [build_tax_override(each) for each in overrides] if overrides else taxes.build_tax_lines()
    total = sum((Decimal(line["Amount"]) for line in lines), ZERO)
    sent_total = tax_detail.get("TotalTax")
    if overrides and sent_total not in (None, "") and parse_amount("TotalTax", sent_total) != total:
        raise build_business_error("The total tax does not match the sum of the tax lines.")
    shown: Record = {"TotalTax": str(total), "TaxLine": lines}
    if taxes.american and lines:
        shown["TxnTaxCodeRef"] = {"value": code or taxes.list_usable_codes()[0]}
    return shown, total


def build_tax_override(sent: Record) -> Record:
    """A tax line that the app worked out itself."""
    return {**to_stored(sent), "Amount": str(parse_amount("Amount", sent.get("Amount"))), "DetailType": "TaxLineDetail"}
