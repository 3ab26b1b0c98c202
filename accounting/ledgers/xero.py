"""Xero behind the ledger's door. Source: developer.xero.com, Accounting API."""

from decimal import Decimal

from xero_python.accounting import Contacts, Invoice, Invoices

from accounting.ledgers.words import Account, ContactOrder, DocumentOrder, Item, Parcel, TaxCode, Term, Written
from accounting.ledgers.xero_allocations import XeroAllocations
from accounting.ledgers.xero_client import call
from accounting.ledgers.xero_money import XeroMoney
from accounting.ledgers.xero_payments import XeroPayments
from accounting.ledgers.xero_reading import XeroReading
from accounting.ledgers.xero_shapes import bare, contact, document, each, quoted, same, text
from wisepay.errors import Rejected, Unavailable


class XeroLedger(XeroMoney, XeroAllocations, XeroPayments, XeroReading):
    """One Xero organisation."""

    batch_size = 50
    supports_drafts = True
    mirror_kinds = ("contacts", "invoices", "credits")
    tells_gone = None
    needs_item = False
    mixes_kinds = False

    def create_together(self, parcels: list[Parcel], *, key: str) -> list[Written]:
        return [w for parcel in parcels for w in getattr(self, parcel.verb)(parcel.orders, key=f"{key}-{parcel.verb}")]

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[Written]:
        asked = [bare(contact(o)) for o in orders]
        answer = self._write(self._api.create_contacts, Contacts(contacts=asked), key=key)
        return each(orders, answer.contacts, "contact_id")

    def find_contacts(self, orders: list[ContactOrder]) -> list[Written]:
        found = []
        for order in orders:
            where = f'ContactNumber=="{quoted(order.number)}" OR Name=="{quoted(order.name)}"'
            rows = self._read(self._api.get_contacts, where=where).contacts or []
            active = [r for r in rows if text(r.contact_status) != "ARCHIVED"]
            best = sorted(active, key=lambda r: r.contact_number != order.number)
            found += [Written(order.number, id=best[0].contact_id)] if best else []
        return found

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        asked = [
            bare(Invoice(type="ACCREC", status="AUTHORISED", invoice_number=o.number, due_date=o.on, **document(o)))
            for o in orders
        ]
        answer = self._write(self._api.create_invoices, Invoices(invoices=asked), key=key, unitdp=4)
        return each(orders, answer.invoices, "invoice_id")

    def find_invoices(self, orders: list[DocumentOrder]) -> list[Written]:
        if not orders:
            return []
        rows = {i.invoice_number: i for i in self._invoices(invoice_numbers=[o.number for o in orders])}
        return _matching([(o, rows.get(o.number)) for o in orders])

    def change_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        asked = [bare(Invoice(invoice_id=o.id, due_date=o.on, **document(o))) for o in orders]
        answer = self._write(self._api.update_or_create_invoices, Invoices(invoices=asked), key=key, unitdp=4)
        return each(orders, answer.invoices, "invoice_id")

    def find_changed_invoices(self, orders: list[DocumentOrder]) -> list[Written]:
        if not orders:
            return []
        rows = {i.invoice_id: i for i in self._invoices(i_ds=[o.id for o in orders])}
        return _matching([(o, rows.get(o.id)) for o in orders])

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        found: bytes = call(self._api.get_invoice_as_pdf, self._caller, invoice_id)
        if not found.startswith(b"%PDF"):
            raise Unavailable("Xero sent no document")
        return found

    # ---- lists ----------------------------------------------------------------------------------

    def read_accounts(self) -> list[Account]:
        rows = self._read(self._api.get_accounts, where='Status=="ACTIVE"').accounts or []
        return [
            Account(
                code=text(r.code),
                name=r.name,
                kind=text(r.type),
                takes_payments=bool(r.enable_payments_to_account) or text(r.type) == "BANK",
                holds_prepayments=text(r.type) != "BANK",
                number=text(r.code),
            )
            for r in rows
            if text(r.code)
        ]

    def read_tax_codes(self) -> list[TaxCode]:
        rows = self._read(self._api.get_tax_rates).tax_rates or []
        return [
            TaxCode(code=text(r.tax_type), name=r.name, rate=Decimal(str(r.effective_rate or 0)))
            for r in rows
            if text(r.status) == "ACTIVE"
        ]

    def read_terms(self) -> list[Term]:
        rows = self._read(self._api.get_branding_themes).branding_themes or []
        return [Term(id=text(r.branding_theme_id), name=text(r.name)) for r in rows]

    def read_warning(self) -> str:
        return ""

    def read_items(self) -> list[Item]:
        return []

    def make_item(self, name: str, *, account: str, key: str) -> Item:
        raise Rejected("no_item", "Lines of Xero need no item.")


def _matching(pairs: "list[tuple[DocumentOrder, Invoice | None]]") -> list[Written]:
    """The orders whose invoice is there, for the same amount and not deleted or voided."""
    return [
        Written(order.number, id=row.invoice_id)
        for order, row in pairs
        if row is not None and text(row.status) not in ("DELETED", "VOIDED") and same(row.total, order.amount)
    ]
