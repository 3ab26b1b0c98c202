"""The credit notes of the Xero ledger: made, approved, removed, voided, and read back."""

from typing import Any

from xero_python.accounting import CreditNote, CreditNotes

from accounting.ledgers.protocol import CreditNoteOrder, DocumentOrder, RemoteCreditNote, WriteResult
from accounting.ledgers.xero.base import XeroOrganisation
from accounting.ledgers.xero.shapes import (
    build_document_fields,
    clear_read_only_flags,
    escape_quotes,
    parse_credit_note,
    parse_results,
)

LARGEST_PAGE = 1000


class XeroCreditNotes(XeroOrganisation):
    """PF_CR credit notes."""

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
        where = " OR ".join(f'CreditNoteNumber=="{escape_quotes(number)}"' for number in numbers)
        rows = self._read(self._api.get_credit_notes, where=where, page=1, page_size=100).credit_notes
        return [parse_credit_note(row) for row in rows or []]

    def _create(self, orders: list[DocumentOrder], status: str, *, key: str) -> list[WriteResult]:
        asked = [
            clear_read_only_flags(
                CreditNote(type="ACCRECCREDIT", status=status, credit_note_number=o.number, **build_document_fields(o))
            )
            for o in orders
        ]
        answer = self._write(self._api.create_credit_notes, CreditNotes(credit_notes=asked), key=key, unitdp=4)
        return parse_results(orders, answer.credit_notes, "credit_note_id")

    def _set_status(
        self, orders: list[CreditNoteOrder], status: str, *, key: str, is_dated: bool = False
    ) -> list[WriteResult]:
        """Give notes another status; the id says which, so nothing can be made by it."""
        asked = [
            clear_read_only_flags(
                CreditNote(credit_note_id=o.id, status=status, **({"date": o.on} if is_dated else {}))
            )
            for o in orders
        ]
        body = CreditNotes(credit_notes=asked)
        answer = self._write(self._api.update_or_create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer.credit_notes, "credit_note_id")

    def _find(self, orders: list[Any], *statuses: str) -> list[WriteResult]:
        """The orders whose note is there in one of these states, for the same amount."""
        if not orders:
            return []
        rows = {row.number: row for row in self.read_credit_notes_by_number([o.number for o in orders])}
        met = ((o, rows.get(o.number)) for o in orders)
        return [WriteResult(o.number, id=r.id) for o, r in met if r and r.status in statuses and r.total == o.amount]
