"""QuickBooks Online behind the ledger's door. Source: developer.intuit.com, Accounting API, minor version 75."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any

from accounting.ledgers.quickbooks_allocations import QuickBooksAllocations
from accounting.ledgers.quickbooks_base import Act
from accounting.ledgers.quickbooks_money import QuickBooksMoney, payment_act
from accounting.ledgers.quickbooks_notes import memo_act
from accounting.ledgers.quickbooks_shapes import (
    Row,
    customer,
    display_name,
    document,
    is_meant,
    mark,
    note,
    one_of,
    quoted,
    ref,
    token,
)
from accounting.ledgers.quickbooks_words import WOULD_APPLY
from accounting.ledgers.words import Account, ContactOrder, DocumentOrder, Item, Parcel, TaxCode, Term, Written
from wisepay.errors import Rejected, Unavailable

RECEIVING = ("Bank", "Other Current Asset")
OWING = ("Other Current Liability", "Long Term Liability")
SOLD = ("Service", "NonInventory")


class QuickBooksLedger(QuickBooksMoney, QuickBooksAllocations):
    """One QuickBooks company."""

    supports_drafts = False
    mirror_kinds = ("contacts", "invoices", "credits")
    needs_item = True
    mixes_kinds = True

    def create_together(self, parcels: list[Parcel], *, key: str) -> list[Written]:
        return self._write([ACTS[parcel.verb](order) for parcel in parcels for order in parcel.orders], key=key)

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[Written]:
        return self._write([contact_act(o) for o in orders], key=key)

    def find_contacts(self, orders: list[ContactOrder]) -> list[Written]:
        rows = self._rows("Customer", one_of("DisplayName", [display_name(o) for o in orders])) if orders else []
        found = []
        for order in orders:
            named = [r for r in rows if r["DisplayName"].casefold() == display_name(order).casefold()]
            # Of a name that had to be changed only our own mark says whose it is.
            meant = [r for r in named if is_marked(r, order) or display_name(order) == order.name]
            best = sorted(meant, key=lambda r: not is_marked(r, order))
            found += [Written(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        return self._write([invoice_act(o) for o in orders], key=key)

    def find_invoices(self, orders: list[DocumentOrder]) -> list[Written]:
        rows = self._by("Invoice", "DocNumber", [o.number for o in orders])
        return [Written(o.number, id=str(r["Id"])) for o in orders if (r := rows.get(o.number)) and is_meant(r, o)]

    def change_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        """QuickBooks would change a paid one as well, so those are left out here."""
        rows = self._by("Invoice", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := why_not_changed(rows.get(o.id)))}
        free = [o for o in orders if o.number not in refused]
        done = {w.number: w for w in self._change(lambda: self._changes(free), key=key)} if free else {}
        return [done.get(o.number) or Written(o.number, refusal=refused.get(o.number, "It is gone.")) for o in orders]

    def find_changed_invoices(self, orders: list[DocumentOrder]) -> list[Written]:
        rows = self._by("Invoice", "Id", [o.id for o in orders])
        return [Written(o.number, id=o.id) for o in orders if (r := rows.get(o.id)) and is_meant(r, o)]

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        found = self._client.pdf(f"invoice/{invoice_id}")
        if not found.startswith(b"%PDF"):
            raise Unavailable("QuickBooks sent no document")
        return found

    def _changes(self, orders: list[DocumentOrder]) -> list[Act]:
        """As the invoices are now: another line and another day, and all else as it is."""
        rows = self._by("Invoice", "Id", [o.id for o in orders])
        return [Act(o.number, "Invoice", changed(o, rows[o.id]), "update") for o in orders if o.id in rows]

    # ---- lists ----------------------------------------------------------------------------------

    @cached_property
    def _lists(self) -> dict[str, list[Row]]:
        """Whoever reads one of them wants the others next, so all come in one call."""
        active = dict.fromkeys(("Account", "TaxCode", "Item", "Term"), "Active = true")
        return self._rows_of_all(active | {"TaxRate": ""})

    def read_accounts(self) -> list[Account]:
        return [
            Account(
                code=str(row["Id"]),
                name=str(row.get("FullyQualifiedName") or row["Name"]),
                kind=str(row.get("AccountType", "")),
                takes_payments=row.get("AccountType") in RECEIVING,
                holds_prepayments=row.get("AccountType") in OWING,
                number=str(row.get("AcctNum") or ""),
            )
            for row in self._lists["Account"]
        ]

    def read_tax_codes(self) -> list[TaxCode]:
        rates = {str(r["Id"]): Decimal(str(r.get("RateValue") or 0)) for r in self._lists["TaxRate"]}
        return [
            TaxCode(code=str(row["Id"]), name=str(row["Name"]), rate=rate)
            for row in self._lists["TaxCode"]
            if (rate := rate_of(row, rates)) is not None
        ]

    def read_terms(self) -> list[Term]:
        return [Term(id=str(row["Id"]), name=str(row["Name"])) for row in self._lists["Term"]]

    def read_warning(self) -> str:
        forms = self._client.preferences().get("SalesFormsPrefs") or {}
        return WOULD_APPLY if forms.get("AutoApplyCredit") else ""

    def read_items(self) -> list[Item]:
        return [item(r) for r in self._lists["Item"] if r.get("Type") in SOLD and r.get("IncomeAccountRef")]

    def make_item(self, name: str, *, account: str, key: str) -> Item:
        there = next((r for r in self._rows("Item", f"Name = {quoted(name)}")), None)
        if there is not None and item(there).account != account:
            raise Rejected("6240", f"An item “{name}” is in QuickBooks already, with another income account.")
        if there is not None:
            return item(there)
        body = {"Name": name, "Type": "Service", "IncomeAccountRef": ref(account)}
        [said] = self._do([Act(name, "Item", body)], key=key)
        if said.refusal:
            raise Rejected(str(said.code), said.refusal)
        return item(said.row)


def contact_act(order: ContactOrder) -> Act:
    """A customer to make."""
    return Act(order.number, "Customer", customer(order))


def invoice_act(order: DocumentOrder) -> Act:
    """An invoice to make, due at once."""
    return Act(order.number, "Invoice", {**document(order), "DueDate": order.on.isoformat()})


ACTS: dict[str, Callable[[Any], Act]] = {
    "create_contacts": contact_act,
    "create_invoices": invoice_act,
    "create_credit_notes": memo_act,
    "create_payments": payment_act,
}


def is_marked(row: Row, order: ContactOrder) -> bool:
    """Whether we made this customer for that company."""
    return mark(order.number) in str(row.get("Notes") or "").splitlines()


def changed(order: DocumentOrder, row: Row) -> Row:
    """A sparse update of an invoice; its number stays."""
    new = document(order)
    kept: Row = {name: new[name] for name in ("Line", "TxnDate", "GlobalTaxCalculation") if name in new}
    return {**token(row), "sparse": True, **kept, "CustomerRef": row["CustomerRef"], "DueDate": order.on.isoformat()}


def why_not_changed(row: Row | None) -> str:
    """Why an invoice cannot have another amount."""
    if row is None:
        return "The invoice is not in QuickBooks any more."
    fact = note(row)
    return "" if fact.remaining == fact.total else "The invoice was paid in QuickBooks, so its amount stays."


def rate_of(row: Row, rates: dict[str, Decimal]) -> Decimal | None:
    """What a tax code adds to a sale, in percent; None for one that is only for purchases."""
    details = (row.get("SalesTaxRateList") or {}).get("TaxRateDetail") or []
    bought = (row.get("PurchaseTaxRateList") or {}).get("TaxRateDetail") or []
    if bought and not details:
        return None
    keys = [str((detail.get("TaxRateRef") or {}).get("value", "")) for detail in details]
    return sum((rates.get(key, Decimal(0)) for key in keys), Decimal(0))


def item(row: Row) -> Item:
    """An item that was read."""
    account = str((row.get("IncomeAccountRef") or {}).get("value") or "")
    return Item(code=str(row["Id"]), name=str(row.get("FullyQualifiedName") or row.get("Name", "")), account=account)
