"""The credit notes of the Xero ledger: created, approved, removed, voided, and read back."""

from collections.abc import Iterable, Sequence
from typing import Any

from xero_python.accounting import CreditNote, CreditNotes

from accounting.ledgers.parsing import RemoteRow, choose_results, get_candidates, group_rows, parse_rows, read_id
from accounting.ledgers.protocol import CreditNoteOrder, DocumentOrder, RemoteCreditNote, WriteResult
from accounting.ledgers.remote_documents import build_unknown_credit_note
from accounting.ledgers.xero.client import XeroOrganisation
from accounting.ledgers.xero.parsing import parse_credit_note, parse_results
from accounting.ledgers.xero.shapes import build_credit_note, clear_read_only_flags


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
