"""The credit memos of the QuickBooks ledger: created, deleted, and read back with what was used of them."""

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    explain_unreadable,
    get_candidates,
    is_same_amount,
    read_id,
)
from accounting.ledgers.protocol import CreditNoteOrder, DocumentOrder, RemoteCreditNote, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.parsing import is_requested_document, is_used, is_voided
from accounting.ledgers.quickbooks.reading import QuickBooksReader
from accounting.ledgers.quickbooks.shapes import build_document, get_sync_token
from accounting.ledgers.remote_documents import build_unknown_credit_note
from wisepay.errors import Rejected

NO_DRAFTS = "QuickBooks has no drafts of a credit memo."


class QuickBooksCreditMemos(QuickBooksReader):
    """The verbs of PF_CR credit memos. They have no drafts, and to void one is to delete it."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_credit_memo_batch_item(o) for o in orders], key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_all_by_field("CreditMemo", "DocNumber", [o.number for o in orders])
        return choose_results(
            orders,
            lambda order: get_candidates(rows, order.number),
            is_requested_document,
            lambda row: read_id(row, "Id"),
        )

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """Find credit memos; every one that exists is approved."""
        rows = self._query_all_by_field("CreditMemo", "Id", [o.id for o in orders])
        return choose_results(
            orders,
            lambda order: get_candidates(rows, order.id),
            lambda row, order: is_same_amount(row.get("TotalAmt"), order.amount),
            lambda row: read_id(row, "Id"),
        )

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """Return nothing: without drafts none was removed."""
        return []

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        """Delete credit memos that are unused."""
        rows = self._query_by_field("CreditMemo", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := get_void_refusal(rows.get(o.id)))}
        unused = [o for o in orders if o.number not in refused]
        done = (
            {w.number: w for w in self._write_with_fresh_tokens(lambda: self._build_deletions(unused), key=key)}
            if unused
            else {}
        )
        return [
            done.get(o.number) or WriteResult(o.number, refusal=refused.get(o.number, CREDIT_MEMO_MISSING))
            for o in orders
        ]

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """Find credit memos that do not exist any more, or that a person voided."""
        rows = self._query_all_by_field("CreditMemo", "Id", [o.id for o in orders])
        return choose_results(
            orders,
            lambda order: get_candidates(rows, order.id) or [None],
            lambda row, order: row is None or is_voided(row),
            lambda row: "",
            name_id=lambda order: order.id,
        )

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        """Read memos by number; of several with one number, each: ours is known by its id and its amount."""
        rows = self._query_all_by_field("CreditMemo", "DocNumber", numbers)
        found = self._with_uses([row for some in rows.values() for row in some])
        known = {note.number for note in found}
        there = numbers if "" in rows else rows
        return [*found, *(build_unknown_credit_note(number) for number in there if number not in known)]

    def _build_deletions(self, orders: list[CreditNoteOrder]) -> list[BatchItemRequest]:
        """Build the deletions with the current sync tokens; a credit memo that was deleted meanwhile is left out."""
        rows = self._query_by_field("CreditMemo", "Id", [o.id for o in orders])
        return [
            BatchItemRequest(o.number, "CreditMemo", get_sync_token(rows[o.id]), "delete")
            for o in orders
            if o.id in rows
        ]


CREDIT_MEMO_MISSING = "The credit memo is not there any more."


def build_credit_memo_batch_item(order: DocumentOrder) -> BatchItemRequest:
    """Return the operation that creates a credit memo."""
    return BatchItemRequest(order.number, "CreditMemo", build_document(order))


def get_void_refusal(row: RemoteRow | None) -> str:
    """Return why a credit memo cannot be deleted; QuickBooks would delete one that was used, with its uses."""
    if row is None:
        return CREDIT_MEMO_MISSING
    try:
        return "The credit memo was used: of it something was applied or refunded." if is_used(row) else ""
    except UNREADABLE as error:
        return f"The credit memo cannot be read. {explain_unreadable(error)}"
