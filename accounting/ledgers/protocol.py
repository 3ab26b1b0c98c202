"""What is said through the ledger's door: its verbs, and under one name the orders and facts that they speak in."""

from datetime import datetime, timedelta
from typing import Protocol

from accounting.ledgers.orders import (
    AllocationOrder,
    ContactOrder,
    CreditNoteOrder,
    DocumentOrder,
    MixableDocument,
    OrderGroup,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
    WriteResult,
)
from accounting.ledgers.remote_documents import (
    RemoteAccount,
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemoteItem,
    RemotePage,
    RemotePayment,
    RemoteRefund,
    RemoteTaxCode,
    RemoteTerm,
)

__all__ = [
    "AllocationOrder",
    "ContactOrder",
    "CreditNoteOrder",
    "DocumentOrder",
    "Ledger",
    "MixableDocument",
    "OrderGroup",
    "PaymentOrder",
    "PaymentRemovalOrder",
    "RefundOrder",
    "RemoteAccount",
    "RemoteAllocation",
    "RemoteApplication",
    "RemoteContact",
    "RemoteCreditNote",
    "RemoteCreditNoteDetails",
    "RemoteInvoice",
    "RemoteItem",
    "RemotePage",
    "RemotePayment",
    "RemoteRefund",
    "RemoteTaxCode",
    "RemoteTerm",
    "WriteResult",
]


class Ledger(Protocol):
    """One organisation's books.

    Writing verbs take up to `batch_size` orders and a `key` that makes a repeat within minutes harmless, and
    answer one Written an order, in order. Finding verbs answer only what is really there, or really gone, with
    the amount asked for. Every verb may raise Unavailable, Disconnected, or Rejected when the call as a whole was
    refused. Pages are counted from 1; `since` leaves out what did not change after that instant.

    The mirror is made of the reading verbs: of each of `mirror_kinds` ("contacts", "invoices", "credits") there is
    one that reads a page and one that reads up to `batch_size` documents by id: those that exist, in one page whose
    `gone` are the ids that the books surely do not have. `tells_gone` is how far back one call tells the changes of all
    kinds at once, and what left the books; None where nothing leaves them and every kind is asked by itself.
    """

    batch_size: int
    supports_drafts: bool
    mirrored_kinds: tuple[str, ...]
    deletion_feed_window: timedelta | None
    needs_item: bool
    supports_mixed_batches: bool

    @property
    def was_accepted(self) -> bool:
        """Whether the books answered a call since this was opened, with whatever."""
        ...

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        """Create documents of several types, none of which needs another: one call where `supports_mixed_batches`."""
        ...

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]: ...

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        """Those that exist, by our number or by the same name."""
        ...

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]: ...

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]: ...

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Give unpaid invoices another amount and day."""
        ...

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]: ...

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Make them, approved."""
        ...

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Make them as drafts, which move no money. Only where `supports_drafts`."""
        ...

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        """Those that are there, drafts or approved."""
        ...

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]: ...

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]: ...

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        """Void approved notes; one of which something was used is refused."""
        ...

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        """Those of up to `batch_size` notes that are there, deleted and voided ones too."""
        ...

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]: ...

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]: ...

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]: ...

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]: ...

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        """Take back one payment or refund; takes one order only."""
        ...

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]: ...

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Put one credit to one invoice; takes one order only. More than either side has left is refused."""
        ...

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """Those that stand, with the id under which they can be taken off."""
        ...

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Take one credit off its invoice, by `id`; takes one order only. Both are open again by that much."""
        ...

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """Those of which the `id` does not stand any more."""
        ...

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        """An invoice as its merchant sends it. Raises Rejected for one that has no document, such as a draft."""
        ...

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        """All contacts, archived ones too."""
        ...

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]: ...

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        """All sales invoices, drafts, void and deleted ones too."""
        ...

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        """The sales invoices among these; bills are left out."""
        ...

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        """All credit notes for customers, whoever made them."""
        ...

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]: ...

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        """All payments of sales invoices and out of their credit notes, those that were taken back too."""
        ...

    def read_accounts(self) -> list[RemoteAccount]: ...

    def read_tax_codes(self) -> list[RemoteTaxCode]: ...

    def read_terms(self) -> list[RemoteTerm]:
        """Everything that an invoice's `term_id` can name, in the books' order."""
        ...

    def read_settings_warning(self) -> str:
        """What in the books' own settings would spoil our documents, and what to do; empty when nothing does."""
        ...

    def read_items(self) -> list[RemoteItem]:
        """What a line can sell; nothing unless `needs_item`."""
        ...

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        """The item of that name and income account, made if it is not there. Only where `needs_item`."""
        ...
