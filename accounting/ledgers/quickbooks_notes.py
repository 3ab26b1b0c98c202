"""The credit memos of the QuickBooks ledger: made, deleted, and read back with where their credit went."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from accounting.ledgers.quickbooks_base import LARGEST_PAGE, Act, QuickBooksCompany
from accounting.ledgers.quickbooks_shapes import Row, document, is_meant, links_of, money, note, one_of
from accounting.ledgers.words import Allocated, DocumentOrder, NoteFacts, NoteOrder, Page, Refunded, Written
from wisepay.errors import Rejected

OURS = "PF_CR-"
PAID_OUT = ("Expense", "Check")
FARTHEST = timedelta(days=29)  # change data capture reaches back 30 days
CAPTURED = ("Customer", "CreditMemo")  # both in one call, since whoever wants the ones wants the others next
NO_DRAFTS = "QuickBooks has no drafts of a credit memo."


class QuickBooksNotes(QuickBooksCompany):
    """PF_CR credit memos. There are no drafts of them, and none is voided: it is deleted."""

    _captured: tuple[datetime, dict[str, list[Row]] | None] | None = None

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
        rows = self._by("CreditMemo", "Id", [o.id for o in orders])
        return [Written(o.number, id=o.id) for o in orders if o.id not in rows]

    def read_credit_notes(self, numbers: list[str]) -> list[NoteFacts]:
        return self._with_uses(list(self._by("CreditMemo", "DocNumber", numbers).values()))

    def read_note_page(self, page: int, *, since: datetime | None) -> Page[NoteFacts]:
        changed = self._changed("CreditMemo", since)
        if changed is None:
            when = f" AND MetaData.LastUpdatedTime >= '{since.isoformat()}'" if since else ""
            rows, pages = self._page("CreditMemo", f"DocNumber LIKE '{OURS}%'{when}", page)
            return Page(tuple(self._with_uses(rows)), pages)
        gone = tuple(str(row["Id"]) for row in changed if row.get("status") == "Deleted")
        ours = [row for row in changed if str(row.get("DocNumber", "")).startswith(OURS)]
        return Page(tuple(self._with_uses(ours)), 1, gone)

    def _deletions(self, orders: list[NoteOrder]) -> list[Act]:
        """As the memos are now; one that has gone meanwhile has nothing to delete."""
        rows = self._by("CreditMemo", "Id", [o.id for o in orders])
        return [Act(o.number, "CreditMemo", token(rows[o.id]), "delete") for o in orders if o.id in rows]

    def _changed(self, entity: str, since: datetime | None) -> list[Row] | None:
        """What changed since then, deletions too; None when that is too long ago or too much for one answer."""
        if since is None or timezone.now() - since > FARTHEST:
            return None
        if self._captured is None or self._captured[0] != since:
            found: dict[str, list[Row]] = {}
            for listed in self._client.changes(",".join(CAPTURED), since.isoformat()):
                found |= {name: rows for name, rows in listed.items() if name in CAPTURED}
            is_whole = sum(len(rows) for rows in found.values()) < LARGEST_PAGE
            self._captured = (since, found if is_whole else None)
        held = self._captured[1]
        return None if held is None else held.get(entity, [])

    def _with_uses(self, rows: list[Row]) -> list[NoteFacts]:
        """The memos, and what became of those that were used: one question for all their payments."""
        facts = [note(row) for row in rows]
        used = [row for row, fact in zip(rows, facts, strict=True) if fact.remaining != fact.total]
        payments = self._payments_of(row["CustomerRef"]["value"] for row in used)
        links = (link for payment in payments for link in links_of(payment))
        invoices = self._by("Invoice", "Id", (key for kind, key, _ in links if kind == "Invoice"))
        return [with_uses(fact, payments, invoices) for fact in facts]

    def _payments_of(self, customers: Iterable[str]) -> list[Row]:
        """Every payment of these customers."""
        wanted = sorted(set(customers))
        found: list[Row] = []
        page, pages = 1, 1 if wanted else 0
        while page <= pages:
            rows, pages = self._page("Payment", one_of("CustomerRef", wanted), page)
            found, page = found + rows, page + 1
        return found


NOT_THERE = "The credit memo is not there any more."


def memo_act(order: DocumentOrder) -> Act:
    """A credit memo to make."""
    return Act(order.number, "CreditMemo", document(order))


def why_not_voided(row: Row | None) -> str:
    """Why a memo cannot be deleted; QuickBooks would delete one that was used, and its uses with it."""
    if row is None:
        return NOT_THERE
    fact = note(row)
    return "" if fact.remaining == fact.total else "The credit memo was used: of it something was applied or refunded."


def token(row: Row) -> Row:
    """What names one object as it is now."""
    return {"Id": str(row["Id"]), "SyncToken": str(row["SyncToken"])}


def with_uses(fact: NoteFacts, payments: list[Row], invoices: dict[str, Row]) -> NoteFacts:
    """The memo with the invoices and the refunds that its payments put it against."""
    allocations: list[Allocated] = []
    refunds: list[Refunded] = []
    for row in payments:
        links = links_of(row)
        taken = [amount for kind, key, amount in links if (kind, key) == ("CreditMemo", fact.id)]
        if not taken:
            continue
        mine = money(sum(Decimal(str(amount)) for amount in taken), fact.total.currency)
        on = date.fromisoformat(str(row["TxnDate"]))
        out = [key for kind, key, _ in links if kind in PAID_OUT]
        if out:
            reference = str(row.get("PaymentRefNum") or row.get("PrivateNote") or "")
            refunds.append(Refunded(f"{row['Id']}-{out[0]}", reference, mine, on))
            continue
        for kind, key, amount in links:
            if kind == "Invoice":
                part = min(mine, money(amount, mine.currency))
                allocations.append(Allocated(str(invoices.get(key, {}).get("DocNumber", key)), part, on))
    return replace(fact, allocations=tuple(allocations), refunds=tuple(refunds))
