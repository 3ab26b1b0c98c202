"""The Xero ledger. Source: developer.xero.com, Accounting API."""

from collections.abc import Callable
from typing import Any

from xero_python.accounting import Contacts, Invoices, PaymentService, PaymentServices

from accounting.ledgers.parsing import (
    RemoteRow,
    choose_results,
    get_candidates,
    get_text,
    group_rows,
    is_same_amount,
    list_rows,
    read_id,
)
from accounting.ledgers.protocol import (
    ContactOrder,
    DocumentOrder,
    MixableDocument,
    OrderGroup,
    RemoteAccount,
    RemoteItem,
    RemoteTaxCode,
    RemoteTerm,
    WriteResult,
)
from accounting.ledgers.xero.allocations import XeroAllocations
from accounting.ledgers.xero.credit_notes import XeroPayments
from accounting.ledgers.xero.parsing import parse_account, parse_results, parse_tax_code, parse_term
from accounting.ledgers.xero.reading import XeroReader
from accounting.ledgers.xero.shapes import (
    build_contact,
    build_invoice,
    build_invoice_update,
    get_searchable_part,
    is_quotable,
)
from wisepay.errors import Rejected, Unavailable

PAY_NOW_TEXT = "Pay now"


class XeroLedger(XeroPayments, XeroAllocations, XeroReader):
    """One Xero organisation."""

    batch_size = 50
    supports_drafts = True
    mirrored_kinds = ("contacts", "invoices", "credits")
    deletion_feed_window = None
    needs_item = False
    supports_mixed_batches = False

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        create: dict[MixableDocument, Callable[..., list[WriteResult]]] = {
            "contact": self.create_contacts,
            "invoice": self.create_invoices,
            "credit_note": self.create_credit_notes,
            "payment": self.create_payments,
        }
        return [
            result for group in groups for result in create[group.document](group.orders, key=f"{key}-{group.document}")
        ]

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]:
        body = Contacts(contacts=[build_contact(order) for order in orders])
        answer = self._client.write_batch(self._api.create_contacts, body, key=key)
        return parse_results(orders, answer, "Contacts", "ContactID")

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        return choose_results(
            orders,
            self._list_contacts,
            lambda row, order: row.get("ContactStatus") != "ARCHIVED",
            lambda row: read_id(row, "ContactID"),
            is_ours=lambda row, order: get_text(row, "ContactNumber") == order.number,
        )

    def _list_contacts(self, order: ContactOrder) -> list[RemoteRow]:
        """Read the contacts with our number or the same name; a filter cannot hold every name, but a search can."""
        names = {"ContactNumber": order.number, "Name": order.name}
        conditions = [f'{name}=="{value}"' for name, value in names.items() if is_quotable(value)]
        operation = self._api.get_contacts
        found = self._client.read_any(operation, "Contacts", conditions)
        if found or is_quotable(order.name) or not (searchable := get_searchable_part(order.name)):
            return found
        rows = self._client.read_every_page(operation, "Contacts", search_term=searchable)
        return [row for row in rows if isinstance(row, dict) and is_same_name(get_text(row, "Name"), order.name)]

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        body = Invoices(invoices=[build_invoice(order) for order in orders])
        answer = self._client.write_batch(self._api.create_invoices, body, key=key, unitdp=4)
        return parse_results(orders, answer, "Invoices", "InvoiceID")

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._read_invoices("invoice_numbers", [order.number for order in orders])
        return choose_invoices(orders, group_rows(rows, "InvoiceNumber"), lambda order: order.number)

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        body = Invoices(invoices=[build_invoice_update(order) for order in orders])
        answer = self._client.write_batch(self._api.update_or_create_invoices, body, key=key, unitdp=4)
        return parse_results(orders, answer, "Invoices", "InvoiceID")

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._read_invoices("i_ds", [order.id for order in orders])
        return choose_invoices(orders, group_rows(rows, "InvoiceID"), lambda order: order.id)

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        content = self._client.download(self._api.get_invoice_as_pdf, invoice_id)
        if not content.startswith(b"%PDF"):
            raise Unavailable("Xero sent no document")
        return content

    # ---- lists ----------------------------------------------------------------------------------

    def read_accounts(self) -> list[RemoteAccount]:
        rows = self._client.read(self._api.get_accounts, where='Status=="ACTIVE"')
        return self._parse_list("accounts", list_rows(rows, "Accounts"), parse_account)

    def read_tax_codes(self) -> list[RemoteTaxCode]:
        rows = list_rows(self._client.read(self._api.get_tax_rates), "TaxRates")
        return self._parse_list("tax_codes", (row for row in rows if is_active_rate(row)), parse_tax_code)

    def read_terms(self) -> list[RemoteTerm]:
        rows = list_rows(self._client.read(self._api.get_branding_themes), "BrandingThemes")
        return self._parse_list("terms", rows, parse_term)

    def add_pay_button(self, url: str, *, name: str, term_id: str, key: str) -> None:
        rows = list_rows(self._client.call(self._api.get_payment_services), "PaymentServices")
        service = find_payment_service(rows, url)
        if service is None:
            fresh = PaymentService(payment_service_name=name, payment_service_url=url, pay_now_text=PAY_NOW_TEXT)
            body = PaymentServices(payment_services=[fresh])
            answer = self._client.call(self._api.create_payment_service, body, idempotency_key=key)
            service = find_payment_service(list_rows(answer, "PaymentServices"), url)
        if service is None:
            raise Unavailable("Xero did not say which payment service it made")
        chosen = PaymentServices(payment_services=[PaymentService(payment_service_id=service)])
        operation = self._api.create_branding_theme_payment_services
        self._client.call(operation, term_id, chosen, idempotency_key=f"{key}-{term_id}")

    def read_currencies(self) -> list[str]:
        rows = self._client.read(self._api.get_currencies).get("Currencies") or []
        return [str(row["Code"]) for row in rows if row.get("Code")]

    def read_settings_warning(self) -> str:
        return ""

    def read_items(self) -> list[RemoteItem]:
        return []

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        raise Rejected("no_item", "Lines of Xero need no item.")


def find_payment_service(rows: list[RemoteRow], url: str) -> str | None:
    """The id of the payment service that leads to `url`."""
    found = (row for row in rows if get_text(row, "PaymentServiceUrl") == url)
    return next((read_id(row, "PaymentServiceID") for row in found), None)


def choose_invoices(
    orders: list[DocumentOrder], by_key: dict[str, list[RemoteRow]], get_key: Callable[[DocumentOrder], str]
) -> list[WriteResult]:
    """Choose the orders' invoices: of the order's amount, and neither deleted nor voided."""
    return choose_results(
        orders,
        lambda order: get_candidates(by_key, get_key(order)),
        is_requested_invoice,
        lambda row: read_id(row, "InvoiceID"),
    )


def is_requested_invoice(row: RemoteRow, order: DocumentOrder) -> bool:
    """Return whether an invoice with the order's number or id stands and has its amount."""
    return row.get("Status") not in ("DELETED", "VOIDED") and is_same_amount(row.get("Total"), order.amount)


def is_active_rate(row: Any) -> bool:
    """Return whether a tax rate can be chosen, or what it is cannot be read."""
    return not isinstance(row, dict) or row.get("Status") in ("ACTIVE", None)


def is_same_name(name: str, other: str) -> bool:
    """Return whether Xero takes two names for the same."""
    return name.strip().casefold() == other.strip().casefold()
