"""ConnectWise PSA behind the Psa protocol."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from connections.rate_limiter.limiter import BudgetAccount, Priority
from psa.billing_protocol import AgreementPage, RemoteBilledInvoice, RemoteBillingTerm
from psa.connectwise import billing
from psa.connectwise.client import KEYS_REFUSED, Credentials, PsaClient
from psa.connectwise.conditions import write_ids, write_text, write_time
from psa.connectwise.parsing import (
    DOWN_PAYMENT,
    parse_agreement,
    parse_callback,
    parse_invoice,
    parse_opportunity,
    parse_order,
    parse_payment,
    read_id,
    read_text,
)
from psa.connectwise.sites import Site
from psa.protocol import (
    Installation,
    RemoteAgreement,
    RemoteCallback,
    RemoteCompany,
    RemoteInvoice,
    RemoteOpportunity,
    RemoteOrder,
    RemotePayment,
    RightCheck,
)
from wisepay.errors import Disconnected, NotPermitted, NotThere, Rejected, Unavailable
from wisepay.money import Money

ORDERS = "/sales/orders"
# What we read, and the permission of the API member's security role that it needs.
RIGHTS = (
    ("companies", "/company/companies", "Companies › Company Maintenance: inquire"),
    ("contacts", "/company/contacts", "Companies › Contacts: inquire"),
    ("invoices", "/finance/invoices", "Finance › Invoicing: add, delete, inquire"),
    ("agreements", "/finance/agreements", "Finance › Agreements: inquire"),
    ("orders", ORDERS, "Sales › Sales Orders: inquire"),
    ("opportunities", "/sales/opportunities/{opportunity}", "Sales › Opportunity: inquire"),
    ("billing_terms", "/finance/billingTerms", "System › Table Setup › Billing Terms: inquire"),
    ("callbacks", "/system/callbacks", "System › callbacks: add, delete, inquire"),
)
INVOICE_FIELDS = (
    "id,invoiceNumber,type,status,company,applyToType,applyToId,salesOrder,currency,balance,total,payments,date,"
    "dueDate,billingTerms,_info"
)
MOST_IDS = 100  # in one condition, so that an address stays short


class ConnectWisePsa:
    """One merchant's PSA."""

    def __init__(
        self, site: Site, credentials: Credentials, account: BudgetAccount, *, codebase: str, priority: Priority
    ) -> None:
        self._client = PsaClient(site, credentials, account, codebase=codebase, priority=priority)

    @property
    def codebase(self) -> str:
        return self._client.codebase

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted

    @property
    def first_answered_at(self) -> datetime | None:
        return self._client.first_answered_at

    def close(self) -> None:
        self._client.session.close()

    def discover(self) -> Installation:
        return self._client.discover()

    def get_version(self) -> str:
        try:
            row = self._client.get("/system/info")
        except Rejected:
            return ""
        return read_text(row.get("version"), 40) if isinstance(row, dict) else ""

    def check_keys(self) -> None:
        try:
            self._client.get("/company/companies", pageSize=1, fields="id")
        except NotThere as error:
            raise Disconnected(KEYS_REFUSED) from error
        except NotPermitted:
            return

    def check_rights(self) -> list[RightCheck]:
        found, opportunity = [], 1
        for code, path, role in RIGHTS:
            rows = self._try_reading(path.format(opportunity=opportunity))
            found.append(RightCheck(code, role, rows is not None))
            if code == "orders" and rows:
                opportunity = read_id(rows[0].get("opportunity")) or opportunity
        return found

    def _try_reading(self, path: str) -> list[dict[str, Any]] | None:
        """One record of a list, or the record of a path; None without the right to.

        No list of opportunities is documented. Wrong keys answer as what is not there does, and the lists that were
        read before have proved them: an opportunity that is not there was looked for.
        """
        is_record = path[-1].isdigit()
        fields: dict[str, str | int] = {"fields": "id"} if is_record else {"fields": "id", "pageSize": 1}
        fields |= {"fields": "id,opportunity"} if path == ORDERS else {}
        try:
            rows = self._client.get(path, **fields)
        except NotPermitted:
            return None
        except NotThere as error:
            if not is_record:
                raise Disconnected(KEYS_REFUSED) from error
            return []
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def list_companies(self, ids: Sequence[int]) -> list[RemoteCompany]:
        found: list[RemoteCompany] = []
        for begin in range(0, len(ids), MOST_IDS):
            condition = f"id in {write_ids(ids[begin : begin + MOST_IDS])}"
            rows = self._client.list_all("/company/companies", conditions=condition, fields="id,identifier,name")
            found += [RemoteCompany(read_id(r), read_text(r.get("identifier")), read_text(r.get("name"))) for r in rows]
        return found

    def get_opportunity(self, opportunity_id: int) -> RemoteOpportunity:
        row = self._get_record(
            f"/sales/opportunities/{opportunity_id}", fields="id,company,contact,billToCompany,billToContact"
        )
        return parse_opportunity(row)

    def _get_record(self, path: str, **query: str) -> dict[str, Any]:
        """One record. What is not there is believed only once the keys are proved, since wrong ones answer the same."""
        try:
            row = self._client.get(path, **query)
        except NotThere:
            self.check_keys()
            raise
        if not isinstance(row, dict):
            raise Unavailable("ConnectWise PSA answered something else than a record.", maybe_done=False)
        return row

    def list_orders(self, opportunity_id: int) -> list[RemoteOrder]:
        condition = f"opportunity/id = {int(opportunity_id)}"
        rows = self._client.list_all("/sales/orders", conditions=condition, fields="id,invoiceIds")
        return [order for order in map(parse_order, rows) if order.id]

    def list_down_payment_invoices(self, orders: Sequence[RemoteOrder], *, currency: str) -> list[RemoteInvoice]:
        orders, invoice_ids = orders[:MOST_IDS], [key for order in orders for key in order.invoice_ids][:MOST_IDS]
        if not orders:
            return []
        tied = f"salesOrder/id in {write_ids(order.id for order in orders)}"
        named = f"id in {write_ids(invoice_ids)}"
        wanted = f"({tied} or {named})" if invoice_ids else tied
        try:
            found = self._list_invoices(f'type = "{DOWN_PAYMENT}" and {wanted}', currency)
        except NotPermitted:
            raise
        except Rejected:
            # Not every release may take a condition on the order; what the orders name can always be asked for.
            if not invoice_ids:
                raise
            found = self._list_invoices(named, currency)
        order_ids = {order.id for order in orders}
        ours = [one for one in found if one.kind == DOWN_PAYMENT]
        return [one for one in ours if one.order_id in order_ids or one.id in invoice_ids]

    def _iterate_invoices(self, condition: str, currency: str) -> Iterator[RemoteInvoice]:
        rows = self._client.list_all("/finance/invoices", conditions=condition, fields=INVOICE_FIELDS)
        return (invoice for invoice in (parse_invoice(row, currency) for row in rows) if invoice.id)

    def _list_invoices(self, condition: str, currency: str) -> list[RemoteInvoice]:
        return list(self._iterate_invoices(condition, currency))

    def find_invoices(self, number: str, *, currency: str) -> list[RemoteInvoice]:
        found = self._list_invoices(f"invoiceNumber = {write_text(number)}", currency)
        return [one for one in found if one.number.lower() == number.strip().lower()]

    def get_invoice(self, invoice_id: int, *, currency: str) -> RemoteInvoice:
        return parse_invoice(self._get_record(f"/finance/invoices/{invoice_id}", fields=INVOICE_FIELDS), currency)

    def list_open_invoices(self, *, changed_since: datetime, currency: str) -> Iterator[RemoteInvoice]:
        condition = f"balance > 0 or lastUpdated > {write_time(changed_since)}"
        return self._iterate_invoices(condition, currency)

    def list_changed_invoices(self, since: datetime, *, currency: str) -> Iterator[RemoteInvoice]:
        return self._iterate_invoices(f"lastUpdated > {write_time(since)}", currency)

    def list_invoices(self, ids: Sequence[int], *, currency: str) -> list[RemoteInvoice]:
        found: list[RemoteInvoice] = []
        for begin in range(0, len(ids), MOST_IDS):
            found += self._iterate_invoices(f"id in {write_ids(ids[begin : begin + MOST_IDS])}", currency)
        return found

    def read_invoice_pdf(self, invoice_id: int) -> bytes:
        try:
            return self._client.read_document(f"/finance/invoices/{int(invoice_id)}/pdf")
        except NotThere:
            self.check_keys()
            raise

    def list_payments(self, invoice_id: int, *, currency: str) -> list[RemotePayment]:
        try:
            rows = list(self._client.list_all(f"/finance/invoices/{invoice_id}/payments"))
        except NotThere:
            self.check_keys()
            raise
        found = [parse_payment(row, currency) for row in rows]
        if not all(payment.id for payment in found):
            # One that can't be told from others may be ours: nothing is written beside it.
            raise Rejected("unreadable", "A payment on the invoice has no id that can be read.")
        return found

    def create_payment(self, invoice_id: int, *, amount: Money, paid_on: date) -> RemotePayment:
        body = {"amount": write_amount(amount), "paymentDate": f"{paid_on:%Y-%m-%d}T00:00:00Z", "source": "Default"}
        row = self._client.call("POST", f"/finance/invoices/{invoice_id}/payments", body=body)
        found = parse_payment(row, amount.currency) if isinstance(row, dict) else None
        if found is None or not found.id:
            raise Unavailable("ConnectWise PSA took the payment and did not say its number.")
        return found

    def delete_payment(self, invoice_id: int, payment_id: int) -> None:
        try:
            self._client.call("DELETE", f"/finance/invoices/{invoice_id}/payments/{payment_id}")
        except NotThere:
            self.check_keys()
            raise

    def list_agreements(self, opportunity_id: int) -> list[RemoteAgreement]:
        condition = f"opportunity/id = {int(opportunity_id)}"
        fields = "id,name,agreementStatus,cancelledFlag,company"
        rows = self._client.list_all("/finance/agreements", conditions=condition, fields=fields)
        return [agreement for agreement in map(parse_agreement, rows) if agreement.id]

    def list_billing_terms(self) -> list[RemoteBillingTerm]:
        with self._proving_keys():
            return billing.list_billing_terms(self._client)

    def get_agreement_page(self, after_id: int, *, since: datetime | None) -> AgreementPage:
        with self._proving_keys():
            return billing.get_agreement_page(self._client, after_id, since=since)

    def list_closed_invoices(self, *, since: date, most: int) -> list[RemoteBilledInvoice]:
        with self._proving_keys():
            return billing.list_closed_invoices(self._client, since=since, most=most)

    def list_billed_invoices(self, ids: Sequence[int]) -> list[RemoteBilledInvoice]:
        with self._proving_keys():
            return billing.list_billed_invoices(self._client, ids)

    @contextmanager
    def _proving_keys(self) -> Iterator[None]:
        """Believe that a list is not there only once the keys are proved, since wrong ones answer the same."""
        try:
            yield
        except NotThere:
            self.check_keys()
            raise

    def list_callbacks(self, host: str) -> list[RemoteCallback]:
        rows = self._client.list_all("/system/callbacks", conditions=f"url contains {write_text(host)}")
        return [callback for callback in map(parse_callback, rows) if callback.id]

    def get_callback(self, callback_id: int) -> RemoteCallback:
        return parse_callback(self._get_record(f"/system/callbacks/{callback_id}"))

    def create_callback(self, *, kind: str, url: str, description: str) -> RemoteCallback:
        body = {"description": description[:100], "url": url, "objectId": 1, "type": kind, "level": "owner"}
        return parse_callback(self._client.call("POST", "/system/callbacks", body=body))

    def enable_callback(self, callback_id: int) -> RemoteCallback:
        patch = [{"op": "replace", "path": "inactiveFlag", "value": False}]
        self._client.call("PATCH", f"/system/callbacks/{callback_id}", body=patch)
        return self.get_callback(callback_id)

    def delete_callback(self, callback_id: int) -> None:
        self._client.call("DELETE", f"/system/callbacks/{callback_id}")


def write_amount(amount: Money) -> float:
    """The amount as PSA's JSON has it: a number, which JSON writes in the fewest digits that stand for it."""
    return float(amount.decimal)
