"""The credit memos of the QuickBooks ledger: made, deleted, and read back with where their credit went."""

from accounting.ledgers.parsing import RemoteRow
from accounting.ledgers.protocol import CreditNoteOrder, DocumentOrder, RemoteCreditNote, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.parsing import is_used
from accounting.ledgers.quickbooks.reading import QuickBooksReader
from accounting.ledgers.quickbooks.shapes import build_document, get_sync_token, is_requested_document, is_voided
from wisepay.errors import Rejected

NO_DRAFTS = "QuickBooks has no drafts of a credit memo."


class QuickBooksCreditMemos(QuickBooksReader):
    """PF_CR credit memos. There are no drafts of them, and none is voided: it is deleted."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_credit_memo_batch_item(o) for o in orders], key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_by_field("CreditMemo", "DocNumber", [o.number for o in orders])
        met = ((o, rows.get(o.number)) for o in orders)
        return [WriteResult(o.number, id=str(row["Id"])) for o, row in met if row and is_requested_document(row, o)]

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """A memo that is there is approved."""
        rows = {f.number: f for f in self.read_credit_notes_by_number([o.number for o in orders])}
        met = ((o, rows.get(o.number)) for o in orders)
        return [WriteResult(o.number, id=f.id) for o, f in met if f and f.total == o.amount]

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """What is not a draft was not removed as one."""
        return []

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        """Delete those that are there and unused, as they are now."""
        rows = self._query_by_field("CreditMemo", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := get_void_refusal(rows.get(o.id)))}
        free = [o for o in orders if o.number not in refused]
        done = (
            {w.number: w for w in self._write_with_fresh_tokens(lambda: self._build_deletions(free), key=key)}
            if free
            else {}
        )
        return [
            done.get(o.number) or WriteResult(o.number, refusal=refused.get(o.number, CREDIT_MEMO_MISSING))
            for o in orders
        ]

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        """Those that are not there, or of which a person left nothing."""
        rows = self._query_by_field("CreditMemo", "Id", [o.id for o in orders])
        return [WriteResult(o.number, id=o.id) for o in orders if o.id not in rows or is_voided(rows[o.id])]

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        return self._with_uses(list(self._query_by_field("CreditMemo", "DocNumber", numbers).values()))

    def _build_deletions(self, orders: list[CreditNoteOrder]) -> list[BatchItemRequest]:
        """As the memos are now; one that has gone meanwhile has nothing to delete."""
        rows = self._query_by_field("CreditMemo", "Id", [o.id for o in orders])
        return [
            BatchItemRequest(o.number, "CreditMemo", get_sync_token(rows[o.id]), "delete")
            for o in orders
            if o.id in rows
        ]


CREDIT_MEMO_MISSING = "The credit memo is not there any more."


def build_credit_memo_batch_item(order: DocumentOrder) -> BatchItemRequest:
    """A credit memo to make."""
    return BatchItemRequest(order.number, "CreditMemo", build_document(order))


def get_void_refusal(row: RemoteRow | None) -> str:
    """Why a memo cannot be deleted; QuickBooks would delete one that was used, and its uses with it."""
    if row is None:
        return CREDIT_MEMO_MISSING
    return "The credit memo was used: of it something was applied or refunded." if is_used(row) else ""
