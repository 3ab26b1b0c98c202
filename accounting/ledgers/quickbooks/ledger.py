"""The QuickBooks Online ledger. Source: developer.intuit.com, Accounting API, minor version 75."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    explain_unreadable,
    get_candidates,
    get_text,
    parse_rows,
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
from accounting.ledgers.quickbooks.allocations import QuickBooksAllocations
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import build_credit_memo_batch_item
from accounting.ledgers.quickbooks.errors import AUTO_APPLY_WARNING, DUPLICATE_NAME_CODE
from accounting.ledgers.quickbooks.parsing import (
    is_requested_document,
    is_used,
    parse_account,
    parse_item,
    parse_tax_code,
    parse_tax_rate,
    parse_term,
)
from accounting.ledgers.quickbooks.payments import QuickBooksPayments, build_payment_batch_item
from accounting.ledgers.quickbooks.shapes import (
    build_contact_tag,
    build_currency_name,
    build_customer,
    build_display_name,
    build_document,
    build_in_condition,
    build_ref,
    get_sync_token,
    quote_literal,
)
from wisepay.errors import Rejected, Unavailable

SALES_ITEM_TYPES = ("Service", "NonInventory")


class QuickBooksLedger(QuickBooksPayments, QuickBooksAllocations):
    """One QuickBooks company."""

    supports_drafts = False
    mirrored_kinds = ("contacts", "invoices", "credits")
    needs_item = True
    supports_mixed_batches = True

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        results = self._write(
            [BATCH_ITEM_BUILDERS[group.document](order) for group in groups for order in group.orders], key=key
        )
        # Contacts come first: their numbers are those of companies, which no document has.
        count = sum(len(group.orders) for group in groups if group.document == "contact")
        contacts = [order for group in groups if group.document == "contact" for order in group.orders]
        return [*self._name_by_currency(contacts, results[:count], key=key), *results[count:]]

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]:
        return self._name_by_currency(
            orders, self._write([build_contact_batch_item(o) for o in orders], key=key), key=key
        )

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        """Find customers by name; if the name had to be changed, only our tag tells whose customer it is."""
        rows = self._query_namesakes(orders)
        return choose_results(
            orders,
            lambda order: rows,
            is_requested_customer,
            lambda row: read_id(row, "Id"),
            is_ours=has_contact_tag,
        )

    def _query_namesakes(self, orders: list[ContactOrder]) -> list[RemoteRow]:
        """Query the customers that have the name of one of these, plain or with its currency."""
        names = [name for o in orders for name in (build_display_name(o), build_currency_name(o))]
        return self._query_rows("Customer", build_in_condition("DisplayName", names)) if orders else []

    def _name_by_currency(
        self, orders: Sequence[ContactOrder], results: list[WriteResult], *, key: str
    ) -> list[WriteResult]:
        """Create once more, under a name with its currency, each customer whose namesake has another currency."""
        refused = {r.number for r in results if r.refusal and f" {DUPLICATE_NAME_CODE}:" in r.refusal}
        rows = self._query_namesakes([o for o in orders if o.number in refused and o.currency])
        items = [
            replace_display_name(build_contact_batch_item(o), build_currency_name(o))
            for o in orders
            if o.number in refused
            and has_namesake_in_other_currency(rows, o)
            and not choose_results([o], lambda _: rows, is_requested_customer, lambda row: read_id(row, "Id"))
        ]
        made = {r.number: r for r in self._write(items, key=f"{key}-c")} if items else {}
        return [made.get(r.number, r) for r in results]

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_invoice_batch_item(o) for o in orders], key=key)

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_all_by_field("Invoice", "DocNumber", [o.number for o in orders])
        return choose_documents(orders, lambda order: get_candidates(rows, order.number))

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Update unpaid invoices; QuickBooks would update a paid one as well, so that is refused here."""
        rows = self._query_by_field("Invoice", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := get_update_refusal(rows.get(o.id)))}
        unpaid = [o for o in orders if o.number not in refused]
        done = (
            {w.number: w for w in self._write_with_fresh_tokens(lambda: self._build_updates(unpaid), key=key)}
            if unpaid
            else {}
        )
        return [
            done.get(o.number) or WriteResult(o.number, refusal=refused.get(o.number, "It is gone.")) for o in orders
        ]

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_all_by_field("Invoice", "Id", [o.id for o in orders])
        return choose_documents(orders, lambda order: get_candidates(rows, order.id))

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        found = self._client.get_pdf(f"invoice/{invoice_id}")
        if not found.startswith(b"%PDF"):
            raise Unavailable("QuickBooks sent no document")
        return found

    def _build_updates(self, orders: list[DocumentOrder]) -> list[BatchItemRequest]:
        """Build sparse updates with the invoices' current sync tokens: another line and another day."""
        rows = self._query_by_field("Invoice", "Id", [o.id for o in orders])
        return [
            BatchItemRequest(o.number, "Invoice", build_invoice_update(o, rows[o.id]), "update")
            for o in orders
            if o.id in rows
        ]

    # ---- lists ----------------------------------------------------------------------------------

    @cached_property
    def _lists(self) -> dict[str, list[RemoteRow]]:
        """All lists in one call, because whoever reads one reads the others next."""
        active = dict.fromkeys(("Account", "TaxCode", "Item", "Term"), "Active = true")
        return self._query_kinds(active | {"TaxRate": ""})

    def read_accounts(self) -> list[RemoteAccount]:
        return self._parse_list("accounts", self._lists["Account"], parse_account)

    def read_tax_codes(self) -> list[RemoteTaxCode]:
        rates = dict(parse_rows(self._lists["TaxRate"], parse_tax_rate))
        found = self._parse_list("tax_codes", self._lists["TaxCode"], lambda row: parse_tax_code(row, rates))
        return [code for code in found if code is not None]

    def read_terms(self) -> list[RemoteTerm]:
        return self._parse_list("terms", self._lists["Term"], parse_term)

    def add_pay_button(self, url: str, *, name: str, term_id: str, key: str) -> None:
        raise Rejected("no_pay_button", "QuickBooks has no pay button that leads elsewhere.")

    def read_currencies(self) -> list[str]:
        chosen = self._client.get_preferences().get("CurrencyPrefs") or {}
        home = str((chosen.get("HomeCurrency") or {}).get("value") or "")
        if not home or not chosen.get("MultiCurrencyEnabled"):
            return [home] if home else []
        rows = self._query_rows("CompanyCurrency", "Active = true")
        return sorted({home, *(str(row["Code"]) for row in rows if row.get("Code"))})

    def read_settings_warning(self) -> str:
        forms = self._client.get_preferences().get("SalesFormsPrefs")
        return AUTO_APPLY_WARNING if isinstance(forms, dict) and forms.get("AutoApplyCredit") else ""

    def read_items(self) -> list[RemoteItem]:
        sold = [
            row for row in self._lists["Item"] if row.get("Type") in SALES_ITEM_TYPES and row.get("IncomeAccountRef")
        ]
        return self._parse_list("items", sold, parse_item)

    def _parse_list[T](self, kind: str, rows: list[RemoteRow], parse: Callable[[RemoteRow], T]) -> list[T]:
        """Parse a list of the settings, and keep which of its rows cannot be read."""
        self.unreadable[kind] = []
        return parse_rows(rows, parse, self.unreadable[kind])

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        found = parse_rows(self._query_rows("Item", f"Name = {quote_literal(name)}"), parse_item)
        if found and found[0].account != account:
            raise Rejected("6240", f"An item “{name}” is in QuickBooks already, with another income account.")
        if found:
            return found[0]
        body = {"Name": name, "Type": "Service", "IncomeAccountRef": build_ref(account)}
        [response] = self._send_batch([BatchItemRequest(name, "Item", body)], key=key)
        if response.refusal:
            raise Rejected(str(response.code), response.refusal)
        created = parse_rows([response.row], parse_item)
        if not created:
            raise Unavailable("QuickBooks' answer does not say which item it created")
        return created[0]


def build_contact_batch_item(order: ContactOrder) -> BatchItemRequest:
    """Return the operation that creates a customer."""
    return BatchItemRequest(order.number, "Customer", build_customer(order))


def build_invoice_batch_item(order: DocumentOrder) -> BatchItemRequest:
    """Return the operation that creates an invoice, due at once."""
    return BatchItemRequest(
        order.number, "Invoice", {**build_document(order), "DueDate": (order.due_on or order.on).isoformat()}
    )


BATCH_ITEM_BUILDERS: dict[MixableDocument, Callable[[Any], BatchItemRequest]] = {
    "contact": build_contact_batch_item,
    "invoice": build_invoice_batch_item,
    "credit_note": build_credit_memo_batch_item,
    "payment": build_payment_batch_item,
}


def replace_display_name(item: BatchItemRequest, name: str) -> BatchItemRequest:
    """Return the operation under another name."""
    return replace(item, body={**item.body, "DisplayName": name})


def has_namesake_in_other_currency(rows: list[RemoteRow], order: ContactOrder) -> bool:
    """Return whether a customer with the plain name has documents in another currency than the order's."""
    plain = build_display_name(order).casefold()
    named = [r for r in rows if get_text(r, "DisplayName").casefold() == plain]
    return bool(order.currency) and any(not is_customer_in(r, order.currency) for r in named)


def is_customer_in(row: RemoteRow, currency: str) -> bool:
    """Return whether the customer can have documents in this currency."""
    reference = row.get("CurrencyRef")
    theirs = get_text(reference, "value") if isinstance(reference, dict) else ""
    return not currency or not theirs or theirs == currency


def has_contact_tag(row: RemoteRow, order: ContactOrder) -> bool:
    """Return whether we created this customer for the order's company."""
    return build_contact_tag(order.number) in get_text(row, "Notes").splitlines()


def is_requested_customer(row: RemoteRow, order: ContactOrder) -> bool:
    """Return whether a customer is the order's by name and currency, and by our tag where its name was changed."""
    name = build_display_name(order)
    is_named = get_text(row, "DisplayName").casefold() in (name.casefold(), build_currency_name(order).casefold())
    is_known = has_contact_tag(row, order) or name == order.name
    return is_named and is_known and is_customer_in(row, order.currency)


def choose_documents(
    orders: list[DocumentOrder], list_candidates: Callable[[DocumentOrder], Iterable[Any]]
) -> list[WriteResult]:
    """Choose the orders' documents among these: numbers are not unique, and another's may have ours."""
    return choose_results(orders, list_candidates, is_requested_document, lambda row: read_id(row, "Id"))


def build_invoice_update(order: DocumentOrder, row: RemoteRow) -> RemoteRow:
    """Return a sparse update of an invoice; its number stays."""
    new = build_document(order)
    changes: RemoteRow = {name: new[name] for name in ("Line", "TxnDate", "GlobalTaxCalculation") if name in new}
    return {
        **get_sync_token(row),
        "sparse": True,
        **changes,
        "CustomerRef": row.get("CustomerRef"),
        "DueDate": order.on.isoformat(),
    }


def get_update_refusal(row: RemoteRow | None) -> str:
    """Return why an invoice cannot have another amount, or an empty text."""
    if row is None:
        return "The invoice is not in QuickBooks any more."
    try:
        return "The invoice was paid in QuickBooks, so its amount stays." if is_used(row) else ""
    except UNREADABLE as error:
        return f"The invoice cannot be read. {explain_unreadable(error)}"
