"""The credit notes and payments of the Xero ledger: created, approved, refunded, removed, voided, and read back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from xero_python.accounting import CreditNote, CreditNotes, Payment, PaymentDelete, Payments

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    get_candidates,
    get_text,
    group_rows,
    is_same_amount,
    list_rows,
    parse_rows,
    read_id,
)
from accounting.ledgers.protocol import (
    CreditNoteOrder,
    DocumentOrder,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
    RemoteCreditNote,
    WriteResult,
)
from accounting.ledgers.remote_documents import build_unknown_credit_note
from accounting.ledgers.xero.client import XeroOrganisation
from accounting.ledgers.xero.parsing import REMOVED_PAYMENT, list_standing_payments, parse_credit_note, parse_results
from accounting.ledgers.xero.shapes import build_credit_note, build_payment, build_refund, clear_read_only_flags


class XeroCreditNotes(XeroOrganisation):
    """The verbs of PF_CR credit notes."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._create(orders, "AUTHORISED", key=key)

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._create(orders, "DRAFT", key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        return self._find(orders, "draft", "approved", "applied")

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "AUTHORISED", key=key, is_dated=True)

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "approved", "applied")

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "DELETED", key=key)

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "removed", "voided")

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "VOIDED", key=key)

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "removed", "voided")

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        rows = self._read_notes(numbers)
        found = ((number, get_candidates(rows, number)) for number in dict.fromkeys(numbers))
        return [choose_credit_note(number, some) for number, some in found if some]

    def _read_notes(self, numbers: Iterable[str]) -> dict[str, list[RemoteRow]]:
        """Read customers' credit notes by number, all of each; those that do not exist are left out."""
        conditions = [f'CreditNoteNumber=="{number}"' for number in sorted({n for n in numbers if n})]
        rows = self._client.read_any(self._api.get_credit_notes, "CreditNotes", conditions)
        return group_rows(
            (row for row in rows if not (isinstance(row, dict) and row.get("Type") == "ACCPAYCREDIT")),
            "CreditNoteNumber",
        )

    def _create(self, orders: list[DocumentOrder], status: str, *, key: str) -> list[WriteResult]:
        body = CreditNotes(credit_notes=[build_credit_note(order, status) for order in orders])
        answer = self._client.write_batch(self._api.create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer, "CreditNotes", "CreditNoteID")

    def _set_status(
        self, orders: list[CreditNoteOrder], status: str, *, key: str, is_dated: bool = False
    ) -> list[WriteResult]:
        """Give credit notes another status; they are named by id, so that none can be created by it."""
        notes = [
            CreditNote(credit_note_id=order.id, status=status, **({"date": order.on} if is_dated else {}))
            for order in orders
        ]
        body = CreditNotes(credit_notes=[clear_read_only_flags(note) for note in notes])
        answer = self._client.write_batch(self._api.update_or_create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer, "CreditNotes", "CreditNoteID")

    def _find(self, orders: list[Any], *statuses: str) -> list[WriteResult]:
        """Find the orders whose credit note is in one of these statuses and of the order's amount."""
        rows = self._read_notes([order.number for order in orders])
        return choose_results(
            orders,
            lambda order: get_candidates(rows, order.number),
            lambda row, order: is_requested_note(parse_credit_note(row), order, statuses),
            lambda row: read_id(row, "CreditNoteID"),
        )


def is_requested_note(note: RemoteCreditNote, order: Any, statuses: Sequence[str]) -> bool:
    """Return whether a credit note is the order's, which may name its id, and in one of these statuses."""
    note_id = getattr(order, "id", "")
    return note.status in statuses and note.total == order.amount and note_id in ("", note.id)


def choose_credit_note(number: str, rows: Sequence[Any]) -> RemoteCreditNote:
    """Choose the credit note of a number, rather one that stands; one that cannot be read is `unknown`."""
    found = parse_rows(rows, parse_credit_note)
    if not found:
        return build_unknown_credit_note(number)
    return min(found, key=lambda note: note.status in ("removed", "voided"))


OUR_PREFIX = "PF-"


class XeroPayments(XeroCreditNotes):
    """The verbs of payments, which are created or deleted, never edited. One of a credit note gives money back."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_payment(order) for order in orders], key=key)

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_refund(order) for order in orders], key=key)

    def _create_payments(
        self, orders: list[PaymentOrder] | list[RefundOrder], payments: list[Payment], *, key: str
    ) -> list[WriteResult]:
        answer = self._client.write_batch(self._api.create_payments, Payments(payments=payments), key=key)
        return parse_results(orders, answer, "Payments", "PaymentID")

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """Find payments of our invoices by the invoice's number, of others by its id: there only ours counts."""
        ours = [order for order in orders if not order.is_foreign]
        rows = self._read_invoices("invoice_numbers", [order.invoice_number for order in ours])
        by_number = group_rows(rows, "InvoiceNumber")
        foreign = [order for order in orders if order.is_foreign]
        by_id = group_rows(self._read_invoices("i_ds", [order.invoice_id for order in foreign]), "InvoiceID")
        return [
            *choose_payments(foreign, lambda order: get_candidates(by_id, order.invoice_id)),
            *choose_payments(ours, lambda order: get_candidates(by_number, order.invoice_number)),
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        notes = self._read_notes([order.note_number for order in orders])
        return choose_results(
            orders,
            lambda order: (
                (note, paid) for note in get_candidates(notes, order.note_number) for paid in list_payments(note)
            ),
            lambda pair, order: is_requested_refund(pair[0], pair[1], order),
            lambda pair: read_id(pair[1], "PaymentID"),
        )

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        body = PaymentDelete(status="DELETED")
        answer = self._client.call(self._api.delete_payment, order.id, body, idempotency_key=key)
        return parse_results(orders, answer, "Payments", "PaymentID")

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        return [WriteResult(order.number, id=order.id) for order in orders if self._is_deleted(order.id)]

    def _is_deleted(self, payment_id: str) -> bool:
        rows = list_rows(self._client.call(self._api.get_payment, payment_id), "Payments")
        return any(isinstance(row, dict) and row.get("Status") == REMOVED_PAYMENT for row in rows[:1])

    def _read_invoices(self, name: str, values: Iterable[str]) -> list[RemoteRow]:
        """Read sales invoices by `invoice_numbers` or `i_ds`, all of them; bills may have the same numbers."""
        asked = sorted({value for value in values if value})
        if not asked:
            return []
        rows = self._client.read_named(self._api.get_invoices, "Invoices", name, asked)
        return [row for row in rows if not (isinstance(row, dict) and row.get("Type") == "ACCPAY")]


def choose_payments(
    orders: list[PaymentOrder], list_invoices: Callable[[PaymentOrder], Sequence[Any]]
) -> list[WriteResult]:
    """Choose the orders' payments among those that stand of these invoices."""
    return choose_results(
        orders,
        lambda order: (paid for invoice in list_invoices(order) for paid in list_payments(invoice)),
        is_requested_payment,
        lambda row: read_id(row, "PaymentID"),
        is_ours=lambda row, order: get_text(row, "Reference") == order.number,
    )


def list_payments(document: Any) -> list[Any]:
    """Return the standing payments of a document, or a row that nobody can read instead of them."""
    try:
        return list(list_standing_payments(document))
    except UNREADABLE:
        return [""]


def is_requested_payment(payment: RemoteRow, order: PaymentOrder) -> bool:
    """Return whether this is the order's money: without a number of ours, a bookkeeper may have entered it by hand."""
    reference = get_text(payment, "Reference")
    is_another = reference != order.number and (order.is_foreign or reference.startswith(OUR_PREFIX))
    return not is_another and is_same_amount(payment.get("Amount"), order.amount)


def is_requested_refund(note: RemoteRow, payment: RemoteRow, order: RefundOrder) -> bool:
    """Return whether this is the order's money out of its credit note."""
    is_its_note = not order.note_id or read_id(note, "CreditNoteID") == order.note_id
    is_its_number = get_text(payment, "Reference") == order.number
    return is_its_note and is_its_number and is_same_amount(payment.get("Amount"), order.amount)
