"""When a refused posting needs a person; everything else is retried as it is."""

from typing import Protocol

from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import Posting
from accounting.posting.ledger_orders import get_posting_allocation

GONE_STATUSES = ("removed", "voided")


class IsTaskNeeded(Protocol):
    """Answers from the ledger's refusal and from the credit note as the ledger has it, as far as they are known."""

    def __call__(self, posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool: ...


def is_always_needed(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """Whatever was refused."""
    return True


LOCKED_WORDS = ("lock date", "locked", "books are closed", "period closed", "period has closed", "closing date")


def is_period_locked(refusal: str) -> bool:
    """Whether the ledger refused because the day lies in a period that somebody locked."""
    return any(word in refusal.lower() for word in LOCKED_WORDS)


def is_reconciled(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """The payment cannot be deleted because it is reconciled."""
    return "reconciled" in refusal.lower()


def is_invoice_not_payable(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """The invoice does not take its payment, by the refusal or as it was last read."""
    invoice = get_posting_allocation(posting).invoice
    return bool(refusal) or not (invoice.is_payable and invoice.due >= (posting.amount or 0))


def is_credit_note_gone(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """The credit note is not in the ledger any more."""
    return remote_note is None or remote_note.status in GONE_STATUSES


def is_credit_too_small(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """Less of the credit is unused than was refunded."""
    if remote_note is None or remote_note.status in ("draft", "unknown", *GONE_STATUSES):
        return False
    return remote_note.remaining < posting.money


def is_credit_used(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str) -> bool:
    """Something of the credit was allocated or refunded, so it cannot be voided."""
    return remote_note is not None and remote_note.status not in GONE_STATUSES and not remote_note.is_unused
