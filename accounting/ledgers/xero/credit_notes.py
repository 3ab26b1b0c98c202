"""The credit notes of the Xero ledger: created, approved, removed, voided, and read back."""

from typing import Any

from xero_python.accounting import CreditNote, CreditNotes

from accounting.ledgers.parsing import parse_every_row
from accounting.ledgers.protocol import CreditNoteOrder, DocumentOrder, RemoteCreditNote, WriteResult
from accounting.ledgers.xero.client import XeroOrganisation
from accounting.ledgers.xero.parsing import parse_credit_note, parse_results
from accounting.ledgers.xero.shapes import build_credit_note, clear_read_only_flags, escape_quotes


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
        where = " OR ".join(f'CreditNoteNumber=="{escape_quotes(number)}"' for number in numbers)
        body = self._client.read(self._api.get_credit_notes, where=where, page=1, page_size=100)
        return parse_every_row(body.get("CreditNotes") or [], parse_credit_note)

    def _create(self, orders: list[DocumentOrder], status: str, *, key: str) -> list[WriteResult]:
        body = CreditNotes(credit_notes=[build_credit_note(order, status) for order in orders])
        answer = self._client.write_batch(self._api.create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer.get("CreditNotes"), "CreditNoteID")

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
        return parse_results(orders, answer.get("CreditNotes"), "CreditNoteID")

    def _find(self, orders: list[Any], *statuses: str) -> list[WriteResult]:
        """Find the orders whose credit note is in one of these statuses and of the order's amount."""
        if not orders:
            return []
        notes = {note.number: note for note in self.read_credit_notes_by_number([o.number for o in orders])}
        pairs = ((order, notes.get(order.number)) for order in orders)
        return [
            WriteResult(order.number, id=note.id)
            for order, note in pairs
            if note and note.status in statuses and note.total == order.amount
        ]
