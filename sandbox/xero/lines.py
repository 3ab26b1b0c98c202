"""Line items: checked against the chart of accounts, priced, taxed and summed."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import create_id, parse_number, round_cents
from sandbox.xero.organisation import Organisation, Record

HUNDRED = Decimal(100)
UNUSABLE = frozenset({"DEBTORS", "CREDITORS"})


class XeroLineItems:
    """Reads the lines of one document. `strict` asks for what an approved document needs."""

    def __init__(self, org: Organisation, *, amounts: str, places: int, strict: bool) -> None:
        self.org = org
        self.amounts = amounts
        self.unit = Decimal(1).scaleb(-places)
        self.strict = strict

    def parse_lines(self, sent: Any) -> list[Record]:
        """The lines as they are stored (amounts as text); raises XeroValidationError with every complaint."""
        if not isinstance(sent, list) or not all(isinstance(each, dict) for each in sent):
            raise XeroValidationError("LineItems must be an array")
        if self.strict and not sent:
            raise XeroValidationError("One or more line items must be specified")
        found, complaints = [], []
        for each in sent:
            try:
                found.append(self.parse_line(each))
            except XeroValidationError as refusal:
                complaints += refusal.messages
        if complaints:
            raise XeroValidationError(*dict.fromkeys(complaints))
        return found

    def check_accounts(self, lines: list[Record]) -> list[Record]:
        """Lines already in the books; an account may have been archived since. Raises XeroValidationError."""
        if self.strict and not lines:
            raise XeroValidationError("One or more line items must be specified")
        for line in lines:
            self.account(line)
            if self.strict and not line["Description"]:
                raise XeroValidationError("Description must be specified")
        return lines

    def parse_line(self, sent: Record) -> Record:
        """One line; raises XeroValidationError."""
        if self.strict and not sent.get("Description"):
            raise XeroValidationError("Description must be specified")
        if sent.get("ItemCode"):
            raise XeroValidationError(f"Item code '{sent['ItemCode']}' is not valid")
        account = self.account(sent)
        tax = self.get_tax_rate(sent, account)
        amounts = self.parse_price(sent)
        amount = amounts["LineAmount"]
        due = self.calculate_tax(amount, Decimal(tax["Rate"]))
        if sent.get("TaxAmount") is not None and self.amounts != "NoTax":
            due = round_cents(parse_amount(sent, "TaxAmount"))
        return {
            "LineItemID": str(sent.get("LineItemID") or create_id()),
            "Description": str(sent.get("Description") or ""),
            "AccountCode": account.get("Code") if account else None,
            "AccountID": account["AccountID"] if account else None,
            "TaxType": tax["TaxType"],
            "TaxAmount": str(due),
            **{name: str(value) for name, value in amounts.items()},
        }

    def parse_price(self, sent: Record) -> dict[str, Decimal]:
        """Quantity, unit amount, discount and the line's amount, which must agree when all are given."""
        quantity = parse_amount(sent, "Quantity", Decimal(1))
        discount = parse_amount(sent, "DiscountRate", Decimal(0))
        if not 0 <= discount <= HUNDRED:
            raise XeroValidationError("The discount must be from 0 to 100 percent")
        factor = (HUNDRED - discount) / HUNDRED
        given = sent.get("LineAmount") is not None
        if sent.get("UnitAmount") is None:
            amount = round_cents(parse_amount(sent, "LineAmount", Decimal(0)))
            unit = amount / (quantity * factor) if quantity * factor else Decimal(0)
        else:
            unit = parse_amount(sent, "UnitAmount").quantize(self.unit, ROUND_HALF_UP)
            amount = round_cents(quantity * unit * factor)
        if given and round_cents(parse_amount(sent, "LineAmount")) != amount:
            sent_amount = parse_amount(sent, "LineAmount")
            raise XeroValidationError(
                f"The line total {round_cents(sent_amount)} does not match the expected line total {amount}"
            )
        unit = unit.quantize(self.unit, ROUND_HALF_UP)
        found = {"Quantity": quantity.quantize(Decimal("0.0001")), "UnitAmount": unit, "LineAmount": amount}
        return {**found, "DiscountRate": discount} if discount else found

    def calculate_tax(self, amount: Decimal, rate: Decimal) -> Decimal:
        """The tax on or in a line's amount, rounded to cents."""
        if self.amounts == "NoTax":
            return Decimal("0.00")
        if self.amounts == "Inclusive":
            return round_cents(amount - amount * HUNDRED / (HUNDRED + rate))
        return round_cents(amount * rate / HUNDRED)

    def account(self, sent: Record) -> Record | None:
        """The account that the line names; raises XeroValidationError when it cannot be used."""
        code = sent.get("AccountCode") or sent.get("AccountID")
        if not code:
            if self.strict:
                raise XeroValidationError("Account code must be specified")
            return None
        found = self.org.account({"Code": sent.get("AccountCode"), "AccountID": sent.get("AccountID")})
        if found is None or found["Type"] == "BANK" or found.get("SystemAccount") in UNUSABLE:
            raise XeroValidationError(f"Account code '{code}' is not a valid code for this document.")
        if found["Status"] != "ACTIVE":
            raise XeroValidationError(f"Account code '{code}' has been archived, or deleted.")
        return found

    def get_tax_rate(self, sent: Record, account: Record | None) -> Record:
        """The tax rate of the line, the account's own by default; raises XeroValidationError."""
        if self.amounts == "NoTax":
            return {"TaxType": "NONE", "Rate": "0"}
        code = sent.get("TaxType") or (account or {}).get("TaxType") or "NONE"
        for rate in self.org.data["tax_rates"]:
            if rate["TaxType"] == code and rate["Status"] == "ACTIVE":
                return dict(rate)
        if code == "NONE":
            return {"TaxType": "NONE", "Rate": "0"}
        raise XeroValidationError(
            f"The TaxType code '{code}' does not exist or cannot be used for this type of transaction."
        )


def parse_amount(sent: Record, field: str, default: Decimal | None = None) -> Decimal:
    """A number of what was sent; raises XeroValidationError."""
    value = sent.get(field)
    if value is None and default is not None:
        return default
    try:
        return parse_number(value)
    except ValueError as error:
        raise XeroValidationError(f"{field} must be a number") from error


def calculate_totals(lines: list[Record], amounts: str) -> Record:
    """SubTotal, TotalTax and Total of priced lines, as text with two decimals."""
    net = sum((Decimal(line["LineAmount"]) for line in lines), Decimal("0.00"))
    tax = sum((Decimal(line["TaxAmount"]) for line in lines), Decimal("0.00"))
    subtotal = net - tax if amounts == "Inclusive" else net
    return {"SubTotal": str(subtotal), "TotalTax": str(tax), "Total": str(subtotal + tax)}
