"""The credit memos of the QuickBooks ledger: made, deleted, and read back with where their credit went."""

from accounting.ledgers.quickbooks_base import Act
from accounting.ledgers.quickbooks_facts import is_used
from accounting.ledgers.quickbooks_reading import QuickBooksReading
from accounting.ledgers.quickbooks_shapes import Row, document, is_meant, is_voided, token
from accounting.ledgers.words import DocumentOrder, NoteFacts, NoteOrder, Written
from wisepay.errors import Rejected

NO_DRAFTS = "QuickBooks has no drafts of a credit memo."


class QuickBooksNotes(QuickBooksReading):
    """PF_CR credit memos. There are no drafts of them, and none is voided: it is deleted."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        return self._write([memo_act(o) for o in orders], key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[Written]:
        rows = self._by("CreditMemo", "DocNumber", [o.number for o in orders])
        met = ((o, rows.get(o.number)) for o in orders)
        return [Written(o.number, id=str(row["Id"])) for o, row in met if row and is_meant(row, o)]

    def create_draft_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def approve_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def remove_drafts(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        raise Rejected("no_drafts", NO_DRAFTS)

    def find_approved_notes(self, orders: list[NoteOrder]) -> list[Written]:
        """A memo that is there is approved."""
        rows = {f.number: f for f in self.read_credit_notes([o.number for o in orders])}
        met = ((o, rows.get(o.number)) for o in orders)
        return [Written(o.number, id=f.id) for o, f in met if f and f.total == o.amount]

    def find_removed_drafts(self, orders: list[NoteOrder]) -> list[Written]:
        """What is not a draft was not removed as one."""
        return []

    def void_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        """Delete those that are there and unused, as they are now."""
        rows = self._by("CreditMemo", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := why_not_voided(rows.get(o.id)))}
        free = [o for o in orders if o.number not in refused]
        done = {w.number: w for w in self._change(lambda: self._deletions(free), key=key)} if free else {}
        return [done.get(o.number) or Written(o.number, refusal=refused.get(o.number, NOT_THERE)) for o in orders]

    def find_voided_notes(self, orders: list[NoteOrder]) -> list[Written]:
        """Those that are not there, or of which a person left nothing."""
        rows = self._by("CreditMemo", "Id", [o.id for o in orders])
        return [Written(o.number, id=o.id) for o in orders if o.id not in rows or is_voided(rows[o.id])]

    def read_credit_notes(self, numbers: list[str]) -> list[NoteFacts]:
        return self._with_uses(list(self._by("CreditMemo", "DocNumber", numbers).values()))

    def _deletions(self, orders: list[NoteOrder]) -> list[Act]:
        """As the memos are now; one that has gone meanwhile has nothing to delete."""
        rows = self._by("CreditMemo", "Id", [o.id for o in orders])
        return [Act(o.number, "CreditMemo", token(rows[o.id]), "delete") for o in orders if o.id in rows]


NOT_THERE = "The credit memo is not there any more."


def memo_act(order: DocumentOrder) -> Act:
    """A credit memo to make."""
    return Act(order.number, "CreditMemo", document(order))


def why_not_voided(row: Row | None) -> str:
    """Why a memo cannot be deleted; QuickBooks would delete one that was used, and its uses with it."""
    if row is None:
        return NOT_THERE
    return "The credit memo was used: of it something was applied or refunded." if is_used(row) else ""
