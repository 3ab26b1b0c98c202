"""The credit notes of the Xero ledger: made, approved, removed, voided, and read back."""

from typing import Any

from xero_python.accounting import CreditNote, CreditNotes

from accounting.ledgers.words import DocumentOrder, NoteFacts, NoteOrder, Written
from accounting.ledgers.xero_base import XeroOrganisation
from accounting.ledgers.xero_shapes import bare, document, each, facts, quoted

LARGEST_PAGE = 1000


class XeroNotes(XeroOrganisation):
    """PF_CR credit notes."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        return self._create(orders, "AUTHORISED", key=key)

    def create_draft_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        return self._create(orders, "DRAFT", key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[Written]:
        return self._find(orders, "draft", "approved", "applied")

    def approve_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        return self._move(orders, "AUTHORISED", key=key, is_dated=True)

    def find_approved_notes(self, orders: list[NoteOrder]) -> list[Written]:
        return self._find(orders, "approved", "applied")

    def remove_drafts(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        return self._move(orders, "DELETED", key=key)

    def find_removed_drafts(self, orders: list[NoteOrder]) -> list[Written]:
        return self._find(orders, "removed", "voided")

    def void_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        return self._move(orders, "VOIDED", key=key)

    def find_voided_notes(self, orders: list[NoteOrder]) -> list[Written]:
        return self._find(orders, "removed", "voided")

    def read_credit_notes(self, numbers: list[str]) -> list[NoteFacts]:
        where = " OR ".join(f'CreditNoteNumber=="{quoted(number)}"' for number in numbers)
        rows = self._read(self._api.get_credit_notes, where=where, page=1, page_size=100).credit_notes
        return [facts(row) for row in rows or []]

    def _create(self, orders: list[DocumentOrder], status: str, *, key: str) -> list[Written]:
        asked = [
            bare(CreditNote(type="ACCRECCREDIT", status=status, credit_note_number=o.number, **document(o)))
            for o in orders
        ]
        answer = self._write(self._api.create_credit_notes, CreditNotes(credit_notes=asked), key=key, unitdp=4)
        return each(orders, answer.credit_notes, "credit_note_id")

    def _move(self, orders: list[NoteOrder], status: str, *, key: str, is_dated: bool = False) -> list[Written]:
        """Give notes another status; the id says which, so nothing can be made by it."""
        asked = [
            bare(CreditNote(credit_note_id=o.id, status=status, **({"date": o.on} if is_dated else {}))) for o in orders
        ]
        body = CreditNotes(credit_notes=asked)
        answer = self._write(self._api.update_or_create_credit_notes, body, key=key, unitdp=4)
        return each(orders, answer.credit_notes, "credit_note_id")

    def _find(self, orders: list[Any], *statuses: str) -> list[Written]:
        """The orders whose note is there in one of these states, for the same amount."""
        if not orders:
            return []
        rows = {row.number: row for row in self.read_credit_notes([o.number for o in orders])}
        met = ((o, rows.get(o.number)) for o in orders)
        return [Written(o.number, id=r.id) for o, r in met if r and r.status in statuses and r.total == o.amount]
